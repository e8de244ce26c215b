/// A JSON value: headers of safetensors files, and what is kept of devices between runs.
package enum JSONValue: Hashable {
  case null
  case boolean(Bool)
  case string(String)
  case integer(Int)
  /// A number with a fraction or an exponent.
  case number(Double)
  case array([JSONValue])
  case object([String: JSONValue])

  package struct SyntaxError: Error {
    let problem: String
    /// Bytes from the start of the text.
    let offset: Int
  }

  /// Parses `text`, UTF-8, which must hold one value and nothing else but white space.
  package init(parsing text: UnsafeRawBufferPointer) throws(SyntaxError) {
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

  /// Headers nest three deep, records of tuning eight.
  private static let deepest = 16

  init(_ text: UnsafeRawBufferPointer) { unsafe self.text = text }

  mutating func value(depth: Int) throws(JSONValue.SyntaxError) -> JSONValue {
    guard depth < Self.deepest else { throw failure("values nested too deep") }
    guard let first = next() else { throw failure("no value") }
    switch first {
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: throw failure("something that is no value")
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

  private mutating func word(
    _ word: StaticString, _ value: JSONValue
  ) throws(JSONValue.SyntaxError) -> JSONValue {
    let length = word.utf8CodeUnitCount
    guard unsafe text.count - position >= length,
      unsafe String(decoding: text[position..<position + length], as: UTF8.self) == "\(word)"
    else { throw failure("something that is no value") }
    position += length
    return value
  }

  private mutating func number() throws(JSONValue.SyntaxError) -> JSONValue {
    let start = position
    position += 1
    while unsafe position < text.count, unsafe Self.belongsToNumber(text[position]) {
      position += 1
    }
    let digits = unsafe String(decoding: text[start..<position], as: UTF8.self)
    if let value = Int(digits) { return .integer(value) }
    // Whole numbers beyond 64 bits are sizes, and must not lose digits.
    if digits.contains(where: { ".eE".contains($0) }), let value = Double(digits), value.isFinite {
      return .number(value)
    }
    position = start
    throw failure("a number that is not a 64-bit integer, and no finite fraction")
  }

  private static func belongsToNumber(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "e"),
      UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"):
      true
    default: false
    }
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

extension JSONValue {
  /// The value of a key of an object; nil where there is none.
  package subscript(_ key: String) -> JSONValue? {
    if case .object(let entries) = self { entries[key] } else { nil }
  }

  /// The entries of an object; nil for other values.
  package var entries: [String: JSONValue]? {
    if case .object(let entries) = self { entries } else { nil }
  }

  /// The values of an array; nil for other values.
  package var values: [JSONValue]? {
    if case .array(let values) = self { values } else { nil }
  }

  /// A number as Float64; nil for other values.
  package var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The value as text, with sorted keys and without white space. Numbers have to be finite.
  package var text: String {
    switch self {
    case .null: "null"
    case .boolean(let value): "\(value)"
    case .string(let value): value.quotedAsJSON
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .array(let values): "[\(values.map(\.text).joined(separator: ","))]"
    case .object(let entries):
      "{"
        + entries.sorted { $0.key < $1.key }.map { "\($0.key.quotedAsJSON):\($0.value.text)" }
        .joined(separator: ",") + "}"
    }
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
