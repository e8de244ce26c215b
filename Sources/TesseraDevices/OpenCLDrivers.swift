internal import TesseraHost

extension Devices {
  static func openCLLibrary() -> [Finding] {
    let chosen = Environment["TESSERA_OPENCL_LIBRARY"]
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
    dlopen(library, RTLD_LAZY | RTLD_LOCAL) != nil
  }
}

/// The drivers registered with the OpenCL loader: one `.icd` file each, naming a library.
struct OpenCLDrivers {
  var folder = Environment["OCL_ICD_VENDORS"] ?? "/etc/OpenCL/vendors"

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
      return Devices.canLoad(library)
        ? .ok("opencl drivers", "\(file): \(library)")
        : .missing(
          "opencl drivers", "\(file) names \(library), which cannot be loaded",
          remedy: "reinstall the package of \(folder)/\(file): dpkg -S '\(folder)/\(file)'")
    }
  }
}
