internal import TesseraHost

extension Devices {
  static func openCLLibrary() -> [Finding] {
    let chosen = Environment["TESSERA_OPENCL_LIBRARY"]
    if let chosen, let reason = DriverGate.pass().refusals[chosen] {
      return [
        .missing(
          "opencl library", "TESSERA_OPENCL_LIBRARY names \(chosen), which \(reason)",
          remedy: "unset TESSERA_OPENCL_LIBRARY")
      ]
    }
    for name in chosen.map({ [$0] }) ?? ["libOpenCL.so.1", "libOpenCL.so"] where canLoad(name) {
      return [.ok("opencl library", name)]
    }
    if let chosen {
      return [
        .missing(
          "opencl library", "TESSERA_OPENCL_LIBRARY names \(chosen), which cannot be loaded",
          remedy: "unset TESSERA_OPENCL_LIBRARY")
      ]
    }
    return [
      .missing(
        "opencl library", "libOpenCL.so.1 is not installed",
        remedy: "sudo apt-get install ocl-icd-libopencl1 pocl-opencl-icd")
    ]
  }

  static func canLoad(_ library: String) -> Bool {
    // Drivers do not survive being unloaded, so the library stays.
    unsafe dlopen(library, RTLD_LAZY | RTLD_LOCAL) != nil
  }

  /// Tells whether a library has an entry point through which an OpenCL loader finds its platforms.
  static func isDriver(_ library: String) -> Bool {
    guard let handle = unsafe dlopen(library, RTLD_LAZY | RTLD_LOCAL) else { return false }
    let names = ["clIcdGetPlatformIDsKHR", "clGetPlatformIDs", "clGetExtensionFunctionAddress"]
    return names.contains { unsafe dlsym(handle, $0) != nil }
  }
}

/// The drivers registered with the OpenCL loader: one `.icd` file each, naming a library.
struct OpenCLDrivers {
  var folder = DriverGate.vendorsFolder
  /// Why files are left out, by their paths.
  var refusals: [String: String] = [:]

  func findings() -> [Finding] {
    let files = SystemFile.names(in: folder).filter { $0.hasSuffix(".icd") }.sorted()
    guard !files.isEmpty else {
      return [
        .missing(
          "opencl drivers", "none registered in \(folder)",
          remedy: "sudo apt-get install pocl-opencl-icd (CPU), nvidia-opencl-icd, "
            + "mesa-opencl-icd (AMD) or intel-opencl-icd")
      ]
    }
    return files.map { file in
      let library = SystemFile.firstWord(of: "\(folder)/\(file)")
      guard !library.isEmpty else {
        return .missing(
          "opencl drivers", "\(folder)/\(file) names no library",
          remedy: "sudo rm '\(folder)/\(file)', or reinstall its driver")
      }
      let reinstall = "reinstall the package of \(folder)/\(file): dpkg -S '\(folder)/\(file)'"
      if let reason = refusals["\(folder)/\(file)"] {
        return .missing(
          "opencl drivers", "\(file) names \(library), which \(reason)",
          remedy: "\(reinstall), or remove it: sudo rm '\(folder)/\(file)'")
      }
      guard Devices.canLoad(library) else {
        return .missing(
          "opencl drivers", "\(file) names \(library), which cannot be loaded", remedy: reinstall)
      }
      return Devices.isDriver(library)
        ? .ok("opencl drivers", "\(file): \(library)")
        : .missing(
          "opencl drivers",
          "\(file) names \(library), which is no OpenCL driver: it does not "
            + "export clIcdGetPlatformIDsKHR or clGetPlatformIDs",
          remedy: reinstall)
    }
  }
}
