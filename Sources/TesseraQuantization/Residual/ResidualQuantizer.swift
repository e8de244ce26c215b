public import TesseraCompute

/// Residual quantization (Chen, Guan, Wang 2010) with beam search, and products of it: a vector is
/// the sum of one codeword of each stage, each stage standing for what the ones before left over;
/// `PRQ` cuts vectors into parts first and does so for each part.
///
/// A code holds one number of `bits` bits a stage, part by part, the first in the lowest bits.
public struct ResidualQuantizer: Quantizer {
  /// `residual`.
  public static let kind = "residual"

  /// `RQ<stages>x<bits>`, or `PRQ<parts>x<stages>x<bits>`.
  public let specification: String
  /// Codebooks that are added up, for each part.
  public let stageCount: Int
  /// Bits of a number: 1 to 12.
  public let bits: Int
  let layout: SubspaceLayout
  /// One for each part.
  let parts: [ResidualStages]

  /// Parts a vector is cut into: 1 for `RQ`.
  public var partCount: Int { parts.count }
  /// Numbers of a vector.
  public var dimension: Int { layout.dimension }
  /// Bytes of a code: `partCount * stageCount * bits` bits, rounded up to whole bytes.
  public var codeByteCount: Int { packing.bytesPerRow }
  private var packing: BitPacking { BitPacking(bits: bits, perRow: partCount * stageCount) }

  /// Choices that encoding keeps at a time; FAISS's number.
  static let beam = 5

  init(_ recipe: ResidualRecipe, _ layout: SubspaceLayout, _ parts: [ResidualStages]) {
    specification = recipe.specification
    stageCount = recipe.stageCount
    bits = recipe.bits
    self.layout = layout
    self.parts = parts
  }

  /// Complexity: for each vector and part O(stages * codewords * dimension) on the device and
  /// O(stages^2 * codewords) on the host.
  public func encode(_ vectors: Vectors, on device: any Device) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "encode")
    var bytes: [UInt8] = []
    bytes.reserveCapacity(vectors.count * codeByteCount)
    var encoders: [BeamEncoder] = []
    for part in parts {
      encoders.append(try BeamEncoder(part, beam: Self.beam, on: device))
    }
    try vectors.forEachBlock(on: device, "encode", as: layout) {
      block, range throws(TesseraError) in
      var numbers = [UInt16](repeating: 0, count: range.count * partCount * stageCount)
      let values = partCount > 1 ? try device.download(block) : []
      for (part, encoder) in encoders.enumerated() {
        let columns = part * layout.width..<(part + 1) * layout.width
        let rows =
          partCount > 1
          ? try device.upload(
            values.columns(columns, of: layout.paddedDimension), rows: range.count,
            columns: layout.width) : block
        let found = try encoder.numbers(rows)
        for row in 0..<range.count {
          for stage in 0..<stageCount {
            numbers[(row * partCount + part) * stageCount + stage] = found[row * stageCount + stage]
          }
        }
      }
      bytes += packing.pack(numbers)
    }
    return try Codes(bytes, byteCount: codeByteCount)
  }

  /// Adds the codewords that the numbers of each code name, on the host.
  public func decode(_ codes: Codes, on device: any Device) throws(TesseraError) -> [Float] {
    try requireOwn(codes)
    let numbers = packing.unpack(codes.bytes)
    var values = [Float](repeating: 0, count: codes.count * dimension)
    for (part, stages) in parts.enumerated() {
      var own: [UInt16] = []
      own.reserveCapacity(codes.count * stageCount)
      for row in 0..<codes.count {
        let start = (row * partCount + part) * stageCount
        own += numbers[start..<start + stageCount]
      }
      let decoded = stages.decode(own)
      let range = layout.range(part)
      for row in 0..<codes.count {
        for (offset, d) in range.enumerated() {
          values[row * dimension + d] = decoded[row * layout.width + offset]
        }
      }
    }
    return values
  }

  /// The padded codewords, part by part and stage by stage, and the numbers of each part.
  public var arrays: [String: StoredArray] {
    let widths = (0..<partCount).map { Int32(layout.range($0).count) }
    return [
      "codewords": .of(
        parts.flatMap(\.codewords), shape: [partCount, stageCount, 1 << bits, layout.width]),
      "widths": .of(widths, shape: [partCount]),
    ]
  }

  /// Reads the codewords and the widths of the parts.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let recipe = try ResidualRecipe(parsing: specification) else {
      throw table.malformed("its name is not that of a residual quantizer")
    }
    let layout = try table.layout(parts: recipe.partCount)
    let (codewords, _) = try table.values(
      "codewords", Float.self,
      [recipe.partCount, recipe.stageCount, 1 << recipe.bits, layout.width])
    let size = codewords.count / recipe.partCount
    self.init(
      recipe, layout,
      (0..<recipe.partCount).map { part in
        ResidualStages(
          width: layout.width, codewordCount: 1 << recipe.bits,
          codewords: Array(codewords[part * size..<(part + 1) * size]))
      })
  }
}
