/// A JSON value of the kinds that headers of safetensors files use: no fractions, no null.
enum JSONValue: Hashable {
  case string(String)
  case integer(Int)
  case array([JSONValue])
  case object([String: JSONValue])

  struct SyntaxError: Error {
    let problem: String
    /// Bytes from the start of the text.
    let offset: Int
  }

  /// Parses `text`, UTF-8, which must hold one value and nothing else but white space.
  init(parsing text: UnsafeRawBufferPointer) throws(SyntaxError) {
    var parser = unsafe JSONParser(text)
    self = try parser.value(depth: 0)
    try parser.end()
  }
}

/// Recursive descent, one method per kind of value.
///
/// Safe: reads inside `text` only, whose bounds are checked, and does not outlive it.
@safe private struct JSONParser {
  private let text: UnsafeRawBufferPointer
  private var position = 0

  /// Headers nest three deep.
  private static let deepest = 8

  init(_ text: UnsafeRawBufferPointer) { unsafe self.text = text }

  mutating func value(depth: Int) throws(JSONValue.SyntaxError) -> JSONValue {
    guard depth < Self.deepest else { throw failure("values nested too deep") }
    guard let first = next() else { throw failure("no value") }
    switch first {
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .integer(try integer())
    default: throw failure("something that is no string, whole number, array or object")
    }
  }

  mutating func end() throws(JSONValue.SyntaxError) {
    guard next() == nil else { throw failure("text after the value") }
  }

  /// The next byte that is not white space, not consumed.
  private mutating func next() -> UInt8? {
    while unsafe position < text.count, unsafe [0x20, 0x09, 0x0A, 0x0D].contains(text[position]) {
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

  private func failure(_ problem: String) -> JSONValue.SyntaxError {
    JSONValue.SyntaxError(problem: problem, offset: position)
  }

  private mutating func object(
    depth: Int
  ) throws(JSONValue.SyntaxError) -> [String: JSONValue] {
    position += 1
    var entries: [String: JSONValue] = [:]
    guard !take(UInt8(ascii: "}")) else { return entries }
    repeat {
      guard next() == UInt8(ascii: "\"") else { throw failure("a key that is not a string") }
      let key = try string()
      guard take(UInt8(ascii: ":")) else { throw failure("no colon after a key") }
      guard entries.updateValue(try value(depth: depth + 1), forKey: key) == nil else {
        throw failure("a key given twice")
      }
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw failure("no comma or closing brace") }
    return entries
  }

  private mutating func array(depth: Int) throws(JSONValue.SyntaxError) -> [JSONValue] {
    position += 1
    var values: [JSONValue] = []
    guard !take(UInt8(ascii: "]")) else { return values }
    repeat {
      values.append(try value(depth: depth + 1))
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw failure("no comma or closing bracket") }
    return values
  }

  private mutating func integer() throws(JSONValue.SyntaxError) -> Int {
    let start = position
    position += 1
    while unsafe position < text.count,
      unsafe UInt8(ascii: "0")...UInt8(ascii: "9") ~= text[position]
    {
      position += 1
    }
    guard let value = unsafe Int(String(decoding: text[start..<position], as: UTF8.self)) else {
      position = start
      throw failure("a number that is not a 64-bit integer")
    }
    return value
  }

  private mutating func string() throws(JSONValue.SyntaxError) -> String {
    position += 1
    var bytes: [UInt8] = []
    while unsafe position < text.count {
      let byte = unsafe text[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: bytes, as: UTF8.self) else {
          throw failure("a string that is not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): bytes += try escaped()
      case 0..<0x20: throw failure("a control character in a string")
      default: bytes.append(byte)
      }
    }
    throw failure("a string without an end")
  }

  /// Reads the character that stands after a backslash, and returns the bytes that it stands for.
  private mutating func escaped() throws(JSONValue.SyntaxError) -> [UInt8] {
    guard unsafe position < text.count else { throw failure("a string without an end") }
    let letter = unsafe text[position]
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [letter]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return Array(try unicode().utf8)
    default: throw failure("an unknown escape in a string")
    }
  }

  /// Four hexadecimal digits, or eight in two escapes where the first is half of a pair.
  private mutating func unicode() throws(JSONValue.SyntaxError) -> String {
    var units = [try codeUnit()]
    if UTF16.isLeadSurrogate(units[0]), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
      units.append(try codeUnit())
    }
    guard let text = String(validating: units, as: UTF16.self) else {
      throw failure("half of a pair of escapes")
    }
    return text
  }

  private mutating func codeUnit() throws(JSONValue.SyntaxError) -> UInt16 {
    guard unsafe text.count - position >= 4 else { throw failure("a string without an end") }
    let digits = unsafe String(decoding: text[position..<position + 4], as: UTF8.self)
    guard digits.allSatisfy(\.isHexDigit), let unit = UInt16(digits, radix: 16) else {
      throw failure("an escape that is not four hexadecimal digits")
    }
    position += 4
    return unit
  }
}

extension String {
  /// The text as a JSON string, with its quotes.
  var quotedAsJSON: String {
    var text = "\""
    for scalar in unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\u{0}"..<" ":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
