import TesseraCompute
internal import TesseraHost

/// GPUs the kernel shows, whether OpenCL does or not.
struct GraphicsHardware {
  var root = "/dev"

  func findings(_ devices: [any Device]) -> [Finding] {
    let vendors = devices.filter { $0.info.kind == .gpu }.map { $0.info.vendor.lowercased() }
    var findings: [Finding] = []
    func expect(_ vendor: String, _ nodes: [String], _ remedy: String) {
      guard !nodes.isEmpty, !vendors.contains(where: { $0.contains(vendor) }) else { return }
      let closed = nodes.filter { access($0, R_OK | W_OK) != 0 }
      findings.append(
        closed.isEmpty
          ? .missing("gpu", "\(nodes[0]) is there, but OpenCL shows no such device", remedy: remedy)
          : .missing(
            "gpu", "\(closed[0]) may not be opened by this user",
            remedy: "sudo usermod -aG render,video $USER, then log in again"))
    }
    let names = SystemFile.names(in: root)
    expect(
      "nvidia", names.contains("nvidiactl") ? ["\(root)/nvidiactl"] : [],
      "sudo apt-get install nvidia-opencl-icd")
    expect(
      "advanced micro", names.contains("kfd") ? ["\(root)/kfd"] : [],
      "install ROCm's OpenCL runtime: sudo apt-get install rocm-opencl-icd")
    // Render nodes do not tell their vendor; without any OpenCL GPU one of these serves it.
    if vendors.isEmpty, findings.isEmpty {
      let render = SystemFile.names(in: "\(root)/dri").filter { $0.hasPrefix("renderD") }.sorted()
      expect(
        "", render.map { "\(root)/dri/\($0)" },
        "sudo apt-get install intel-opencl-icd (Intel) or mesa-opencl-icd (others)")
    }
    return findings
  }
}
