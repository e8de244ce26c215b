/// The work on tensors that training is made of. Every result has the same bits on every device, for
/// every number of threads; infinity and NaN are numbers like others, but for the sign and payload of
/// NaN.
///
/// Results may lie where inputs lie if both are the same view; they must not overlap otherwise.
public protocol TensorOperations: AnyObject, Sendable {
  /// `results[e] = formula(inputs[e])` for every element e. Inputs are repeated to the shape of the
  /// results, which all have one shape (``TensorView/broadcast(to:)``). Throws `.invalidShape`.
  func apply(
    _ formula: Formula, to inputs: [TensorView<Float>], parameters: [Float], random: RandomKey,
    into results: [TensorView<Float>]
  ) throws(TesseraError)

  /// Applies the formula and then combines its results along a side: `results[n][e]` is the sum, or
  /// the largest or smallest, over i of the formula's result n for element i along `side`. Inputs are
  /// repeated to one shape, which results have too, but for `side`, which is 1. Throws `.invalidShape`, and
  /// `.invalidArgument` for a formula with random numbers.
  ///
  /// ``Reduction`` says in what order numbers are added.
  func reduce(
    _ formula: Formula, of inputs: [TensorView<Float>], parameters: [Float],
    by reduction: Reduction, along side: Int, into results: [TensorView<Float>]
  ) throws(TesseraError)

  /// `result = a * b`, or with `adding` `result += a * b`: [rows, inner] times [inner, columns], for
  /// each place along the sides in front, to which a and b are repeated. Throws `.invalidShape`.
  ///
  /// The inner side is cut in runs of 256. A run is one chain of multiply-adds from 0 in rising order;
  /// runs are added in rising order, with `adding` to what was there.
  func product(
    _ a: TensorView<Float>, _ b: TensorView<Float>, adding: Bool, into result: TensorView<Float>
  ) throws(TesseraError)

  /// `result[i] = sum over the entries e of row i of value[e] * source[column[e]]`, or with `adding`
  /// `result[i] +=` it. Source and result are two-sided. Throws `.invalidShape`.
  ///
  /// A row's entries are cut in runs of 256, in their order. A run is one chain of multiply-adds from
  /// 0; runs are added in order, with `adding` to what was there.
  func product(
    _ matrix: SparseMatrix, _ source: TensorView<Float>, adding: Bool,
    into result: TensorView<Float>
  ) throws(TesseraError)
}

/// Says how ``TensorOperations/reduce(_:of:parameters:by:along:into:)`` combines numbers.
///
/// Numbers along the side are cut in runs of 256. In a run, lane l of 16 combines numbers l, l + 16,
/// ... in rising order, a sum from 0; then lanes are combined in pairs: l with l + 8, l + 4, l + 2 and
/// l + 1. The runs' results are combined in pairs of neighbours, the last one alone if it has no
/// neighbour, until one is left.
public enum Reduction: Int32, Sendable, Hashable, CaseIterable {
  case sum = 0
  /// NaN if one of the numbers is.
  case maximum = 1
  /// NaN if one of the numbers is.
  case minimum = 2

  /// Numbers of a run.
  package static let run = 256
  /// Lanes that combine the numbers of a run.
  package static let lanes = 16

  /// What a lane begins with: the result for no numbers.
  public var start: Float {
    switch self {
    case .sum: 0
    case .maximum: -.infinity
    case .minimum: .infinity
    }
  }

  /// Combines two numbers.
  func combine<Number: FormulaNumber>(_ a: Number, _ b: Number) -> Number {
    switch self {
    case .sum: a + b
    case .maximum: a > b || a.isNaN ? a : b
    case .minimum: a < b || a.isNaN ? a : b
    }
  }

  /// Combines all of `numbers`, in the order of this page.
  package func combine<Number: FormulaNumber>(all numbers: [Number]) -> Number {
    let empty = Number(start)
    var results = stride(from: 0, to: numbers.count, by: Self.run).map { first -> Number in
      var lanes = [Number](repeating: empty, count: Self.lanes)
      for place in first..<min(first + Self.run, numbers.count) {
        let lane = (place - first) % Self.lanes
        lanes[lane] = combine(lanes[lane], numbers[place])
      }
      var width = Self.lanes / 2
      while width > 0 {
        for lane in 0..<width { lanes[lane] = combine(lanes[lane], lanes[lane + width]) }
        width /= 2
      }
      return lanes[0]
    }
    while results.count > 1 {
      results = stride(from: 0, to: results.count, by: 2).map {
        $0 + 1 < results.count ? combine(results[$0], results[$0 + 1]) : results[$0]
      }
    }
    return results.first ?? empty
  }
}

extension TensorOperations {
  /// Applies a formula without random numbers.
  public func apply(
    _ formula: Formula, to inputs: [TensorView<Float>], parameters: [Float] = [],
    into results: [TensorView<Float>]
  ) throws(TesseraError) {
    try apply(
      formula, to: inputs, parameters: parameters, random: RandomKey(seed: 0), into: results)
  }

  /// Applies a formula and combines its results along a side, adding them unless told otherwise.
  public func reduce(
    _ formula: Formula, of inputs: [TensorView<Float>], parameters: [Float] = [],
    along side: Int, into results: [TensorView<Float>]
  ) throws(TesseraError) {
    try reduce(
      formula, of: inputs, parameters: parameters, by: .sum, along: side, into: results)
  }
}
