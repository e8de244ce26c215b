public import TesseraFormats

/// Weights, the state of an optimiser and counters in one safetensors file, from which training goes
/// on with the same bits as if it had not been stopped.
///
/// Weights have their own names, the optimiser's state is `optimiser.<parameter>.<state>`; counters and
/// settings are in the metadata. The file is written whole or not at all.
public enum Checkpoint {
  /// The layout that is written, and the newest that is read.
  public static let version = 1

  /// Brings weights and state to the host and puts them together with `metadata`.
  ///
  /// - Throws: What the device throws.
  public static func file(
    _ parameters: [Parameter], _ optimiser: (any Optimiser)?, metadata: [String: String],
    on device: any Device
  ) throws(TesseraError) -> StoredArrayFile {
    var arrays: [String: StoredArray] = [:]
    for parameter in parameters {
      arrays[parameter.name] = try stored(parameter.value, on: device)
    }
    var metadata = metadata
    metadata["content"] = "training"
    metadata["version"] = String(version)
    if let optimiser {
      for (name, tensor) in optimiser.state.tensors {
        arrays["optimiser." + name] = try stored(tensor, on: device)
      }
      metadata["optimiserSteps"] = String(optimiser.stepCount)
    }
    return StoredArrayFile(arrays: arrays, metadata: metadata)
  }

  /// Takes weights, state and the count of steps from a file.
  ///
  /// - Throws: `.malformedFile` for a file of something else, or of another model: it names the first
  ///   array that does not fit. Nothing is changed then.
  public static func load(
    _ file: StoredArrayFile, into parameters: [Parameter], _ optimiser: (any Optimiser)?,
    on device: any Device
  ) throws(TesseraError) {
    guard file.metadata["content"] == "training", let text = file.metadata["version"],
      let found = Int(text), found <= version
    else {
      throw TesseraError(
        .malformedFile,
        "the file holds \(file.metadata["content"] ?? "no weights that were trained here")"
          + ", version \(file.metadata["version"] ?? "unknown")")
    }
    var values: [(TensorView<Float>, [Float])] = []
    func take(_ name: String, _ tensor: TensorView<Float>) throws(TesseraError) {
      guard let array = file.arrays[name], array.shape == tensor.shape else {
        throw TesseraError(
          .malformedFile,
          "\(name) has the shape \(file.arrays[name]?.shape.description ?? "of nothing"), "
            + "expected \(tensor.shape)")
      }
      values.append((tensor, try array.values(Float.self)))
    }
    for parameter in parameters { try take(parameter.name, parameter.value) }
    if let optimiser {
      guard let text = file.metadata["optimiserSteps"], let steps = Int(text), steps >= 0 else {
        throw TesseraError(.malformedFile, "the file does not say how many steps were done")
      }
      for parameter in parameters where steps > 0 {
        let tensors = try optimiser.state.tensors(of: parameter, optimiser.stateNames, on: device)
        for (name, tensor) in zip(optimiser.stateNames, tensors)
        where file.arrays["optimiser.\(parameter.name).\(name)"] != nil {
          try take("optimiser.\(parameter.name).\(name)", tensor)
        }
      }
      optimiser.stepCount = steps
    }
    for (tensor, numbers) in values {
      try device.upload(
        numbers,
        to: Matrix<Float>(tensor.storage, offset: tensor.offset, rows: 1, columns: numbers.count))
    }
  }

  private static func stored(
    _ tensor: TensorView<Float>, on device: any Device
  ) throws(TesseraError) -> StoredArray {
    try StoredArray(
      device.download(
        Matrix<Float>(tensor.storage, offset: tensor.offset, rows: 1, columns: tensor.count)),
      shape: tensor.shape)
  }
}
