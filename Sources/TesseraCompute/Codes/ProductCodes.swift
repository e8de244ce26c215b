/// Codes of `subspaceCount` numbers each, as a product quantizer makes them, one after the other.
///
/// A code begins with a byte of its own; its numbers have `bits` bits, subspace 0 the lowest.
/// FAISS's order.
public struct ProductCodes: Sendable {
  /// The number of codes.
  public let count: Int
  /// Numbers of a code.
  public let subspaceCount: Int
  /// Bits of a number: 4 or 8.
  public let bits: Int
  /// All codes, one after the other: `count * byteCount` bytes.
  public let bytes: [UInt8]

  /// Bytes of a code.
  public var byteCount: Int { (subspaceCount * bits + 7) / 8 }

  /// - Throws: `.invalidShape` unless `bytes` holds whole codes, `.unsupported` for other bits.
  public init(_ bytes: [UInt8], subspaceCount: Int, bits: Int) throws(TesseraError) {
    guard bits == 4 || bits == 8 else {
      throw TesseraError(
        .unsupported, "product codes: numbers of \(bits) bits, expected 4 or 8; unpack them to 8")
    }
    let byteCount = (max(0, subspaceCount) * bits + 7) / 8
    guard subspaceCount > 0, bytes.count % byteCount == 0 else {
      throw TesseraError(
        .invalidShape,
        "product codes: \(bytes.count) bytes do not divide into codes of \(subspaceCount) numbers of "
          + "\(bits) bits")
    }
    count = bytes.count / byteCount
    self.subspaceCount = subspaceCount
    self.bits = bits
    self.bytes = bytes
  }

  /// The number that a code has for a subspace.
  package func number(_ row: Int, _ subspace: Int) -> Int {
    guard bits == 4 else { return Int(bytes[row * subspaceCount + subspace]) }
    return Int(bytes[row * byteCount + subspace / 2] >> (subspace % 2 * 4) & 15)
  }
}

/// Codes made ready to be scanned on one device, and whatever the device keeps of them. Each device
/// subclasses it.
///
/// Safe to share: nothing changes after `prepare` has returned it.
open class CodeSet: @unchecked Sendable {
  /// The number of codes.
  public let count: Int
  /// Numbers of a code.
  public let subspaceCount: Int
  /// Bits of a number: 4 or 8.
  public let bits: Int
  /// The largest number of any code; 0 without codes.
  package let largestNumber: Int

  /// Keeps the sizes of `codes` and finds their largest number; a subclass keeps the codes
  /// themselves.
  public init(_ codes: ProductCodes) {
    count = codes.count
    subspaceCount = codes.subspaceCount
    bits = codes.bits
    largestNumber =
      codes.bits == 8
      ? Int(codes.bytes.max() ?? 0)
      : Int(codes.bytes.reduce(0) { max($0, $1 & 15, $1 >> 4) })
  }

  /// Bytes this set keeps, on the device and on the host together.
  open var residentBytes: Int { 0 }
}

/// The codewords of a product quantizer: vectors are cut into `subspaceCount` equal subspaces, and
/// each subspace is replaced by the nearest of that subspace's codewords.
public struct ProductCodebook: Sendable {
  /// Equal subspaces that a vector is cut into, each with codewords of its own.
  public let subspaceCount: Int
  /// Codewords per subspace, at most 256, so that a code is one byte.
  public let codewordCount: Int
  /// `subspaceCount * codewordCount` rows, subspace by subspace, of `dimension / subspaceCount`.
  public let codewords: Matrix<Float>

  /// - Throws: `.invalidShape` if the rows are not `subspaceCount` groups of 1 to 256.
  public init(_ codewords: Matrix<Float>, subspaceCount: Int) throws(TesseraError) {
    guard subspaceCount > 0, codewords.rows % subspaceCount == 0, codewords.columns > 0,
      (1...256).contains(codewords.rows / subspaceCount)
    else {
      throw TesseraError(
        .invalidShape,
        "product codebook: \(codewords.rows) x \(codewords.columns) codewords are not "
          + "\(subspaceCount) subspaces of 1 to 256 codewords")
    }
    self.codewords = codewords
    self.subspaceCount = subspaceCount
    self.codewordCount = codewords.rows / subspaceCount
  }

  /// Numbers of a whole vector: `subspaceCount` times the columns of `codewords`.
  public var dimension: Int { subspaceCount * codewords.columns }
}
