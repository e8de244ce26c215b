/// A trained quantizer, and how its training went.
public struct TrainedQuantizer: Sendable {
  /// The quantizer, ready to encode.
  public let quantizer: any Quantizer
  /// The mean over all training points of the squared distance to what their codes stand for.
  public let meanSquaredError: Double
  /// What was done otherwise than asked, or may surprise; empty as a rule.
  public let notes: [TrainingNote]

  /// Takes the values as they are.
  public init(quantizer: any Quantizer, meanSquaredError: Double, notes: [TrainingNote] = []) {
    self.quantizer = quantizer
    self.meanSquaredError = meanSquaredError
    self.notes = notes
  }
}

/// One step of a training, for progress bars and logs.
public struct TrainingStep: Sendable, Hashable {
  /// The thing that is being trained: `subspace 3 of 48`, `rotation 2 of 20`.
  public let name: String
  /// The share of the whole training that is done, from 0 to 1.
  public let done: Double
  /// The objective after this step, where there is one: smaller is better.
  public let objective: Double?

  /// Takes a report as it is: `done` is a share of the whole training, from 0 to 1.
  public init(_ name: String, done: Double, objective: Double? = nil) {
    self.name = name
    self.done = done
    self.objective = objective
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

  /// Takes the values as they are.
  public init(quantizer: String, knob: String, effect: String) {
    self.quantizer = quantizer
    self.knob = knob
    self.effect = effect
  }

  /// The note in one line, for people: quantizer, effect, and the option in brackets.
  public var description: String { "\(quantizer): \(effect) (\(knob))" }
}
