import TesseraCompute

/// A trained quantizer, and how its training went.
public struct TrainedQuantizer: Sendable {
  /// The quantizer, ready to be used.
  public let quantizer: any Quantizer
  /// The mean over all training points of the squared distance to what their codes stand for.
  public let meanSquaredError: Double
  /// What was done otherwise than asked, or may surprise; empty as a rule.
  public let notes: [TrainingNote]

  /// Puts the result of a training together.
  public init(quantizer: any Quantizer, meanSquaredError: Double, notes: [TrainingNote] = []) {
    self.quantizer = quantizer
    self.meanSquaredError = meanSquaredError
    self.notes = notes
  }
}

extension TrainedQuantizer {
  /// Measures the error over all of `points`, and tells that the training is done.
  static func measured(
    _ quantizer: any Quantizer, on points: Vectors, _ device: any Device, _ control: RunControl,
    _ notes: [TrainingNote] = []
  ) throws(TesseraError) -> TrainedQuantizer {
    let error = try quantizer.meanSquaredError(of: points, on: device)
    try control.report("error", done: 1, objective: error)
    return TrainedQuantizer(quantizer: quantizer, meanSquaredError: error, notes: notes)
  }
}

/// Something a person should know about a training: which knob, and its effect.
public struct TrainingNote: Sendable, Hashable, CustomStringConvertible {
  /// The factory string of the quantizer.
  public let quantizer: String
  /// The option that led to it: `trainingSampleLimit`.
  public let knob: String
  /// The effect, in a sentence.
  public let effect: String

  /// Says what an option did.
  public init(quantizer: String, knob: String, effect: String) {
    self.quantizer = quantizer
    self.knob = knob
    self.effect = effect
  }

  /// The note in a sentence.
  public var description: String { "\(quantizer): \(effect) (\(knob))" }
}
