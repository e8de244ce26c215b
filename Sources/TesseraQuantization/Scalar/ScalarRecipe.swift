internal import Synchronization
public import TesseraCompute
import TesseraHost

/// Trains a ``ScalarQuantizer``: finds the least and greatest number of each dimension.
public struct ScalarRecipe: QuantizerRecipe, Hashable {
  /// The form in which each number is to be stored.
  public let kind: ScalarKind

  /// Makes the recipe of a kind; there is nothing else to choose.
  public init(_ kind: ScalarKind) { self.kind = kind }

  /// The name of the kind: `SQ8`, `SQfp16`, ...
  public var specification: String { kind.rawValue }

  /// Trains in two passes over the points, one for the ranges and one for the error.
  ///
  /// - Throws: `.invalidArgument` without points or dimensions, or where a dimension's numbers lie
  ///   further apart than Float32 reaches; `.nonFinite`.
  public func train(
    _ points: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> TrainedQuantizer {
    guard points.count > 0, points.dimension > 0 else {
      throw .badSpecification(
        specification,
        "\(points.count) training points of \(points.dimension) dimensions; give at least one")
    }
    return try control.steer(on: device) { device throws(TesseraError) in
      let (minimums, maximums) = try extremes(of: points, on: device.hostWorkers)
      try control.report("ranges", done: 0.3)
      let ranges = zip(maximums, minimums).map { $0 - $1 }
      if let d = ranges.firstIndex(where: { !$0.isFinite }) {
        throw .badSpecification(
          specification,
          "dimension \(d) goes from \(minimums[d]) to \(maximums[d]), further than Float32 reaches; "
            + "scale the points down")
      }
      let quantizer = ScalarQuantizer(
        kind, dimension: points.dimension, minimums: kind.isTrained ? minimums : [],
        ranges: kind.isTrained ? ranges : [])
      let found = try quantizer.error(of: points, on: device.hostWorkers)
      let notes =
        found.outside == 0
        ? []
        : [
          TrainingNote(
            quantizer: specification, knob: "spec",
            effect: kind.beyond(found.outside, of: points.count * points.dimension)
              + "; scale the points down, or use SQbf16")
        ]
      try control.report("error", done: 1, objective: found.meanSquares)
      return TrainedQuantizer(
        quantizer: quantizer, meanSquaredError: found.meanSquares, notes: notes)
    }
  }

  /// Finds the least and the greatest number of each dimension; of 16-bit kinds only whether all
  /// are finite.
  private func extremes(
    of points: Vectors, on workers: WorkerPool
  ) throws(TesseraError) -> (minimums: [Float], maximums: [Float]) {
    let dimension = points.dimension
    let step = max(1, (64 << 10) / dimension)
    let blocks = (points.count + step - 1) / step
    let isFinite = Atomic(true)
    let found: [Float] = try workers.makeEachRow(blocks, of: 2 * dimension, minimum: 1) {
      block, found throws(TesseraError) in
      let range = block * step..<min((block + 1) * step, points.count)
      try points.rows(range).withFloats { values in
        for d in 0..<dimension {
          found[d] = values[d]
          found[dimension + d] = values[d]
        }
        if values.exceeds(1) { isFinite.store(false, ordering: .relaxed) }
        guard kind.isTrained else { return }
        for row in 1..<max(1, range.count) {
          let own = values.extracting(.row(row, of: dimension))
          for d in 0..<dimension {
            let value = own[unchecked: d]
            found[unchecked: d] = value < found[unchecked: d] ? value : found[unchecked: d]
            let place = dimension + d
            found[unchecked: place] =
              value > found[unchecked: place] ? value : found[unchecked: place]
          }
        }
      }
    }
    if !isFinite.load(ordering: .relaxed) { try Shapes.requireFinite(points, "train") }
    guard kind.isTrained else { return ([], []) }
    var minimums = Array(found[0..<dimension])
    var maximums = Array(found[dimension..<2 * dimension])
    for block in 1..<max(1, blocks) {
      for d in 0..<dimension {
        minimums[d] = min(minimums[d], found[2 * block * dimension + d])
        maximums[d] = max(maximums[d], found[(2 * block + 1) * dimension + d])
      }
    }
    // Which zero is first must not decide its sign.
    return (minimums.map { $0 + 0 }, maximums.map { $0 + 0 })
  }
}

extension ScalarQuantizer {
  /// Returns the mean squared error of `points`, and how many numbers no code can hold: encoded,
  /// decoded and compared while they are in the cache. Float64 sums in row order.
  fileprivate func error(
    of points: Vectors, on workers: WorkerPool
  ) throws(TesseraError) -> (meanSquares: Double, outside: Int) {
    let encoder = ScalarEncoder(self)
    let outside = Atomic(0)
    let step = max(1, (16 << 10) / dimension)
    let errors: [Double] = try workers.makeRows(points.count, of: 1) {
      range, errors throws(TesseraError) in
      var bytes = [UInt8](repeating: 0, count: step * codeByteCount)
      var decoded = [Float](repeating: 0, count: step * dimension)
      for first in stride(from: range.lowerBound, to: range.upperBound, by: step) {
        let block = points.rows(first..<min(first + step, range.upperBound))
        try StopSignal.check()
        try block.withFloats { rows in
          let (used, size) = (block.count * codeByteCount, block.count * dimension)
          if block.count < step {
            bytes.removeLast(bytes.count - used)
            decoded.removeLast(decoded.count - size)
          }
          var codes = bytes.mutableSpan
          let found = encoder.encode(rows, to: &codes, from: 0)
          if found.outside > 0 { outside.wrappingAdd(found.outside, ordering: .relaxed) }
          var values = decoded.mutableSpan
          decode(bytes.span, to: &values)
          for row in 0..<block.count {
            errors[first - range.lowerBound + row] = FixedOrder.squaredDistance(
              rows.extracting(.row(row, of: dimension)),
              decoded.span.extracting(.row(row, of: dimension)))
          }
        }
      }
    }
    return (errors.reduce(0, +) / Double(points.count), outside.load(ordering: .relaxed))
  }
}
