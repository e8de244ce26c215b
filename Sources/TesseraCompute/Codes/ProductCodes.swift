/// Codes of `subspaceCount` numbers each, as a product quantizer makes them, one after the other, and
/// what turns the sum of a code's table entries into its score.
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
  /// Multiply the sum of each code; nil multiplies by 1.
  public let scales: [Float]?
  /// Are added to each product; nil adds nothing.
  public let offsets: [Float]?

  /// Bytes of a code.
  public var byteCount: Int { (subspaceCount * bits + 7) / 8 }

  /// - Parameters:
  ///   - scales: One for each code, finite and not below 0.
  ///   - offsets: One for each code, finite.
  /// - Throws: `.invalidShape` unless `bytes` holds whole codes and there is a number for each,
  ///   `.unsupported` for other bits, `.invalidArgument` for numbers out of range.
  public init(
    _ bytes: [UInt8], subspaceCount: Int, bits: Int, scales: [Float]? = nil,
    offsets: [Float]? = nil
  ) throws(TesseraError) {
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
    for (name, numbers) in [("scales", scales), ("offsets", offsets)] {
      guard let numbers else { continue }
      guard numbers.count == count else {
        throw TesseraError(
          .invalidShape, "product codes: \(numbers.count) \(name) for \(count) codes")
      }
      let least = name == "scales" ? 0 : -Float.greatestFiniteMagnitude
      if let row = numbers.firstIndex(where: { !($0 >= least && $0.isFinite) }) {
        throw TesseraError(
          .invalidArgument,
          "product codes: the \(name.dropLast()) of code \(row) is \(numbers[row])"
            + (name == "scales" ? ", it must be at least 0 and finite" : ", it must be finite"))
      }
    }
    self.subspaceCount = subspaceCount
    self.bits = bits
    self.bytes = bytes
    self.scales = scales
    self.offsets = offsets
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
  /// The codes' lists and ids.
  public let lists: RowLists
  /// Numbers of a code.
  public let subspaceCount: Int
  /// Bits of a number: 4 or 8.
  public let bits: Int
  /// The largest number of any code; 0 without codes.
  package let largestNumber: Int
  /// The largest scale and the longest offset; 1 and 0 where there are none.
  package let largest: (scale: Float, offset: Float)

  /// The number of codes.
  public var count: Int { lists.ids.count }

  /// Keeps the sizes of `codes` and finds their largest number; a subclass keeps the codes
  /// themselves.
  public init(_ codes: ProductCodes, in lists: RowLists) {
    self.lists = lists
    subspaceCount = codes.subspaceCount
    bits = codes.bits
    largestNumber =
      codes.bits == 8
      ? Int(codes.bytes.max() ?? 0)
      : Int(codes.bytes.reduce(0) { max($0, $1 & 15, $1 >> 4) })
    largest = (
      codes.scales?.max() ?? 1, codes.offsets?.reduce(0) { max($0, abs($1)) } ?? 0
    )
  }

  /// Bytes this set keeps, on the device and on the host together.
  open var residentBytes: Int { 0 }
}

/// What a search among codes knows of its queries.
///
/// The score of a code is, each step rounded to Float32 and a zero without a sign,
///
///     sum over subspaces m, rising, of tables[query, m * codewords + code[m]]
///       * scale[code]  +  weight[query] * offset[code]  +  term[query, list]
public struct CodeQueries: Sendable {
  /// A row a query: subspaces * codewords entries.
  public let tables: Matrix<Float>
  /// What the codes' offsets are multiplied by, one number for each query; nil for 1.
  public let offsetWeights: [Float]?

  /// - Throws: `.invalidShape` unless there is a weight for each query, `.nonFinite` for one that is
  ///   not finite.
  public init(_ tables: Matrix<Float>, offsetWeights: [Float]? = nil) throws(TesseraError) {
    if let offsetWeights {
      try Shapes.require(
        offsetWeights.count == tables.rows,
        "nearestCodes: \(offsetWeights.count) weights for \(tables.rows) queries")
      guard offsetWeights.allSatisfy(\.isFinite) else {
        throw TesseraError(.nonFinite, "nearestCodes: a weight of offsets is not finite")
      }
    }
    self.tables = tables
    self.offsetWeights = offsetWeights
  }

  /// Some of the queries.
  package func queries(_ range: Range<Int>) throws(TesseraError) -> CodeQueries {
    try CodeQueries(tables.rows(range), offsetWeights: offsetWeights.map { Array($0[range]) })
  }
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
