internal import TesseraHost

/// Vectors in host memory, one row each: what goes into a device and what comes out of a file.
///
/// A `Vectors` is a view. Slicing it copies nothing, and a mapped file is read only where it is
/// used.
public struct Vectors: Sendable {
  /// The type that the numbers are stored in.
  public let element: ElementType
  /// The number of rows.
  public let count: Int
  /// Numbers of a row.
  public let dimension: Int
  /// Bytes from one row to the next; at least `dimension * element.byteCount`.
  public let rowStride: Int
  private let memory: HostMemory
  private let byteOffset: Int

  /// A view of `count` rows that start `byteOffset` bytes into `memory`.
  ///
  /// - Throws: `.invalidShape` if a row would lie outside `memory`.
  public init(
    _ memory: HostMemory, byteOffset: Int = 0, element: ElementType, count: Int, dimension: Int,
    rowStride: Int? = nil
  ) throws(TesseraError) {
    let (rowBytes, rowOverflow) = dimension.multipliedReportingOverflow(by: element.byteCount)
    let stride = rowStride ?? rowBytes
    // Sizes that follow from the dimension of an empty set must not overflow either.
    guard byteOffset >= 0, count >= 0, dimension >= 0, dimension <= Int(Int32.max), !rowOverflow,
      stride >= rowBytes
    else {
      throw TesseraError(
        .invalidShape,
        "vectors: \(count) rows of \(dimension) numbers, \(stride) bytes apart, is not a layout")
    }
    let (lastRow, rowsOverflow) = max(0, count - 1).multipliedReportingOverflow(by: stride)
    let (length, lengthOverflow) = lastRow.addingReportingOverflow(rowBytes)
    guard !rowsOverflow, !lengthOverflow, count == 0 || length <= memory.bytes.count - byteOffset
    else {
      throw TesseraError(
        .invalidShape,
        "vectors: \(count) rows of \(dimension) numbers need more than the \(memory.bytes.count) "
          + "bytes there are")
    }
    self.init(
      memory: memory, byteOffset: byteOffset, element: element, count: count,
      dimension: dimension, rowStride: stride)
  }

  /// Float32 rows, copied from `values` (row-major, `values.count / dimension` rows).
  ///
  /// - Throws: `.invalidShape` if `values` does not divide into whole rows.
  public init(_ values: [Float], dimension: Int) throws(TesseraError) {
    let whole = dimension > 0 ? values.count % dimension == 0 : values.isEmpty
    guard whole, dimension >= 0 else {
      throw TesseraError(
        .invalidShape,
        "vectors: \(values.count) numbers do not divide into rows of \(dimension)")
    }
    try self.init(
      HostMemory(copying: values), element: .float32,
      count: dimension > 0 ? values.count / dimension : 0, dimension: dimension)
  }

  /// Float32 rows, copied from one array each.
  ///
  /// - Throws: `.invalidShape` if they are not equally long.
  public init(_ rows: [[Float]]) throws(TesseraError) {
    let dimension = rows.first?.count ?? 0
    for (index, row) in rows.enumerated() where row.count != dimension {
      throw TesseraError(
        .invalidShape,
        "vectors: row \(index) has \(row.count) numbers, row 0 has \(dimension); give rows of one "
          + "length")
    }
    try self.init(
      HostMemory(copying: Array(rows.joined())), element: .float32, count: rows.count,
      dimension: dimension)
  }

  /// Float32 rows, each number of `values` rounded to the nearest Float32: 7 of about 16 decimal
  /// digits stay.
  ///
  /// - Throws: `.invalidShape` if `values` does not divide into whole rows, `.nonFinite` for a finite
  ///   number that is beyond Float32.
  public init(rounding values: [Double], dimension: Int) throws(TesseraError) {
    let rounded = values.map { Float($0) }
    let isBeyond = zip(values, rounded).contains { $0.isFinite && !$1.isFinite }
    guard !isBeyond else {
      throw TesseraError(
        .nonFinite,
        "vectors: some numbers are beyond Float32, which ends at 3.4e38; scale them down")
    }
    try self.init(rounded, dimension: dimension)
  }

  /// Rows of any type, copied from `bytes` (row-major, little-endian, no gaps).
  ///
  /// - Throws: `.invalidShape` if `bytes` does not divide into whole rows.
  public init(
    copying bytes: UnsafeRawBufferPointer, element: ElementType, dimension: Int
  ) throws(TesseraError) {
    let (rowBytes, overflow) = dimension.multipliedReportingOverflow(by: element.byteCount)
    guard dimension > 0, !overflow, bytes.count % rowBytes == 0 else {
      throw TesseraError(
        .invalidShape,
        "vectors: \(bytes.count) bytes do not divide into rows of \(dimension) numbers of "
          + "\(element.byteCount) bytes")
    }
    try self.init(
      HostMemory(copying: Array(bytes)), element: element, count: bytes.count / rowBytes,
      dimension: dimension)
  }

  private init(
    memory: HostMemory, byteOffset: Int, element: ElementType, count: Int, dimension: Int,
    rowStride: Int
  ) {
    self.memory = memory
    self.byteOffset = byteOffset
    self.element = element
    self.count = count
    self.dimension = dimension
    self.rowStride = rowStride
  }

  /// The rows of `range`, without copying.
  public func rows(_ range: Range<Int>) -> Vectors {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "rows \(range) of \(count) vectors")
    return Vectors(
      memory: memory, byteOffset: byteOffset + range.lowerBound * rowStride, element: element,
      count: range.count, dimension: dimension, rowStride: rowStride)
  }

  /// Rows 0, `step`, 2 * `step`, ..., without copying.
  public func everyNth(_ step: Int) -> Vectors {
    precondition(step > 0, "every \(step)th row")
    return Vectors(
      memory: memory, byteOffset: byteOffset, element: element, count: (count + step - 1) / step,
      dimension: dimension, rowStride: rowStride * step)
  }

  /// Copies of the rows listed, in that order, one after the other.
  ///
  /// - Throws: `.outOfMemory`.
  package func gathered(_ rows: some Collection<Int>) throws(TesseraError) -> Vectors {
    let rowBytes = dimension * element.byteCount
    let copy = try UnsafeMutableRawBufferPointer.allocateAligned(rows.count * rowBytes)
    if let start = baseAddress {
      for (place, row) in rows.enumerated() {
        precondition(row >= 0 && row < count, "row \(row) of \(count) vectors")
        UnsafeMutableRawBufferPointer(rebasing: copy[place * rowBytes..<(place + 1) * rowBytes])
          .copyMemory(from: UnsafeRawBufferPointer(start: start + row * rowStride, count: rowBytes))
      }
    }
    let memory = HostMemory(UnsafeRawBufferPointer(copy)) {
      UnsafeMutableRawBufferPointer(mutating: $0).deallocateAligned()
    }
    return Vectors(
      memory: memory, byteOffset: 0, element: element, count: rows.count, dimension: dimension,
      rowStride: rowBytes)
  }

  /// The address of row 0. Valid while this value, or a view made from it, is alive.
  public var baseAddress: UnsafeRawPointer? {
    memory.bytes.baseAddress.map { $0 + byteOffset }
  }

  /// Bytes from the start of the first row to the end of the last.
  public var byteCount: Int {
    count == 0 ? 0 : (count - 1) * rowStride + dimension * element.byteCount
  }

  /// Frees the memory that rows of a mapped file take; they are read from the file again when used.
  /// Does nothing for rows that are nowhere else.
  public func evict() {
    memory.evict(byteOffset..<byteOffset + byteCount)
  }

  /// One row widened to Float32.
  public func row(_ index: Int) -> [Float] {
    precondition(index >= 0 && index < count, "row \(index) of \(count) vectors")
    return [Float](unsafeUninitializedCapacity: dimension) { row, initialized in
      guard let start = baseAddress else { return }
      element.widen(start + index * rowStride, into: row)
      initialized = dimension
    }
  }

  /// All rows widened to Float32, row-major.
  public func widened() -> [Float] {
    [Float](unsafeUninitializedCapacity: count * dimension) { values, initialized in
      guard let start = baseAddress else { return }
      for index in 0..<count {
        let row = UnsafeMutableBufferPointer(
          rebasing: values[index * dimension..<(index + 1) * dimension])
        element.widen(start + index * rowStride, into: row)
      }
      initialized = count * dimension
    }
  }

  /// The first rows that hold NaN or infinity, at most `limit` of them.
  public func nonFiniteRows(limit: Int) -> [Int] {
    guard element.isFloatingPoint else { return [] }
    var found: [Int] = []
    for index in 0..<count where found.count < limit {
      if row(index).contains(where: { !$0.isFinite }) { found.append(index) }
    }
    return found
  }
}

extension ElementType {
  /// Writes `target.count` stored numbers from `source`, which need not be aligned, as Float32.
  func widen(_ source: UnsafeRawPointer, into target: UnsafeMutableBufferPointer<Float>) {
    switch self {
    case .float32:
      UnsafeMutableRawBufferPointer(target).copyMemory(
        from: UnsafeRawBufferPointer(start: source, count: target.count * 4))
    case .float16:
      for i in target.indices {
        target[i] = Float(
          halfBits: source.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self))
      }
    case .bfloat16:
      for i in target.indices {
        let bits = source.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)
        target[i] = Float(bitPattern: UInt32(bits) << 16)
      }
    case .int8:
      for i in target.indices { target[i] = Float(source.load(fromByteOffset: i, as: Int8.self)) }
    case .uint8:
      for i in target.indices { target[i] = Float(source.load(fromByteOffset: i, as: UInt8.self)) }
    }
  }
}

extension Float {
  /// The value of an IEEE binary16 number. `Float(Float16)` calls a library function on x86-64
  /// without F16C; this is a shift and one exact multiplication.
  package init(halfBits bits: UInt16) {
    let magnitude = UInt32(bits & 0x7FFF) << 13
    let sign = UInt32(bits & 0x8000) << 16
    if bits & 0x7C00 == 0x7C00 {
      self = Float(bitPattern: sign | 0x7F80_0000 | magnitude)
    } else {
      // Exponent bias 15 becomes 127; subnormals come out right because the product is exact.
      self = Float(bitPattern: sign | (Float(bitPattern: magnitude) * 0x1p112).bitPattern)
    }
  }
}
