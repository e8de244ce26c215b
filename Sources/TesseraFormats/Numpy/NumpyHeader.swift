import TesseraCompute
internal import TesseraHost

/// The header of an .npy file: which numbers follow, how many, and where they start.
struct NumpyHeader {
  let number: NumberType
  let rows: Int
  let columns: Int
  let byteOffset: Int

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// NumPy itself refuses headers above 10,000 bytes unless told to trust them.
  private static let longestText = 1 << 20

  /// Reads the header of `file`: format versions 1, 2 and 3.
  ///
  /// - Throws: `.malformedFile` if the array is not one of `kind`, naming what it is instead.
  init(_ file: MappedFile, as kind: TableKind) throws(TesseraError) {
    let text = try Self.text(of: file)
    let header: PythonLiteral
    do {
      header = try unsafe PythonLiteral(parsing: UnsafeRawBufferPointer(rebasing: file.bytes[text]))
    } catch {
      throw file.malformed(
        "the .npy header has \(error.problem)", at: text.lowerBound + error.offset)
    }
    func refusal(_ problem: String, _ remedy: String) -> TesseraError {
      file.malformed(problem, at: text.lowerBound, remedy)
    }
    guard case .dictionary(let entries) = header, entries.count == 3,
      let description = entries["descr"],
      case .boolean(let isFortranOrder)? = entries["fortran_order"],
      case .tuple(let extents)? = entries["shape"]
    else {
      throw refusal(
        "the .npy header is not a dictionary of descr, fortran_order and shape",
        "write it again with np.save")
    }
    do {
      number = try NumpyType.number(description, for: kind)
      (rows, columns) = try Self.table(extents, for: kind)
    } catch {
      throw refusal(error.problem, error.remedy)
    }
    guard !isFortranOrder else {
      throw refusal(
        "the array is in Fortran order (columns first)",
        "save it with np.ascontiguousarray(x, dtype=\(kind.numpyType))")
    }
    byteOffset = text.upperBound
  }

  /// Returns the range of bytes that holds the dictionary.
  private static func text(of file: MappedFile) throws(TesseraError) -> Range<Int> {
    guard unsafe file.bytes.starts(with: magic) else {
      throw file.malformed(
        "is not an .npy file: it does not begin with \\x93NUMPY", at: 0,
        "save it with np.save, or give it the extension of its format")
    }
    guard let major = file.integer(at: 6, as: UInt8.self),
      let minor = file.integer(at: 7, as: UInt8.self)
    else { throw unsafe file.malformed("the .npy header is truncated", at: file.bytes.count) }
    guard (1...3).contains(major), minor == 0 else {
      throw file.malformed(
        ".npy version \(major).\(minor) is none of 1.0, 2.0 and 3.0", at: 6,
        "save it with np.save")
    }
    let start = major == 1 ? 10 : 12
    let length =
      major == 1
      ? file.integer(at: 8, as: UInt16.self).map(Int.init)
      : file.integer(at: 8, as: UInt32.self).map(Int.init)
    guard let length, unsafe length <= file.bytes.count - start else {
      throw unsafe file.malformed("the .npy header is truncated", at: file.bytes.count)
    }
    guard length <= longestText else {
      throw file.malformed(
        "the .npy header of \(length) bytes is longer than any array needs", at: 8,
        "save a plain array of numbers with np.save")
    }
    return start..<start + length
  }

  /// Rows and columns of an array with these extents.
  private static func table(
    _ extents: [PythonLiteral], for kind: TableKind
  ) throws(NumpyType.Refusal) -> (rows: Int, columns: Int) {
    var sizes: [Int] = []
    for extent in extents {
      guard case .integer(let size) = extent, size >= 0 else {
        throw NumpyType.Refusal("the shape is not made of counts", "write it again with np.save")
      }
      sizes.append(size)
    }
    switch sizes.count {
    case 2: return (sizes[0], sizes[1])
    case 1 where kind.mayBeFlat: return (sizes[0], 1)
    case 1:
      throw NumpyType.Refusal(
        "the array has one dimension, shape (\(sizes[0]),), and \(kind.noun) need two",
        "save x.reshape(rows, columns), or x.reshape(1, -1) if it is one vector")
    case 0:
      throw NumpyType.Refusal(
        "the array is a single number, shape ()", "save an array of rows and columns")
    default:
      let shape = sizes.prefix(8).map(String.init).joined(separator: ", ")
      throw NumpyType.Refusal(
        "the array has \(sizes.count) dimensions, shape (\(shape)), and \(kind.noun) need two",
        "save x.reshape(len(x), -1)")
    }
  }

  /// The bytes of a version 1.0 header, padded so that the numbers start on a cache line.
  static func bytes(_ number: NumberType, rows: Int, columns: Int) -> [UInt8] {
    let order = number.byteCount == 1 ? "|" : "<"
    let text =
      "{'descr': '\(order)\(number.numpyCode)', 'fortran_order': False, "
      + "'shape': (\(rows), \(columns)), }"
    let unpadded = magic.count + 4 + text.utf8.count + 1
    let padding = (64 - unpadded % 64) % 64
    let length = UInt16(text.utf8.count + padding + 1)
    return magic + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(text.utf8)
      + Array(repeating: UInt8(ascii: " "), count: padding) + [UInt8(ascii: "\n")]
  }
}
