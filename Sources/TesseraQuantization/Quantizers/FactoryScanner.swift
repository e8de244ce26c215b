import TesseraCompute

/// Reads a factory string from left to right: literals and whole numbers.
struct FactoryScanner {
  private(set) var rest: Substring

  init(_ text: String) { rest = text[...] }

  var isAtEnd: Bool { rest.isEmpty }

  /// Moves past `literal` if it comes next.
  mutating func take(_ literal: String) -> Bool {
    guard rest.hasPrefix(literal) else { return false }
    rest = rest.dropFirst(literal.count)
    return true
  }

  /// The number that comes next, in decimal digits; nil if there is none or it is beyond 32 bits.
  mutating func number() -> Int? {
    let digits = rest.prefix { "0123456789".contains($0) }
    guard let number = Int32(digits) else { return nil }
    rest = rest.dropFirst(digits.count)
    return Int(number)
  }
}

extension TesseraError {
  /// A parameter of a factory string that is out of range.
  static func badSpecification(_ text: String, _ problem: String) -> TesseraError {
    TesseraError(.invalidArgument, "\"\(text)\": \(problem)")
  }
}
