public import TesseraCompute
internal import TesseraHost

/// Quantizers by name: factory strings such as `SQ8`, `PQ48x8` or `OPQ48,PQ48x8`.
///
/// Strings are read as FAISS reads them where it has the quantizer.
public enum QuantizerFactory {
  /// A kind of quantizer: how its factory strings are read, and how it comes back from a file.
  struct Family: Sendable {
    /// The form of its strings, for messages: `PQ<M>x<bits>`.
    let pattern: String
    let quantizer: any Quantizer.Type
    /// The recipe that a string spells; nil for the string of another family.
    ///
    /// - Throws: `.invalidArgument` for a parameter out of range.
    let recipe: @Sendable (_ text: String) throws(TesseraError) -> (any QuantizerRecipe)?
  }

  /// To add a quantizer, add its family here.
  static let families: [Family] = [
    Family(pattern: "PQ<subspaces>x<bits>", quantizer: ProductQuantizer.self) {
      text throws(TesseraError) in try ProductRecipe(parsing: text)
    },
    Family(
      pattern: "OPQ<subspaces>[_<kept>],PQ<subspaces>x<bits>", quantizer: RotatedQuantizer.self
    ) {
      text throws(TesseraError) in try RotatedRecipe(parsing: text)
    },
    Family(
      pattern: "RQ<stages>x<bits>, PRQ<subspaces>x<stages>x<bits>",
      quantizer: ResidualQuantizer.self
    ) { text throws(TesseraError) in try ResidualRecipe(parsing: text) },
    Family(
      pattern: ScalarKind.allCases.map(\.rawValue).joined(separator: ", "),
      quantizer: ScalarQuantizer.self
    ) { text throws(TesseraError) in ScalarKind(rawValue: text).map(ScalarRecipe.init) },
    RaBitQRecipe.family, LowRankRecipe.family,
  ]

  /// Returns the recipe that a factory string spells.
  ///
  /// - Throws: `.invalidArgument` if no family reads it, listing those there are.
  public static func recipe(_ text: String) throws(TesseraError) -> any QuantizerRecipe {
    for family in families {
      if let recipe = try family.recipe(text) { return recipe }
    }
    let patterns = families.map(\.pattern).joined(separator: ", ")
    throw TesseraError(
      .invalidArgument, "\"\(text)\" names no quantizer; the names are \(patterns)")
  }

  /// The quantizer that a file kept.
  ///
  /// - Throws: `.unsupported` for a kind there is not, `.malformedFile` for tensors that do not
  ///   fit.
  public static func quantizer(
    kind: String, specification: String, arrays: [String: StoredArray]
  ) throws(TesseraError) -> any Quantizer {
    guard let type = families.lazy.map(\.quantizer).first(where: { $0.kind == kind }) else {
      throw TesseraError(
        .unsupported, "quantizers of kind \"\(kind.printable)\" are not known to this version")
    }
    do throws(TesseraError) {
      return try type.init(specification: specification, arrays: arrays)
    } catch {
      // What a caller may not ask for is damage where it stands in a file, and its text may be anything.
      let isArgument = [.invalidArgument, .invalidShape].contains(error.code)
      throw TesseraError(isArgument ? .malformedFile : error.code, error.message.printable)
    }
  }
}

/// Reads a factory string from left to right: literals and whole numbers.
package struct FactoryScanner {
  package private(set) var rest: Substring

  package init(_ text: String) { rest = text[...] }

  package var isAtEnd: Bool { rest.isEmpty }

  /// Moves past `literal` if it comes next.
  package mutating func take(_ literal: String) -> Bool {
    guard rest.hasPrefix(literal) else { return false }
    rest = rest.dropFirst(literal.count)
    return true
  }

  /// The number that comes next, in decimal digits; nil if there is none or it is beyond 32 bits.
  package mutating func number() -> Int? {
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
