public import TesseraCompute

/// Makes gradients smaller where they are too large.
public enum GradientLimit: Sendable, Hashable {
  /// Each number to -`limit`...`limit`.
  case value(Float)
  /// All gradients by one factor, if the length of all of them together is more than `limit` (Pascanu,
  /// Mikolov, Bengio 2013).
  case norm(Float)

  /// Changes the gradients of parameters. Returns their length before.
  ///
  /// Cost: one pass over the gradients, and for a norm two more, with one number brought to the host.
  public func apply(
    to parameters: [Parameter], in memory: TensorMemory
  ) throws(TesseraError) -> Float? {
    let device = memory.device
    let gradients = parameters.compactMap { parameter -> TensorView<Float>? in
      switch parameter.gradient {
      case .dense(let gradient), .rows(_, let gradient): gradient
      case nil: nil
      }
    }
    switch self {
    case .value(let limit):
      for gradient in gradients {
        try device.apply(Self.clamped, to: [gradient], parameters: [limit], into: [gradient])
      }
      return nil
    case .norm(let limit):
      let squares = try memory.tensor([gradients.count])
      for (place, gradient) in gradients.enumerated() {
        try device.reduce(
          .square, of: [gradient.reshaped([gradient.count])], along: 0,
          into: [squares.slice(place..<place + 1, of: 0)])
      }
      let total = try memory.tensor([1])
      try device.reduce(.copy, of: [squares], along: 0, into: [total])
      let length = try device.download(
        Matrix<Float>(total.storage, rows: 1, columns: 1))[0].squareRoot()
      if length > limit {
        for gradient in gradients {
          try device.apply(
            Self.timesParameter, to: [gradient], parameters: [limit / length], into: [gradient])
        }
      }
      return length
    }
  }

  private static let clamped = Formula(inputs: 1, parameters: 1) { x, p in
    [.minimum(.maximum(x[0], -p[0]), p[0])]
  }
  private static let timesParameter = Formula(inputs: 1, parameters: 1) { x, p in [x[0] * p[0]] }
}
