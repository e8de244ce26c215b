import TesseraCompute
internal import TesseraHost

/// Names the layout of a table of numbers in a file. All are row-major and little-endian.
enum TableFormat: Sendable, Hashable {
  /// NumPy's own: a header that describes the array, then the numbers.
  case npy
  /// The TexMex `.?vecs`: every row is an Int32 that holds the column count, then its numbers.
  case records(NumberType)
  /// The big-ann `.?bin`: row count and column count as UInt32, then the numbers.
  case counted(NumberType)

  private static let byExtension: [String: TableFormat] = [
    "npy": .npy,
    "fvecs": .records(.float32), "bvecs": .records(.uint8), "ivecs": .records(.int32),
    "fbin": .counted(.float32), "f16bin": .counted(.float16), "u8bin": .counted(.uint8),
    "i8bin": .counted(.int8), "ibin": .counted(.int32), "bin": .counted(.int32),
  ]

  /// The format that the extension of `path` names.
  ///
  /// - Throws: An error with `code` that lists the extensions `kind` has, if it is none of them.
  init(_ path: String, for kind: TableKind, else code: TesseraError.Code) throws(TesseraError) {
    let fileName = path.split(separator: "/").last ?? ""
    let ending = fileName.lastIndex(of: ".").map { fileName[$0...].dropFirst().lowercased() } ?? ""
    guard kind.extensions.contains(ending), let format = Self.byExtension[ending] else {
      let name = ending.isEmpty ? "no extension" : "the extension .\(ending.printable)"
      throw TesseraError(
        code,
        "\(path.printable): \(name) is not one for \(kind.noun); use "
          + kind.extensions.map { ".\($0)" }.joined(separator: " "))
    }
    self = format
  }

  /// The number type the format prescribes; nil where the file itself says it.
  var number: NumberType? {
    switch self {
    case .npy: nil
    case .records(let number), .counted(let number): number
    }
  }
}

/// Says what a table is read or written as.
struct TableKind: Sendable {
  let noun: String
  let extensions: [String]
  /// The number types an .npy file of this kind may have.
  let numbers: [NumberType]
  /// True if a one-dimensional array is a table of one column.
  let mayBeFlat: Bool
  /// Whether distances may follow the table, as in ground truths of big-ann.
  var mayHaveDistances = false
  /// The NumPy type to convert an unsuitable array to.
  let numpyType: String

  static let vectors = TableKind(
    noun: "vectors", extensions: ["npy", "fvecs", "bvecs", "fbin", "f16bin", "u8bin", "i8bin"],
    numbers: [.float32, .float16, .int8, .uint8], mayBeFlat: false, numpyType: "np.float32")
  static let ids = TableKind(
    noun: "ids", extensions: ["npy", "ivecs", "ibin", "bin"], numbers: [.int32, .int64, .uint8],
    mayBeFlat: true, mayHaveDistances: true, numpyType: "np.int64")
  static let scores = TableKind(
    noun: "scores", extensions: ["npy"], numbers: [.float32], mayBeFlat: true,
    numpyType: "np.float32")
}
