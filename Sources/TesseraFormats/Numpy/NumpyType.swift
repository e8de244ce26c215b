internal import TesseraHost

/// The `descr` of an .npy header: the type of the array's numbers.
enum NumpyType {
  struct Refusal: Error {
    let problem: String
    let remedy: String
    init(_ problem: String, _ remedy: String) {
      self.problem = problem
      self.remedy = remedy
    }
  }

  /// The number type `description` means.
  ///
  /// - Throws: What the array holds instead, and how to convert it, if `kind` does not take it.
  static func number(
    _ description: PythonLiteral, for kind: TableKind
  ) throws(Refusal) -> NumberType {
    let convert = "save it with np.ascontiguousarray(x, dtype=\(kind.numpyType))"
    guard case .string(let code) = description else {
      throw Refusal(
        "the array has a structured dtype",
        "save one plain field of it: np.ascontiguousarray(x['field'], dtype=\(kind.numpyType))")
    }
    let order = code.first.flatMap { "<>=|".contains($0) ? $0 : nil }
    let plain = order == nil ? code[...] : code.dropFirst()
    let known = NumberType.allCases.first { $0.numpyCode == plain }
    if order == ">", known?.byteCount != 1 {
      throw Refusal("the numbers are big-endian ('\(code.prefix(40).printable)')", convert)
    }
    if let known, kind.numbers.contains(known) { return known }

    let wanted = kind.numbers.map(\.name).joined(separator: ", ")
    let found = known.map { "\($0.name) numbers" } ?? name(plain)
    let remedy =
      switch plain.first {
      case "O": "save it with np.stack(x).astype(\(kind.numpyType))"
      case "U", "S", "a", "M", "m": "save numbers"
      // As wider numbers, flags would be read as ids.
      case "b",
        "?" where kind.numbers.contains(.uint8):

        "save it with np.ascontiguousarray(x, dtype=np.uint8)"
      case "c": "save its parts, x.real and x.imag"
      default: convert
      }
    throw Refusal(
      "the array holds \(found) ('\(code.prefix(40).printable)'), and \(kind.noun) are \(wanted)",
      remedy)
  }

  /// Returns the name of a type that no table takes, for messages.
  private static func name(_ code: Substring) -> String {
    switch code.first {
    case "O": "Python objects"
    case "b", "?": "booleans"
    case "c": "complex numbers"
    case "f": "float\(bits(code)) numbers"
    case "i": "int\(bits(code)) numbers"
    case "u": "uint\(bits(code)) numbers"
    case "U", "S", "a": "text"
    case "M", "m": "dates or times"
    case "V": "raw bytes, which is how bfloat16 arrays are saved,"
    default: "numbers of an unknown type"
    }
  }

  private static func bits(_ code: Substring) -> String {
    Int(code.dropFirst()).flatMap { (1...32).contains($0) ? "\($0 * 8)" : nil } ?? ""
  }
}
