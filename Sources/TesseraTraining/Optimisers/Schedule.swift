internal import TesseraCompute

/// The rate of an optimiser as a function of the step.
public enum Schedule: Sendable, Hashable {
  /// The same rate all the time.
  case constant
  /// The rate times `factor` every `steps` steps.
  case step(every: Int, factor: Float)
  /// Rising evenly from 0 to the rate in `warmUp` steps, then falling along a half cosine to 0 at
  /// `steps` (Loshchilov, Hutter 2017).
  case cosine(warmUp: Int, steps: Int)

  /// The factor of the first rate for step number `step`, counted from 0.
  public func factor(at step: Int) -> Float {
    switch self {
    case .constant: 1
    case .step(let every, let factor):
      (0..<step / max(1, every)).reduce(1) { product, _ in product * factor }
    case .cosine(let warmUp, let steps):
      if step < warmUp {
        Float(step + 1) / Float(warmUp)
      } else {
        // By the fixed arithmetic of formulas, so that rates are the same on every machine.
        0.5 + 0.5
          * ElementaryFunction.cos(
            Float(
              Double(min(step, steps) - warmUp) / Double(max(1, steps - warmUp)) * 3.141592653589793
            ))
      }
    }
  }
}
