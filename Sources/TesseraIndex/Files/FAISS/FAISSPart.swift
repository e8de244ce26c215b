internal import TesseraCompute

/// A part of a FAISS file: an index with all its fields, and the indexes inside it. Writing a part that
/// was read gives the same bytes.
indirect enum FAISSPart: Sendable {
  /// `IxF2`, `IxFI`: rows; `IBxF`: rows of bits.
  case flat(FAISSFlat)
  /// `IxSQ`, `IxPq`, `IPfs`, `Ixrq`, `Ixrr`: codes of rows.
  case codes(FAISSCodes)
  /// `IwFl`, `IwSq`, `IwPQ`, `IwPf`, `Iwrq`, `Iwrr`: lists of rows, or of codes; `IBwF`: of rows of bits.
  case lists(FAISSLists)
  /// `IxMp`, `IxM2`, `IBMp`, `IBM2`: an id for each row of another index.
  case idMap(FAISSHeader, [Int64], of: FAISSPart)
  /// `IxPT`: changes of rows, and an index of changed rows.
  case transformed(FAISSHeader, [FAISSTransform], FAISSPart)
  /// `IxRF`: an index, and the rows that its hits are scored by again.
  case refined(FAISSHeader, FAISSPart, by: FAISSPart, factor: Float)

  var header: FAISSHeader {
    switch self {
    case .flat(let part): part.header
    case .codes(let part): part.header
    case .lists(let part): part.header
    case .idMap(let header, _, _): header
    case .transformed(let header, _, _): header
    case .refined(let header, _, _, _): header
    }
  }
}

/// The fields that every index begins with.
struct FAISSHeader: Sendable {
  /// The four characters that say what follows.
  var name: String
  /// Numbers of a row; of rows of bits the bytes.
  var dimension: Int
  /// The number of rows.
  var count: Int
  /// Two numbers without a meaning.
  var reserved: [Int64] = [1 << 20, 1 << 20]
  var isTrained = true
  var metric: Metric

  /// True if rows are of bits. Their headers are others.
  var isOfBits: Bool { name.hasPrefix("IB") }

  /// FAISS's number for a metric; nil for one that it does not have.
  static func number(of metric: Metric) -> Int32? {
    switch metric {
    case .innerProduct: 0
    case .squaredL2: 1
    case .cosine: nil
    }
  }
}

/// An index of rows of Float32 numbers, or of bits.
struct FAISSFlat: Sendable {
  var header: FAISSHeader
  /// Rows of any type, which become Float32 where they are written, but for bytes of bits.
  var rows: Vectors
}

/// An index of one code for each row.
struct FAISSCodes: Sendable {
  /// Says how codes of product quantizers are searched.
  struct ProductSearch: Sendable {
    var type: Int32 = 0
    var encodesSigns = false
    var hammingThreshold: Int32
  }

  var header: FAISSHeader
  var coder: FAISSCoder
  /// The bytes of codes, as rows of whole numbers.
  var codes: Vectors
  /// Nil for scalar quantizers and for fast scans.
  var productSearch: ProductSearch?
  /// What `IPfs` has in the place of codes.
  var fastScan: FAISSFastScan?
}

/// What becomes of a row where it is kept.
enum FAISSCoder: Sendable {
  case rows
  /// Rows of bits, as bytes.
  case bits
  case scalar(FAISSScalarQuantizer)
  case product(FAISSProductQuantizer)
  case rabitq(FAISSRaBitQ)
}

/// A scalar quantizer: each number by itself.
struct FAISSScalarQuantizer: Sendable {
  /// Says how a number is stored.
  var type: Int32
  /// Says how the range was found, with one number about it.
  var rangeStatistic: Int32 = 0
  var rangeArgument: Float = 0
  var dimension: Int
  var codeByteCount: Int
  /// The least numbers, then the ranges: one of each, or one for each dimension; none for types that
  /// need no training.
  var trained: [Float]
}

/// A product quantizer: subspaces of equal width.
struct FAISSProductQuantizer: Sendable {
  var dimension: Int
  var subspaceCount: Int
  var bits: Int
  /// `subspaceCount` x `2^bits` x the numbers of a subspace.
  var centroids: [Float]

  var codeByteCount: Int { (subspaceCount * bits + 7) / 8 }
}

/// Lists of rows or codes, and the centroids that they are found by.
struct FAISSLists: Sendable {
  /// Where to find the row of an id.
  struct DirectMap: Sendable {
    /// 0: nowhere, 1: `rows`, 2: `entries`.
    var type: UInt8 = 0
    var rows: [Int64] = []
    /// Pairs of an id and a place.
    var entries: [Int64] = []
  }

  var header: FAISSHeader
  /// The lists that a query looks at where it is not told otherwise.
  var probes: Int
  var coarse: FAISSPart
  var directMap = DirectMap()
  var coder: FAISSCoder
  /// True if codes are of rows less their centroids.
  var codesResiduals = true
  /// The number of rows of each list.
  var sizes: [Int]
  /// True if the file has sizes of lists that are not empty, and no others.
  var hasSparseSizes: Bool
  /// The ids of all rows, list after list.
  var ids: [Int64]
  /// The rows, or the bytes of codes as rows of whole numbers, list after list.
  var rows: Vectors
  /// What `IwPf` has in the place of codes.
  var fastScan: FAISSFastScan?
}
