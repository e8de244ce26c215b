public import TesseraCompute

/// Product quantization (Jégou, Douze, Schmid 2011): vectors are cut into subspaces, and each
/// subspace is replaced by the nearest of that subspace's codewords.
///
/// A code holds one number of `bits` bits a subspace, subspace 0 in the lowest bits. Subspaces
/// differ by one dimension where they cannot be equal.
public struct ProductQuantizer: Quantizer {
  /// `product`.
  public static let kind = "product"

  /// The factory string: `PQ48x8`.
  public let specification: String
  /// Subspaces a vector is cut into.
  public let subspaceCount: Int
  /// Bits of a subspace's number: 4 to 16.
  public let bits: Int
  /// `subspaceCount` x `codewordCount` x ``width``; the shorter subspaces end with a zero.
  public let codewords: [Float]
  let layout: SubspaceLayout
  /// The codewords as tables are made of them, once they are.
  let columns = CodewordColumns()

  /// Numbers of a vector.
  public var dimension: Int { layout.dimension }
  /// Codewords of a subspace: `2^bits`.
  public var codewordCount: Int { 1 << bits }
  /// Numbers of the longest subspace.
  public var width: Int { layout.width }
  /// Bytes of a code: `subspaceCount * bits` bits, rounded up to whole bytes.
  public var codeByteCount: Int { packing.bytesPerRow }
  var packing: BitPacking { BitPacking(bits: bits, perRow: subspaceCount) }

  init(_ recipe: ProductRecipe, _ layout: SubspaceLayout, codewords: [Float]) {
    specification = recipe.specification
    subspaceCount = recipe.subspaceCount
    bits = recipe.bits
    self.layout = layout
    self.codewords = codewords
  }

  /// Complexity: O(vectors * dimension * codewordCount), on the device.
  public func encode(
    _ vectors: Vectors, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "encode")
    return try control.steer(on: device) { device throws(TesseraError) in
      try vectors.requireMeasurable(on: device, "encode")
      var bytes: [UInt8] = []
      bytes.reserveCapacity(vectors.count * codeByteCount)
      let encoder = try SubspaceEncoder(
        codewords, subspaceCount: subspaceCount, width: width, on: device)
      try vectors.forEachBlock(on: device, "encode", as: layout, control: control) {
        block, _ throws(TesseraError) in bytes += try encoder.packed(block, packing)
      }
      return try Codes(bytes, byteCount: codeByteCount)
    }
  }

  /// Joins the codewords that each code names.
  public func decode(
    _ codes: Codes, on device: any Device, control: RunControl
  ) throws(TesseraError) -> [Float] {
    try requireOwn(codes)
    let numbers = packing.unpack(codes.bytes)
    let ranges = (0..<subspaceCount).map(layout.range)
    return try control.steer(on: device) { device throws(TesseraError) in
      try device.hostWorkers.makeEachRow(codes.count, of: dimension) { row, values in
        for (subspace, range) in ranges.enumerated() {
          let codeword = subspace * codewordCount + Int(numbers[row * subspaceCount + subspace])
          for d in range { values[d] = codewords[codeword * width + d - range.lowerBound] }
        }
      }
    }
  }

  /// The padded codewords, and the numbers of each subspace.
  public var arrays: [String: StoredArray] {
    let widths = (0..<subspaceCount).map { Int32(layout.range($0).count) }
    return [
      "codewords": .of(codewords, shape: [subspaceCount, codewordCount, width]),
      "widths": .of(widths, shape: [subspaceCount]),
    ]
  }

  /// Reads the codewords and the widths of the subspaces.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let recipe = try ProductRecipe(parsing: specification) else {
      throw table.malformed("its name is not that of a product quantizer")
    }
    let subspaceCount = recipe.subspaceCount
    let layout = try table.layout(subspaceCount: subspaceCount)
    let (codewords, _) = try table.values(
      "codewords", Float.self, [subspaceCount, 1 << recipe.bits, layout.width])
    self.init(recipe, layout, codewords: codewords)
  }
}
