import TesseraCompute
import TesseraHost

/// A recipe whose quantizer is made of codewords.
public protocol CodewordRecipe: QuantizerRecipe {
  /// Options of the k-means that finds its codewords.
  var options: CodewordOptions { get set }
}

/// Options of the training of codebooks: the same for every quantizer made of codewords.
public struct CodewordOptions: Sendable, Hashable {
  /// Updates of k-means at most · 1 or more · more lowers the error a little.
  public var iterations: Int
  /// Training points for each codeword at most · 1 or more · more takes longer and lowers the error
  /// on other vectors; where there are more points, a random sample of them is used.
  public var pointsPerCodeword: Int
  /// Chooses the random numbers · any · equal seeds give equal codebooks.
  public var seed: UInt64

  /// Takes the values as they are; training checks them.
  public init(iterations: Int = 25, pointsPerCodeword: Int = 256, seed: UInt64 = 1234) {
    self.iterations = iterations
    self.pointsPerCodeword = pointsPerCodeword
    self.seed = seed
  }

  /// Returns the points to train on, row-major, and what should be said about them.
  ///
  /// - Throws: `.invalidArgument` for fewer points than codewords, and for points so large or so
  ///   small that their squared distances leave Float32; `.nonFinite`.
  func sample(
    _ points: Vectors, codewordCount: Int, for specification: String
  ) throws(TesseraError) -> (rows: [Float], notes: [TrainingNote]) {
    guard iterations >= 1, pointsPerCodeword >= 1 else {
      throw .badSpecification(
        specification,
        "\(iterations) iterations on \(pointsPerCodeword) points a codeword, expected at least 1")
    }
    guard points.count >= codewordCount else {
      throw .badSpecification(
        specification,
        "\(points.count) training points are fewer than the \(codewordCount) codewords; give more "
          + "points or use fewer bits")
    }
    let (product, isBeyond) = codewordCount.multipliedReportingOverflow(by: pointsPerCodeword)
    let limit = isBeyond ? Int.max : product
    var rows: [Float]
    var notes: [TrainingNote] = []
    if points.count > limit {
      var random = SplitMix64(seed: seed)
      rows = []
      rows.reserveCapacity(limit * points.dimension)
      for row in random.nextIndices(limit, below: points.count).sorted() {
        try StopSignal.check()
        rows += points.row(Int(row))
      }
      notes.append(
        TrainingNote(
          quantizer: specification, knob: "pointsPerCodeword",
          effect: "trained on \(limit) of \(points.count) points"))
    } else {
      rows = points.widened()
      if points.count < Self.fewPoints * codewordCount {
        notes.append(
          TrainingNote(
            quantizer: specification, knob: "training points",
            effect: "\(points.count) points for \(codewordCount) codewords are few: expect a "
              + "larger error on other vectors"))
      }
    }
    try StopSignal.checkEvery(Self.run, of: rows.count) { range throws(TesseraError) in
      guard let bad = rows[range].firstIndex(where: { !$0.isFinite }) else { return }
      try Shapes.requireFinite(points, "train")
      throw Shapes.nonFinite("train", rows: [bad / points.dimension])
    }
    try requireMeasurable(rows, dimension: points.dimension, for: specification)
    return (rows, notes)
  }

  /// Refuses points between which squared distances, in Float32, would be infinite or 0.
  private func requireMeasurable(
    _ rows: [Float], dimension: Int, for specification: String
  ) throws(TesseraError) {
    var largest: Float = 0
    try StopSignal.checkEvery(Self.run, of: rows.count) { range in
      largest = rows[range].reduce(largest) { max($0, $1.magnitude) }
    }
    guard largest <= Vectors.largestMeasurable(dimension: dimension) else {
      throw .badSpecification(
        specification,
        "points hold numbers up to \(largest), and squared distances would be beyond Float32; scale "
          + "the points down")
    }
    guard largest == 0 || largest >= 0x1p-50 else {
      throw .badSpecification(
        specification,
        "points hold numbers up to \(largest) only, and squared distances would vanish in Float32; "
          + "scale the points up")
    }
  }

  /// Numbers that are gone over between two looks at the stop signal.
  private static let run = 1 << 20

  /// Below so many points a codeword FAISS warns too.
  private static let fewPoints = 39
}
