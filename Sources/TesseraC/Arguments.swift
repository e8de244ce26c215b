import CTessera
import Tessera
import TesseraHost

/// More bytes than any process can have: sizes beyond it are mistakes, and below it sums and products
/// of a few of them are whole numbers.
private let largestByteCount = 1 << 46
/// More numbers than any row has.
private let largestDimension: Int64 = 1 << 20
/// Bytes of the largest struct of options that any version may have.
private let largestOptions = 4096

/// Returns what must not be NULL.
func required<Value>(_ value: Value?, _ name: String) throws(TesseraError) -> Value {
  guard let value else { throw TesseraError(.invalidArgument, "\(name) is NULL") }
  return value
}

/// Returns a text that must not be NULL.
func text(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(TesseraError) -> String {
  String(cString: try required(pointer, name))
}

/// Returns the bytes of `count` things of `width` numbers of `size` bytes.
///
/// - Throws: `.invalidShape` for negative numbers, and more than there can be.
func byteCount(
  _ count: Int64, by width: Int64 = 1, of size: Int, _ name: String
) throws(TesseraError) -> Int {
  let (numbers, overflow) = count.multipliedReportingOverflow(by: width)
  let (bytes, bytesOverflow) = numbers.multipliedReportingOverflow(by: Int64(size))
  guard count >= 0, width >= 0, !overflow, !bytesOverflow, bytes <= largestByteCount else {
    throw TesseraError(
      .invalidShape,
      "\(name): \(count) x \(width) numbers of \(size) bytes are no size that memory has")
  }
  return Int(bytes)
}

/// Returns memory of the caller that holds, or receives, `count` rows of `width` numbers; its base
/// address is NULL only where that is nothing.
func buffer<Element>(
  _ pointer: UnsafeMutablePointer<Element>?, _ count: Int64, by width: Int64 = 1, _ name: String
) throws(TesseraError) -> UnsafeMutableBufferPointer<Element> {
  let bytes = try byteCount(count, by: width, of: MemoryLayout<Element>.stride, name)
  if bytes > 0 { try requireAddress(pointer, bytes, name) }
  return UnsafeMutableBufferPointer(
    start: pointer, count: bytes / MemoryLayout<Element>.stride)
}

/// Returns a copy of numbers of the caller.
///
/// - Throws: `.outOfMemory` where the machine has no room for it.
func array<Element: BitwiseCopyable>(
  _ pointer: UnsafePointer<Element>?, _ count: Int64, by width: Int64 = 1, _ name: String
) throws(TesseraError) -> [Element] {
  let source = try buffer(UnsafeMutablePointer(mutating: pointer), count, by: width, name)
  let bytes = source.count * MemoryLayout<Element>.stride
  try requireRoom(bytes, name)
  return [Element](unsafeUninitializedCapacity: source.count) { target, initialized in
    // Byte by byte, because the caller's memory may lie anywhere.
    UnsafeMutableRawBufferPointer(target).copyMemory(
      from: UnsafeRawBufferPointer(start: source.baseAddress, count: bytes))
    initialized = source.count
  }
}

/// Returns a copy of ids that a caller may leave out; nil for NULL.
func optionalIDs(
  _ ids: UnsafePointer<Int64>?, _ count: Int64, _ operation: String
) throws(TesseraError) -> [Int64]? {
  guard ids != nil || count == 0 else {
    throw TesseraError(.invalidArgument, "\(operation): \(count) ids are NULL")
  }
  return try ids.map { ids throws(TesseraError) in try array(ids, count, "\(operation): ids") }
}

/// Throws where the machine has no room for `bytes` more.
func requireRoom(_ bytes: Int, _ name: String) throws(TesseraError) {
  try HostLimits.current.requireRoom(for: bytes) {
    name
  } remedy: {
    "use fewer at a time"
  }
}

/// Copies numbers to memory of the caller, which may lie anywhere.
func copy<Element: BitwiseCopyable>(_ values: [Element], to target: UnsafeMutablePointer<Element>?)
{
  guard let target else { return }
  values.withUnsafeBytes { bytes in
    UnsafeMutableRawBufferPointer(start: target, count: bytes.count).copyMemory(from: bytes)
  }
}

private func requireAddress(
  _ pointer: UnsafeRawPointer?, _ bytes: Int, _ name: String
) throws(TesseraError) {
  let pointer = try required(pointer, name)
  let (_, overflow) = UInt(bitPattern: pointer).addingReportingOverflow(UInt(bytes))
  guard !overflow else {
    throw TesseraError(.invalidArgument, "\(name): memory ends before \(bytes) bytes")
  }
}

// MARK: Rows

/// Returns rows of the caller's memory where they are.
///
/// - Parameter release: Is called when nothing needs the memory any more.
func vectors(
  _ rows: UnsafePointer<tessera_rows>?, _ name: String,
  release: @escaping @Sendable (UnsafeRawBufferPointer) -> Void = { _ in }
) throws(TesseraError) -> Vectors {
  try vectors(required(rows, name).pointee, name, release: release)
}

func vectors(
  _ rows: tessera_rows, _ name: String,
  release: @escaping @Sendable (UnsafeRawBufferPointer) -> Void = { _ in }
) throws(TesseraError) -> Vectors {
  guard let element = ElementType(rawValue: rows.element) else {
    throw TesseraError(.invalidArgument, "\(name): \(rows.element) is no type of numbers")
  }
  guard (1...largestDimension).contains(rows.dimension) else {
    throw TesseraError(
      .invalidShape,
      "\(name): a dimension of \(rows.dimension) is not between 1 and \(largestDimension)")
  }
  let rowBytes = rows.dimension * Int64(element.byteCount)
  let stride = rows.stride == 0 ? rowBytes : rows.stride
  guard stride >= rowBytes else {
    throw TesseraError(
      .invalidShape, "\(name): rows of \(rowBytes) bytes cannot be \(stride) bytes apart")
  }
  let bytes = try byteCount(rows.count, by: stride, of: 1, name)
  var memory = UnsafeRawBufferPointer(start: nil, count: 0)
  if rows.count > 0 {
    try requireAddress(rows.data, bytes, name)
    // Behind the last row there may be nothing.
    memory = UnsafeRawBufferPointer(start: rows.data, count: bytes - Int(stride - rowBytes))
  }
  // Made last, because after an error nothing is released.
  return try Vectors(
    HostMemory(memory, release: release), element: element, count: Int(rows.count),
    dimension: Int(rows.dimension), rowStride: Int(stride))
}

func metric(_ number: tessera_metric) throws(TesseraError) -> Metric {
  switch Int(number) {
  case TESSERA_L2: .squaredL2
  case TESSERA_INNER_PRODUCT: .innerProduct
  case TESSERA_COSINE: .cosine
  case TESSERA_HAMMING, TESSERA_JACCARD:
    throw TesseraError(
      .invalidArgument, "hamming and jaccard are for searches and indexes of rows of bits")
  default: throw TesseraError(.invalidArgument, "\(number) is no metric")
  }
}

/// Returns which scores of a metric are best, also of one of bits.
func order(of number: tessera_metric) throws(TesseraError) -> ScoreOrder {
  bitMetric(number) == nil ? try metric(number).order : .smallestFirst
}

/// Returns how rows of bits are compared; nil for a metric of other rows.
func bitMetric(_ number: tessera_metric) -> BitMetric? {
  switch Int(number) {
  case TESSERA_HAMMING: .hamming
  case TESSERA_JACCARD: .jaccard
  default: nil
  }
}

/// Returns a copy of rows of the caller's memory.
func copiedVectors(
  _ rows: UnsafePointer<tessera_rows>?, _ name: String
) throws(TesseraError) -> Vectors {
  let source = try vectors(rows, name)
  try requireRoom(source.count * source.dimension * source.element.byteCount, name)
  return try source.gathered(0..<source.count)
}

/// Returns the number of an index's metric.
func number(ofMetric index: Index) -> tessera_metric {
  switch (index.bits, index.metric) {
  case (.hamming?, _): tessera_metric(TESSERA_HAMMING)
  case (.jaccard?, _): tessera_metric(TESSERA_JACCARD)
  case (nil, .squaredL2): tessera_metric(TESSERA_L2)
  case (nil, .innerProduct): tessera_metric(TESSERA_INNER_PRODUCT)
  case (nil, .cosine): tessera_metric(TESSERA_COSINE)
  }
}

// MARK: Structs that begin with their size

/// Returns options of the caller, whatever its version; the defaults for NULL.
///
/// - Parameter first: The size of the struct in the version that had it first; nil: that of today.
/// - Throws: `.invalidArgument` for a size that no version has, `.unsupported` for fields of a newer
///   one that are not 0.
func options<Options: BitwiseCopyable>(
  _ pointer: UnsafePointer<Options>?, or defaults: Options, _ name: String, first: Int? = nil
) throws(TesseraError) -> Options {
  guard let pointer else { return defaults }
  let size = try structSize(pointer, first ?? MemoryLayout<Options>.size, name)
  let known = min(size, MemoryLayout<Options>.size)
  let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
  guard bytes.dropFirst(known).allSatisfy({ $0 == 0 }) else {
    throw TesseraError(
      .unsupported, "\(name): it has fields that version \(TesseraVersion.current) does not know")
  }
  var result = defaults
  withUnsafeMutableBytes(of: &result) {
    $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(known)))
  }
  return result
}

/// Checks the size of a struct that a call will fill.
func requireSize<Report>(
  _ pointer: UnsafeMutablePointer<Report>?, _ name: String
) throws(TesseraError) {
  if let pointer { _ = try structSize(pointer, MemoryLayout<Report>.size, name) }
}

/// Fills a struct of the caller, but for its size.
func fill<Report: BitwiseCopyable>(_ pointer: UnsafeMutablePointer<Report>?, _ report: Report) {
  guard let pointer else { return }
  let target = UnsafeMutableRawPointer(pointer)
  withUnsafeBytes(of: report) { bytes in
    let start = MemoryLayout<Int>.size
    (target + start).copyMemory(
      from: bytes.baseAddress! + start, byteCount: bytes.count - start)
  }
}

/// Returns the size that a struct begins with. No version has had a smaller struct than `least`.
private func structSize(
  _ pointer: UnsafeRawPointer, _ least: Int, _ name: String
) throws(TesseraError) -> Int {
  let size = pointer.loadUnaligned(as: UInt.self)
  guard size >= UInt(least), size <= UInt(largestOptions) else {
    throw TesseraError(
      .invalidArgument,
      "\(name): it begins with the size \(size), expected \(least); set it to that of the struct")
  }
  return Int(size)
}

extension UnsafeMutableRawBufferPointer {
  /// Writes a text and a zero byte; what does not fit is cut, between characters.
  func write(_ text: String) {
    var end = 0
    for character in text.unicodeScalars {
      let bytes = Array(String(character).utf8)
      guard end + bytes.count < count else { break }
      for byte in bytes {
        self[end] = byte
        end += 1
      }
    }
    for rest in end..<count { self[rest] = 0 }
  }
}
