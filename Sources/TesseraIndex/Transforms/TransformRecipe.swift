internal import TesseraCompute
public import TesseraQuantization

/// Describes a change of rows before they are divided into lists and coded, and of queries before they
/// are compared: fewer dimensions, other axes, or unit lengths.
///
/// Scores are those of changed rows and queries. Maps at right angles (``randomRotation(_:)``,
/// ``optimizedRotation(_:)`` and ``principalAxes(_:rotated:)``) keep all of them but for rounding, and
/// lose what lies in dimensions that they drop.
public enum TransformRecipe: Sendable, Hashable, CustomStringConvertible {
  /// Takes the mean of the rows off rows and queries: `Center`. Distances stay; inner products and
  /// cosines become those about the mean, whose nearest rows are others.
  case center
  /// Divides rows and queries by their lengths, so that inner products are cosines: `L2norm`. Rows of
  /// length 0 stay.
  case unitLength
  /// The directions in which rows spread most, so many of them: `PCA64`. A random rotation follows
  /// where the directions should be equally important: `PCAR64`.
  ///
  /// Under squared L2 directions are about the mean, which is taken off. Inner products and cosines
  /// depend on where the origin is: under them nothing is taken off, and directions are about the
  /// origin. (FAISS takes the mean off under every metric, which changes the order of inner products.)
  case principalAxes(Int, rotated: Bool = false)
  /// A random rotation, or so many dimensions of one; nil keeps all: `RR`, `RR64`.
  case randomRotation(Int? = nil)
  /// The rotation that suits a product quantizer, as ``RotatedRecipe`` learns it: `OPQ48`, or
  /// `OPQ48_192` to keep 192 dimensions. It takes no mean off.
  case optimizedRotation(RotatedRecipe)

  /// The part of a factory string that spells it. `OPQ48` does not say for how many bits: as many as
  /// the codes after it have, 8 at most, and 8 where they are no product codes.
  public var description: String {
    switch self {
    case .center: "Center"
    case .unitLength: "L2norm"
    case .principalAxes(let dimension, let rotated): "PCA\(rotated ? "R" : "")\(dimension)"
    case .randomRotation(let dimension): "RR\(dimension.map(String.init) ?? "")"
    case .optimizedRotation(let recipe):
      "OPQ\(recipe.product.subspaceCount)" + (recipe.rotatedDimension.map { "_\($0)" } ?? "")
    }
  }

  /// Dimensions that it makes of so many.
  func outputs(of inputs: Int) -> Int {
    switch self {
    case .center, .unitLength: inputs
    case .principalAxes(let dimension, _): dimension
    case .randomRotation(let dimension): dimension ?? inputs
    case .optimizedRotation(let recipe): recipe.rotatedDimension ?? inputs
    }
  }

  /// The transform of so many dimensions that is nearest to this one: itself where it is one.
  func fitted(to inputs: Int) throws(TesseraError) -> TransformRecipe {
    switch self {
    case .center, .unitLength: return self
    case .principalAxes(let dimension, let rotated):
      return .principalAxes(min(max(1, dimension), inputs), rotated: rotated)
    case .randomRotation(let dimension):
      return .randomRotation(dimension.map { min(max(1, $0), inputs) })
    case .optimizedRotation(let recipe):
      let subspaces = min(recipe.product.subspaceCount, inputs)
      let kept = recipe.rotatedDimension.map { min($0, inputs) }
      guard subspaces != recipe.product.subspaceCount || kept != recipe.rotatedDimension else {
        return self
      }
      return .optimizedRotation(
        try RotatedRecipe(
          ProductRecipe(
            subspaceCount: subspaces, bits: recipe.product.bits, options: recipe.product.options),
          rotatedDimension: kept))
    }
  }
}

/// What a part of a factory string means before rows are divided.
enum TransformPart {
  case transform(TransformRecipe)
  /// A part of FAISS's grammar, or one out of range, why it is refused, and what is nearest to it; nil
  /// where that is nothing.
  case refused(TesseraError.Code, reason: String, instead: String?)

  /// Reads a part; nil for one that is no transform.
  ///
  /// - Parameter bits: Those of the product codes that a rotation should suit.
  init?(_ text: String, bits: Int) {
    if text == "Center" {
      self = .transform(.center)
    } else if ["L2norm", "L2Norm"].contains(text) {
      self = .transform(.unitLength)
    } else if let part = Self.principalAxes(text) ?? Self.optimized(text, bits: bits)
      ?? Self.rotation(text) ?? Self.foreign(text)
    {
      self = part
    } else {
      return nil
    }
  }

  private static func principalAxes(_ text: String) -> TransformPart? {
    var scanner = FactoryScanner(text)
    guard scanner.take("PCA") else { return nil }
    let whitens = scanner.take("W")
    let rotated = scanner.take("R")
    let dimension = scanner.number()
    guard scanner.isAtEnd else { return nil }
    let name = "PCA\(rotated ? "R" : "")"
    guard let dimension, dimension > 0 else {
      return .refused(
        .invalidArgument, reason: "needs a number of dimensions, at least 1",
        instead: "\(name)\(dimension.map { _ in 1 } ?? 64)")
    }
    guard !whitens else {
      return .refused(
        .unsupported, reason: "divides directions by their spread, so that other rows are near",
        instead: "\(name)\(dimension)")
    }
    return .transform(.principalAxes(dimension, rotated: rotated))
  }

  private static func rotation(_ text: String) -> TransformPart? {
    var scanner = FactoryScanner(text)
    guard scanner.take("RR") else { return nil }
    let dimension = scanner.number()
    guard scanner.isAtEnd else { return nil }
    guard dimension ?? 1 > 0 else {
      return .refused(
        .invalidArgument, reason: "needs at least 1 dimension, or no number to keep all",
        instead: "RR")
    }
    return .transform(.randomRotation(dimension))
  }

  private static func optimized(_ text: String, bits: Int) -> TransformPart? {
    var scanner = FactoryScanner(text)
    guard scanner.take("OPQ") else { return nil }
    let subspaces = scanner.number()
    let hasKept = scanner.take("_")
    let kept = hasKept ? scanner.number() : nil
    guard scanner.isAtEnd else { return nil }
    guard let subspaces, subspaces > 0, hasKept == (kept != nil) else {
      return .refused(
        .invalidArgument,
        reason: "needs a number of subspaces and may name the dimensions to keep, as in OPQ8_64",
        instead: "OPQ\(subspaces.map { max(1, $0) } ?? 8)")
    }
    do throws(TesseraError) {
      return .transform(
        .optimizedRotation(
          try RotatedRecipe(
            ProductRecipe(subspaceCount: subspaces, bits: bits), rotatedDimension: kept)))
    } catch {
      return .refused(
        error.code, reason: "cannot be: \(error.message)",
        instead: (kept ?? subspaces) < subspaces ? "OPQ\(subspaces)_\(subspaces)" : "OPQ8")
    }
  }

  /// Reads transforms that FAISS has and Tessera has not.
  private static func foreign(_ text: String) -> TransformPart? {
    for (name, reason, instead) in [
      ("ITQ", "turns rows to make bits of their signs", "RR"),
      ("Pad", "adds zeros, which nothing here needs", nil),
    ] {
      var scanner = FactoryScanner(text)
      guard scanner.take(name) else { continue }
      let dimension = scanner.number().map(String.init) ?? ""
      guard scanner.isAtEnd else { continue }
      return .refused(.unsupported, reason: reason, instead: instead.map { $0 + dimension })
    }
    return nil
  }
}
