public import TesseraCompute

/// Residual quantization (Chen, Guan, Wang 2010) with beam search, and products of it: a vector is
/// the sum of one codeword of each stage, each stage standing for what the ones before left over;
/// `PRQ` cuts vectors into subspaces first and does so for each subspace.
///
/// A code holds one number of `bits` bits a stage, subspace by subspace, the first in the lowest
/// bits.
public struct ResidualQuantizer: Quantizer {
  /// `residual`.
  public static let kind = "residual"

  /// `RQ<stages>x<bits>`, or `PRQ<subspaces>x<stages>x<bits>`.
  public let specification: String
  /// Codebooks that are added up, for each subspace.
  public let stageCount: Int
  /// Bits of a number: 1 to 12.
  public let bits: Int
  let layout: SubspaceLayout
  /// One for each subspace.
  let subspaces: [ResidualStages]

  /// Subspaces a vector is cut into: 1 for `RQ`.
  public var subspaceCount: Int { subspaces.count }
  /// Numbers of a vector.
  public var dimension: Int { layout.dimension }
  /// Bytes of a code: `subspaceCount * stageCount * bits` bits, rounded up to whole bytes.
  public var codeByteCount: Int { packing.bytesPerRow }
  private var packing: BitPacking { BitPacking(bits: bits, perRow: subspaceCount * stageCount) }

  /// Choices that encoding keeps at a time; FAISS's number.
  static let beam = 5

  init(_ recipe: ResidualRecipe, _ layout: SubspaceLayout, _ subspaces: [ResidualStages]) {
    specification = recipe.specification
    stageCount = recipe.stageCount
    bits = recipe.bits
    self.layout = layout
    self.subspaces = subspaces
  }

  /// Complexity: for each vector and subspace O(stages * codewords * dimension) on the device and
  /// O(stages^2 * codewords) on the host.
  public func encode(
    _ vectors: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "encode")
    return try control.steer(on: device) { device throws(TesseraError) in
      try vectors.requireMeasurable(on: device, "encode")
      return try encode(vectors, device, control)
    }
  }

  /// Encodes what vectors have besides the mean of the first codewords: products of the whole would
  /// lose in Float32 what sets vectors apart.
  private func encode(
    _ vectors: Vectors, _ device: any Device, _ control: RunControl
  ) throws(TesseraError) -> Codes {
    var encoders: [BeamEncoder] = []
    var center: [Float] = []
    for (subspace, stages) in subspaces.enumerated() {
      let own = stages.center
      center += own[0..<layout.range(subspace).count]
      encoders.append(
        try BeamEncoder(stages.moved(by: own.map { -$0 }[...]), beam: Self.beam, on: device))
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(vectors.count * codeByteCount)
    let blockRows = max(1, (8 << 20) / (dimension * MemoryLayout<Float>.stride))
    for start in stride(from: 0, to: vectors.count, by: blockRows) {
      let range = start..<min(start + blockRows, vectors.count)
      let values = vectors.rows(range).widened()
      if values.span.exceeds(1) { try Shapes.requireFinite(vectors, "encode") }
      let rows = try layout.padded(values.subtracting(center))
      var numbers = [UInt16](repeating: 0, count: range.count * subspaceCount * stageCount)
      for (subspace, encoder) in encoders.enumerated() {
        let own =
          subspaceCount == 1
          ? rows
          : try rows.columns(
            subspace * layout.width..<(subspace + 1) * layout.width, of: layout.paddedDimension)
        let found = try encoder.numbers(own) { done throws(TesseraError) in
          let rows = Double(range.count) * Double(subspace) + Double(done)
          try control.report(
            "encode",
            done: (Double(start) + rows / Double(subspaceCount)) / Double(vectors.count))
        }
        for row in 0..<range.count {
          for stage in 0..<stageCount {
            numbers[(row * subspaceCount + subspace) * stageCount + stage] =
              found[row * stageCount + stage]
          }
        }
      }
      bytes += packing.pack(numbers)
    }
    return try Codes(bytes, byteCount: codeByteCount)
  }

  /// Adds up the codewords that each code names.
  public func decode(
    _ codes: Codes, on device: any Device, control: RunControl
  ) throws(TesseraError) -> [Float] {
    try requireOwn(codes)
    return try control.steer(on: device) { device throws(TesseraError) in
      let numbers = packing.unpack(codes.bytes)
      return try device.hostWorkers.makeEachRow(codes.count, of: dimension) { row, values in
        for (subspace, stages) in subspaces.enumerated() {
          let range = layout.range(subspace)
          for d in range { values[d] = 0 }
          for stage in 0..<stageCount {
            let number = Int(numbers[(row * subspaceCount + subspace) * stageCount + stage])
            let first = (stage * stages.codewordCount + number) * layout.width
            for d in range { values[d] += stages.codewords[first + d - range.lowerBound] }
          }
        }
      }
    }
  }

  /// The padded codewords, subspace by subspace and stage by stage, and the numbers of each
  /// subspace.
  public var arrays: [String: StoredArray] {
    let widths = (0..<subspaceCount).map { Int32(layout.range($0).count) }
    return [
      "codewords": .of(
        subspaces.flatMap(\.codewords), shape: [subspaceCount, stageCount, 1 << bits, layout.width]),
      "widths": .of(widths, shape: [subspaceCount]),
    ]
  }

  /// Reads the codewords and the widths of the subspaces.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let recipe = try ResidualRecipe(parsing: specification) else {
      throw table.malformed("its name is not that of a residual quantizer")
    }
    let layout = try table.layout(subspaceCount: recipe.subspaceCount)
    let (codewords, _) = try table.values(
      "codewords", Float.self,
      [recipe.subspaceCount, recipe.stageCount, 1 << recipe.bits, layout.width])
    let size = codewords.count / recipe.subspaceCount
    self.init(
      recipe, layout,
      (0..<recipe.subspaceCount).map { subspace in
        ResidualStages(
          width: layout.width, codewordCount: 1 << recipe.bits,
          codewords: Array(codewords[subspace * size..<(subspace + 1) * size]))
      })
  }
}
