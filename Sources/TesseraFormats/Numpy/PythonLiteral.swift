/// A value written as Python source: as much of the language as the headers of .npy files use.
enum PythonLiteral: Hashable {
  case string(String)
  case integer(Int)
  case boolean(Bool)
  case none
  case tuple([PythonLiteral])
  case list([PythonLiteral])
  case dictionary([String: PythonLiteral])

  struct SyntaxError: Error {
    let problem: String
    /// Bytes from the start of the text.
    let offset: Int
  }

  /// Parses `text`, UTF-8, which must hold one value and nothing else but white space.
  init(parsing text: UnsafeRawBufferPointer) throws(SyntaxError) {
    var parser = unsafe PythonLiteralParser(text)
    self = try parser.value(depth: 0)
    try parser.end()
  }
}

/// Recursive descent, one method per kind of value.
///
/// Safe: reads inside `text` only, whose bounds are checked, and does not outlive it.
@safe private struct PythonLiteralParser {
  private let text: UnsafeRawBufferPointer
  private var position = 0

  /// Nested deeper than any dtype, and far from the end of the stack.
  private static let deepest = 32

  init(_ text: UnsafeRawBufferPointer) { unsafe self.text = text }

  mutating func value(depth: Int) throws(PythonLiteral.SyntaxError) -> PythonLiteral {
    guard depth < Self.deepest else { throw failure("values nested too deep") }
    guard let first = next() else { throw failure("no value") }
    switch first {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "{"): return .dictionary(try dictionary(depth: depth))
    case UInt8(ascii: "["):
      return .list(try elements(until: UInt8(ascii: "]"), depth: depth).values)
    case UInt8(ascii: "("):
      let (values, endsInComma) = try elements(until: UInt8(ascii: ")"), depth: depth)
      // (3) is 3; only (3,) is a tuple.
      return values.count == 1 && !endsInComma ? values[0] : .tuple(values)
    case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      return .integer(try integer())
    default: return try word()
    }
  }

  mutating func end() throws(PythonLiteral.SyntaxError) {
    guard next() == nil else { throw failure("text after the value") }
  }

  /// The next byte that is not white space, not consumed.
  private mutating func next() -> UInt8? {
    while unsafe position < text.count,
      unsafe [0x20, 0x09, 0x0A, 0x0C, 0x0D].contains(text[position])
    {
      position += 1
    }
    return unsafe position < text.count ? text[position] : nil
  }

  /// Consumes `character` if it comes next.
  private mutating func take(_ character: UInt8) -> Bool {
    guard next() == character else { return false }
    position += 1
    return true
  }

  private func failure(_ problem: String) -> PythonLiteral.SyntaxError {
    PythonLiteral.SyntaxError(problem: problem, offset: position)
  }

  private mutating func string() throws(PythonLiteral.SyntaxError) -> String {
    let quote = unsafe text[position]
    let start = position + 1
    var end = start
    while unsafe end < text.count, unsafe text[end] != quote {
      guard unsafe text[end] != UInt8(ascii: "\\") else { throw failure("an escape in a string") }
      end += 1
    }
    guard unsafe end < text.count else { throw failure("a string without an end") }
    position = end + 1
    return unsafe String(decoding: text[start..<end], as: UTF8.self)
  }

  private mutating func dictionary(
    depth: Int
  ) throws(PythonLiteral.SyntaxError) -> [String: PythonLiteral] {
    position += 1
    var entries: [String: PythonLiteral] = [:]
    while !take(UInt8(ascii: "}")) {
      guard case .string(let key) = try value(depth: depth + 1) else {
        throw failure("a key that is not a string")
      }
      guard take(UInt8(ascii: ":")) else { throw failure("no colon after a key") }
      guard entries.updateValue(try value(depth: depth + 1), forKey: key) == nil else {
        throw failure("a key given twice")
      }
      guard take(UInt8(ascii: ",")) || next() == UInt8(ascii: "}") else {
        throw failure("no comma or closing brace")
      }
    }
    return entries
  }

  private mutating func elements(
    until close: UInt8, depth: Int
  ) throws(PythonLiteral.SyntaxError) -> (values: [PythonLiteral], endsInComma: Bool) {
    position += 1
    var values: [PythonLiteral] = []
    var endsInComma = false
    while !take(close) {
      values.append(try value(depth: depth + 1))
      endsInComma = take(UInt8(ascii: ","))
      guard endsInComma || next() == close else { throw failure("no comma or closing bracket") }
    }
    return (values, endsInComma)
  }

  private mutating func integer() throws(PythonLiteral.SyntaxError) -> Int {
    let start = position
    position += 1
    while unsafe position < text.count,
      unsafe UInt8(ascii: "0")...UInt8(ascii: "9") ~= text[position]
    {
      position += 1
    }
    let digits = unsafe String(decoding: text[start..<position], as: UTF8.self)
    guard let value = Int(digits) else {
      position = start
      throw failure("a number that is not a 64-bit integer")
    }
    // Python 2 wrote its long integers so.
    if unsafe position < text.count, unsafe text[position] == UInt8(ascii: "L") { position += 1 }
    return value
  }

  /// True, False, None, or a string with a prefix, as Python 2 wrote its Unicode strings.
  private mutating func word() throws(PythonLiteral.SyntaxError) -> PythonLiteral {
    let start = position
    while unsafe position < text.count, unsafe isLetter(text[position]) { position += 1 }
    let word = unsafe String(decoding: text[start..<position], as: UTF8.self)
    switch word {
    case "True": return .boolean(true)
    case "False": return .boolean(false)
    case "None": return .none
    case "u", "b":
      if unsafe position < text.count,
        unsafe [UInt8(ascii: "'"), UInt8(ascii: "\"")].contains(text[position])
      {
        return .string(try string())
      }
    default: break
    }
    position = start
    throw failure(word.isEmpty ? "no value" : "the word \(word.prefix(20)), which is no value")
  }

  private func isLetter(_ byte: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
  }
}
