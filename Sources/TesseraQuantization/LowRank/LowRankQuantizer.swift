public import TesseraCompute
import TesseraHost

/// A trained ``LowRankRecipe``.
///
/// - Complexity: encoding takes O(dimension * latent) for the projection and then, three times,
///   O(latent * (codewords + subspaces)) a vector, where latent counts the numbers of all
///   subspaces; decoding is one product, O(dimension * latent).
public struct LowRankQuantizer: Quantizer {
  /// `lowrank`.
  public static let kind = "lowrank"

  /// Numbers of the vector for each number of the code: m.
  public let blockLength: Int
  /// Latent numbers of a codeword: d.
  public let latent: Int
  /// Bits of a number of the code.
  public let bits: Int
  /// The mean of the training points.
  public let mean: [Float]
  /// `subspaceCount * latent` x `dimension`: what one latent number adds to the vector. The rows of
  /// a subspace are of unit length and orthogonal; those of different subspaces need not be.
  public let projection: [Float]
  /// `subspaceCount * 2^bits` x `latent`, subspace by subspace.
  public let codewords: [Float]

  /// `LRVQ<m>_<d>x<bits>`, always with the number of latent numbers that training chose.
  public var specification: String { "LRVQ\(blockLength)_\(latent)x\(bits)" }
  /// Numbers of a vector.
  public var dimension: Int { mean.count }
  /// Bytes of a code: `subspaceCount * bits` bits, rounded up to whole bytes.
  public var codeByteCount: Int { packing.bytesPerRow }
  /// Numbers of a code.
  public var subspaceCount: Int { (dimension + blockLength - 1) / blockLength }

  var packing: BitPacking { BitPacking(bits: bits, perRow: subspaceCount) }

  /// Chooses the numbers of each code one subspace after the other.
  public func encode(
    _ vectors: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "\(specification) encode")
    try Shapes.requireFinite(vectors, "\(specification) encode")
    return try control.steer(on: device) { device throws(TesseraError) in
      try vectors.requireMeasurable(on: device, "\(specification) encode")
      let coder = try LowRankCoder(self, on: device)
      let blockRows = Swift.max(1, min(16_384, (64 << 20) / (8 * dimension)))
      var bytes: [UInt8] = []
      bytes.reserveCapacity(vectors.count * codeByteCount)
      for start in stride(from: 0, to: vectors.count, by: blockRows) {
        try StopSignal.check()
        let rows = vectors.rows(start..<Swift.min(start + blockRows, vectors.count))
        let centered = try Vectors(rows.widened().subtracting(mean), dimension: dimension)
        let latents = try map.apply(to: centered, on: device, "\(specification) encode")
        var numbers = try coder.nearest(latents, on: device)
        for _ in 0..<Self.passCount { try coder.improve(&numbers, latents, on: device) }
        bytes += packing.pack(numbers)
        try control.report(
          "encode", done: Double(start + rows.count) / Double(vectors.count))
      }
      return try Codes(bytes, byteCount: codeByteCount)
    }
  }

  /// Passes over all numbers of a code, in each of which every number is chosen anew, given the
  /// others.
  private static let passCount = 2

  /// Projects the codewords that each code names to all dimensions.
  public func decode(
    _ codes: Codes, on device: any Device, control: RunControl
  ) throws(TesseraError) -> [Float] {
    try requireOwn(codes)
    return try control.steer(on: device) { device throws(TesseraError) in
      let numbers = packing.unpack(codes.bytes)
      let latents = try Vectors(latents(numbers), dimension: subspaceCount * latent)
      return try map.transposed.apply(
        to: latents, on: device, "\(specification) decode", control: control
      ).adding(mean)
    }
  }

  /// From vectors less the mean to latent numbers; transposed it leads back.
  var map: LinearMap { LinearMap(projection, outputs: subspaceCount * latent, inputs: dimension) }

  /// The codewords that `numbers` name, subspace after subspace.
  func latents(_ numbers: [UInt16]) -> [Float] {
    var latents: [Float] = []
    latents.reserveCapacity(numbers.count * latent)
    for (index, number) in numbers.enumerated() {
      let codeword = (index % subspaceCount) << bits + Int(number)
      latents += codewords[codeword * latent..<(codeword + 1) * latent]
    }
    return latents
  }

  /// The mean, the projection and the codewords, as Float32.
  public var arrays: [String: StoredArray] {
    [
      "mean": .of(mean, shape: [dimension]),
      "projection": .of(projection, shape: [subspaceCount * latent, dimension]),
      "codewords": .of(codewords, shape: [subspaceCount, 1 << bits, latent]),
    ]
  }

  /// Reads the mean, the projection and the codewords; the specification must name the latent
  /// numbers.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let recipe = try LowRankRecipe(parsing: specification), let latent = recipe.latent else {
      throw table.malformed("the name is not that of a trained LRVQ, such as LRVQ8_6x8")
    }
    let mean = try table.values("mean", Float.self, [nil]).values
    let subspaceCount = (mean.count + recipe.blockLength - 1) / recipe.blockLength
    self.init(
      blockLength: recipe.blockLength, latent: latent, bits: recipe.bits, mean: mean,
      projection: try table.values(
        "projection", Float.self, [subspaceCount * latent, mean.count]
      ).values,
      codewords: try table.values(
        "codewords", Float.self, [subspaceCount, 1 << recipe.bits, latent]
      ).values)
  }

  init(
    blockLength: Int, latent: Int, bits: Int, mean: [Float], projection: [Float],
    codewords: [Float]
  ) {
    self.blockLength = blockLength
    self.latent = latent
    self.bits = bits
    self.mean = mean
    self.projection = projection
    self.codewords = codewords
  }
}

extension [Float] {
  /// Rows less `row`.
  package func subtracting(_ row: [Float]) throws(TesseraError) -> [Float] {
    var result = self
    try result.forEachRow(row) { $0 -= $1 }
    return result
  }

  /// Rows plus `row`.
  package func adding(_ row: [Float]) throws(TesseraError) -> [Float] {
    var result = self
    try result.forEachRow(row) { $0 += $1 }
    return result
  }

  private mutating func forEachRow(
    _ row: [Float], _ body: (inout Float, Float) -> Void
  ) throws(TesseraError) {
    var values = mutableSpan
    for start in stride(from: 0, to: values.count, by: row.count) {
      if start / row.count % 4096 == 0 { try StopSignal.check() }
      for i in row.indices { body(&values[start + i], row[i]) }
    }
  }
}
