internal import TesseraCompute

/// Multiplies blocks of rounded queries and rows: `Kernels/cl/matrix_units/matrix_units.cl`.
struct MatrixUnit: Sendable, Hashable {
  /// Raw values are what the kernels call them.
  enum Kind: Int, Sendable, CaseIterable {
    /// mma.sync, from compute capability 8.0.
    case nvidia = 1
    /// MFMA of gfx90a and gfx94x.
    case amdMFMA
    /// WMMA of gfx11.
    case amdWMMA
    /// XMX with sub-groups of 16 (Xe-HPC, Xe2).
    case intel16
    /// XMX with sub-groups of 8 (Xe-HPG).
    case intel8
    /// No matrix unit, but products of four bytes in one instruction.
    case dotProduct
  }

  let kind: Kind
  /// Its instructions are written out in OpenCL C: for tests, on any device.
  var isEmulated = false
  /// Dot products by NVIDIA's instruction, which its driver has no function for.
  var usesPTX = false

  var name: String {
    let name =
      switch kind {
      case .nvidia: "nvidia"
      case .amdMFMA: "amd-mfma"
      case .amdWMMA: "amd-wmma"
      case .intel16: "intel-16"
      case .intel8: "intel-8"
      case .dotProduct: "dot-product"
      }
    return isEmulated ? "emulated \(name)" : name
  }

  func multiplies(_ filter: SearchFilter) -> Bool {
    switch filter {
    case .float32: false
    case .float16: kind != .dotProduct
    case .int8: true
    }
  }

  /// Work items that hold a block together.
  var lanes: Int {
    switch kind {
    case .nvidia, .amdWMMA, .dotProduct: 32
    case .amdMFMA: 64
    case .intel16: 16
    case .intel8: 8
    }
  }

  func macros(_ filter: SearchFilter) -> [String: Int] {
    var macros = ["UNIT": kind.rawValue, "BYTES": filter.numberBytes]
    if isEmulated { macros["EMULATE"] = 1 }
    if usesPTX { macros["DOT_PRODUCT_PTX"] = 1 }
    return macros
  }

  /// Units worth a try on a device, the fastest first. A driver that is handed another's assembly may
  /// end the process, so each is offered to its maker's own drivers only.
  static func candidates(
    platform: String, vendor: String, isGPU: Bool, extensions: String
  ) -> [MatrixUnit] {
    let names = Set(extensions.split(separator: " ").map(String.init))
    let dotProducts =
      names.contains("cl_khr_integer_dot_product") ? [MatrixUnit(kind: .dotProduct)] : []
    guard isGPU else { return dotProducts }
    var units: [MatrixUnit] = []
    if platform == "NVIDIA CUDA" && vendor.hasPrefix("NVIDIA") {
      return [MatrixUnit(kind: .nvidia), MatrixUnit(kind: .dotProduct, usesPTX: true)]
    }
    if platform == "AMD Accelerated Parallel Processing" {
      units = [MatrixUnit(kind: .amdMFMA), MatrixUnit(kind: .amdWMMA)]
    }
    if names.contains("cl_intel_subgroup_matrix_multiply_accumulate") {
      units = [MatrixUnit(kind: .intel16), MatrixUnit(kind: .intel8)]
    }
    return units + dotProducts
  }
}
