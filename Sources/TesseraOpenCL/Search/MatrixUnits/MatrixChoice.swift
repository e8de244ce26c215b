internal import COpenCL
internal import TesseraCompute

/// Chooses the unit that multiplies rounded numbers.
public enum MatrixUnits: String, Sendable, Hashable, CaseIterable {
  /// The device's matrix unit, if it has one that is found to work.
  case automatic = "auto"
  /// No unit: filters compute in Float32.
  case none
  /// A unit whose instructions are written out in OpenCL C, for any device: to test, not to be fast.
  case emulated
}

/// The filter of a device's searches, and what multiplies for it.
struct MatrixChoice {
  let unit: MatrixUnit?
  let filter: SearchFilter

  /// Takes what `options` ask for, of what the device turns out to have.
  ///
  /// - Throws: `.invalidArgument` for a filter there is no unit for.
  init(
    _ options: OpenCLOptions, candidates: [MatrixUnit],
    probe: () throws(TesseraError) -> MatrixProbe
  ) throws(TesseraError) {
    // Dot products are no faster than Float32 by enough to make up for what bytes let pass, so they
    // have to be asked for.
    let wanted = options.filter ?? .float16
    let units =
      switch options.matrixUnits {
      case .automatic: candidates
      case .none: [MatrixUnit]()
      case .emulated: [MatrixUnit(kind: options.emulatedUnit, isEmulated: true)]
      }
    unit = MatrixProbe.firstWorking(of: units, wanted, probe: probe)
    if unit == nil, let filter = options.filter, filter != .float32 {
      throw TesseraError(
        .invalidArgument,
        "TESSERA_OPENCL_FILTER is \(filter.rawValue), but no matrix unit that multiplies so is in "
          + "use; unset it, or set TESSERA_OPENCL_MATRIX to emulated for a slow test")
    }
    filter = unit == nil ? .float32 : wanted
  }

  /// Returns the device's variant, as people read it: `tile`, or `tile, float16 on nvidia`.
  func variant(of body: KernelBody) -> String {
    guard let unit else { return body.rawValue }
    return "\(body.rawValue), \(filter.rawValue) on \(unit.name)"
  }
}

extension OpenCLContext {
  /// The matrix units that the device may have, by its maker and its extensions.
  func matrixUnits(of platform: OpenCLLibrary.Platform) -> [MatrixUnit] {
    let type = number(CL_DEVICE_TYPE, absent: cl_device_type(0))
    return MatrixUnit.candidates(
      platform: platform.name, vendor: text(CL_DEVICE_VENDOR),
      isGPU: type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0,
      extensions: text(CL_DEVICE_EXTENSIONS))
  }
}
