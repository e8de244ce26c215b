public import TesseraCompute

/// Product quantization (Jégou, Douze, Schmid 2011): vectors are cut into parts, and each part is
/// replaced by the nearest of that part's codewords.
///
/// A code holds one number of `bits` bits a part, part 0 in the lowest bits. Parts differ by one
/// dimension where they cannot be equal.
public struct ProductQuantizer: Quantizer {
  /// `product`.
  public static let kind = "product"

  /// `PQ<parts>x<bits>`.
  public let specification: String
  /// Parts a vector is cut into.
  public let subspaceCount: Int
  /// Bits of a part's number: 4 to 16.
  public let bits: Int
  /// `subspaceCount` x `codewordCount` x ``width``; the shorter parts end with a zero.
  public let codewords: [Float]
  let layout: SubspaceLayout

  /// Numbers of a vector.
  public var dimension: Int { layout.dimension }
  /// Codewords of a part: `2^bits`.
  public var codewordCount: Int { 1 << bits }
  /// Numbers of the longest part.
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
  public func encode(_ vectors: Vectors, on device: any Device) throws(TesseraError) -> Codes {
    try vectors.requireDimension(dimension, "encode")
    var bytes: [UInt8] = []
    bytes.reserveCapacity(vectors.count * codeByteCount)
    let encoder = try PartEncoder(
      codewords, parts: subspaceCount, width: width, on: device)
    try vectors.forEachBlock(on: device, "encode", as: layout) { block, _ throws(TesseraError) in
      bytes += try encoder.packed(block, packing)
    }
    return try Codes(bytes, byteCount: codeByteCount)
  }

  /// Copies the codewords that the numbers of each code name, on the host.
  public func decode(_ codes: Codes, on device: any Device) throws(TesseraError) -> [Float] {
    try requireOwn(codes)
    let numbers = packing.unpack(codes.bytes)
    return [Float](unsafeUninitializedCapacity: codes.count * dimension) { target, initialized in
      codewords.withUnsafeBufferPointer { codewords in
        for row in 0..<codes.count {
          for part in 0..<subspaceCount {
            let range = layout.range(part)
            let codeword = part * codewordCount + Int(numbers[row * subspaceCount + part])
            let source = codeword * width..<codeword * width + range.count
            _ = UnsafeMutableBufferPointer(
              rebasing: target[(row * dimension + range.lowerBound)...]
            )
            .update(fromContentsOf: codewords[source])
          }
        }
      }
      initialized = codes.count * dimension
    }
  }

  /// The padded codewords, and the numbers of each part.
  public var arrays: [String: StoredArray] {
    let widths = (0..<subspaceCount).map { Int32(layout.range($0).count) }
    return [
      "codewords": .of(codewords, shape: [subspaceCount, codewordCount, width]),
      "widths": .of(widths, shape: [subspaceCount]),
    ]
  }

  /// Reads the codewords and the widths of the parts.
  public init(specification: String, arrays: [String: StoredArray]) throws(TesseraError) {
    let table = StoredArrayTable(specification: specification, arrays: arrays)
    guard let recipe = try ProductRecipe(parsing: specification) else {
      throw table.malformed("its name is not that of a product quantizer")
    }
    let parts = recipe.subspaceCount
    let layout = try table.layout(parts: parts)
    let (codewords, _) = try table.values(
      "codewords", Float.self, [parts, 1 << recipe.bits, layout.width])
    self.init(recipe, layout, codewords: codewords)
  }
}
