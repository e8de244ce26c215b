public import TesseraCompute

/// Rows as they are stored, and the numbers they stand for.
public struct Sample: Sendable {
  /// The order of rows in memory.
  public enum Layout: String, Sendable, CaseIterable {
    /// Row after row.
    case packed
    /// A four-byte header before each row, as in .fvecs and .bvecs files.
    case headers
    /// Rows that start at odd addresses with gaps between them.
    case unaligned
  }

  /// The rows as they are stored.
  public let vectors: Vectors
  /// Row-major. What every device must read out of `vectors`.
  public let values: [Float]

  /// The number of rows.
  public var count: Int { vectors.count }
  /// Numbers of a row.
  public var dimension: Int { vectors.dimension }

  /// Rows of `element` that hold `wanted`, rounded to what the type can hold.
  public init(
    _ wanted: [Float], dimension: Int, element: ElementType, layout: Layout = .packed
  ) throws(TesseraError) {
    let count = wanted.count / dimension
    let rowBytes = dimension * element.byteCount
    let (start, stride) =
      switch layout {
      case .packed: (0, rowBytes)
      case .headers: (4, rowBytes + 4)
      case .unaligned: (3, rowBytes + 5)
      }
    // 0xFF everywhere between the rows: NaN, if it is read as a number.
    var bytes = [UInt8](repeating: 0xFF, count: start + count * stride)
    values = bytes.withUnsafeMutableBytes { bytes in
      [Float](unsafeUninitializedCapacity: wanted.count) { values, initialized in
        var index = 0
        while index < wanted.count {
          let offset = start + index / dimension * stride + index % dimension * element.byteCount
          values[index] = element.store(wanted[index], at: bytes.baseAddress! + offset)
          index += 1
        }
        initialized = wanted.count
      }
    }
    vectors = try Vectors(
      HostMemory(copying: bytes), byteOffset: start, element: element, count: count,
      dimension: dimension, rowStride: stride)
  }

  /// `count` rows of some kind of content.
  public init(
    _ content: Content, count: Int, dimension: Int, element: ElementType, seed: UInt64,
    layout: Layout = .packed
  ) throws(TesseraError) {
    try self.init(
      content.rows(count, dimension: dimension, element: element, seed: seed),
      dimension: dimension, element: element, layout: layout)
  }
}
