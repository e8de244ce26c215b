internal import TesseraCompute
internal import TesseraHost

/// Reads a FAISS file from front to back. Every size is compared with the bytes that are left before
/// anything is allocated for it.
struct FAISSSource: ~Copyable {
  let file: MappedFile
  private(set) var offset = 0

  init(_ file: MappedFile) { self.file = file }

  /// Bytes that were not read yet.
  var rest: Int { unsafe file.bytes.count - offset }

  func malformed(_ problem: String, at place: Int? = nil) -> TesseraError {
    TesseraError(
      .malformedFile,
      "\(file.path.printable): byte \(place ?? offset): \(problem); write the index again with "
        + "faiss.write_index")
  }

  func unsupported(_ problem: String) -> TesseraError {
    TesseraError(.unsupported, "\(file.path.printable): byte \(offset): \(problem)")
  }

  // MARK: Single fields

  mutating func integer<Number: FixedWidthInteger & BitwiseCopyable>(
    _ type: Number.Type, _ what: String
  ) throws(TesseraError) -> Number {
    guard let value = file.integer(at: offset, as: type) else {
      throw malformed("is truncated before \(what) ends")
    }
    offset += MemoryLayout<Number>.size
    return value
  }

  mutating func float(_ what: String) throws(TesseraError) -> Float {
    Float(bitPattern: try integer(UInt32.self, what))
  }

  mutating func flag(_ what: String) throws(TesseraError) -> Bool {
    let value = try integer(UInt8.self, what)
    guard value <= 1 else { throw malformed("\(what) is \(value), not 0 or 1", at: offset - 1) }
    return value == 1
  }

  /// Reads four characters.
  mutating func name(_ what: String) throws(TesseraError) -> String {
    let value = try integer(UInt32.self, what)
    let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw malformed("\(what) is not four characters", at: offset - 4)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Reads a whole number of 64 bits that has to be in `range`.
  mutating func number(
    _ what: String, in range: ClosedRange<Int> = 0...Int.max
  ) throws(TesseraError) -> Int {
    let value = try integer(UInt64.self, what)
    guard let number = Int(exactly: value), range.contains(number) else {
      throw malformed(
        "\(what) is \(value), outside \(range.lowerBound) to \(range.upperBound)", at: offset - 8)
    }
    return number
  }

  // MARK: Many values

  /// Reads as many numbers as the file says.
  mutating func values<Number: BitwiseCopyable>(
    _ type: Number.Type, _ what: String
  ) throws(TesseraError) -> [Number] {
    try values(type, number("the count of \(what)"), what)
  }

  /// Reads as many numbers as the caller says.
  mutating func values<Number: BitwiseCopyable>(
    _ type: Number.Type, _ count: Int, _ what: String
  ) throws(TesseraError) -> [Number] {
    let range = try skip(count, of: MemoryLayout<Number>.stride, what)
    return unsafe [Number](unsafeUninitializedCapacity: count) { values, initialized in
      let target = UnsafeMutableRawBufferPointer(values)
      unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: file.bytes[range]))
      initialized = count
    }
  }

  /// Moves past `count` times so many bytes, and returns where they lie.
  mutating func skip(
    _ count: Int, of byteCount: Int, _ what: String
  ) throws(TesseraError) -> Range<Int> {
    let (total, overflow) = count.multipliedReportingOverflow(by: byteCount)
    guard count >= 0, byteCount >= 0, !overflow, total <= rest else {
      throw malformed(
        "is truncated, or \(what) wrong: \(count) of \(byteCount) bytes, \(rest) are left")
    }
    defer { offset += total }
    return offset..<offset + total
  }

  /// Copies places of the file that follow each other to rows: numbers in a FAISS file stand at any
  /// byte, and devices read whole ones.
  ///
  /// - Precondition: The places come from `skip`, and divide into rows.
  func rows(
    _ places: [Range<Int>], _ element: ElementType, dimension: Int
  ) throws(TesseraError) -> Vectors {
    let total = places.reduce(0) { $0 + $1.count }
    let copy = try unsafe UnsafeMutableRawBufferPointer.allocateAligned(total)
    let memory = unsafe HostMemory(UnsafeRawBufferPointer(copy)) {
      unsafe UnsafeMutableRawBufferPointer(mutating: $0).deallocateAligned()
    }
    var next = 0
    for place in places where !place.isEmpty {
      let target = unsafe UnsafeMutableRawBufferPointer(
        rebasing: copy[next..<next + place.count])
      unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: file.bytes[place]))
      next += place.count
    }
    return try Vectors(
      memory, element: element, count: total / (dimension * element.byteCount),
      dimension: dimension)
  }
}
