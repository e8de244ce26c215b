public import TesseraCompute
public import TesseraQuantization

/// Says how an index is built: how rows are changed and divided into lists, what is kept of each row,
/// and whether hits are scored again from the rows themselves.
///
/// Strings are read as FAISS reads them where they mean the same: `Flat`, `IVF1024,Flat`,
/// `IVF1024,SQ8`, `PCA64,IVF1024,Flat`, `OPQ48_192,IVF1024,PQ48x4fs,RFlat`; `BFlat` and `BIVF1024` for
/// rows of bits.
public struct IndexSpecification: Sendable, CustomStringConvertible {
  /// What is kept of a row.
  public enum Content: Sendable {
    /// The row, in the type it came in.
    case rows
    /// A code of it, or where there are lists of its difference from the list's centroid.
    case codes(any QuantizerRecipe)
    /// The row, whose bytes are eight bits each (``BitMetric``).
    case bits
  }

  /// What is done to rows first, and to queries, in this order.
  public var transforms: [TransformRecipe]
  /// The number of lists that rows are divided into; nil keeps them in one.
  public var listCount: Int?
  /// What is kept of each row.
  public var content: Content
  /// True if the rows are kept, untransformed, beside their codes, to score the hits again.
  public var refines: Bool

  /// Takes the parts as they are.
  public init(
    transforms: [TransformRecipe] = [], listCount: Int? = nil, content: Content = .rows,
    refines: Bool = false
  ) {
    self.transforms = transforms
    self.listCount = listCount
    self.content = content
    self.refines = refines
  }

  /// The factory string; reading it back gives an equal specification.
  public var description: String {
    if keepsBits { return listCount.map { "BIVF\($0)" } ?? "BFlat" }
    var parts = transforms.map(\.description) + (listCount.map { ["IVF\($0)"] } ?? [])
    switch content {
    case .rows, .bits: parts.append("Flat")
    case .codes(let recipe): parts.append(recipe.specification)
    }
    if refines { parts.append("RFlat") }
    return parts.joined(separator: ",")
  }

  /// Reads a factory string.
  ///
  /// - Throws: `.invalidArgument` for one that means nothing, and `.unsupported` for a part that this
  ///   version does not have; both name the part and what could stand in its place.
  public init(_ text: String) throws(TesseraError) {
    self = try Self.parsed(text).canonical
  }

  private static func parsed(_ text: String) throws(TesseraError) -> IndexSpecification {
    var parts = text.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0.filter { !$0.isWhitespace })
    }
    // Rows always have ids of their own.
    if let first = parts.first, ["IDMap", "IDMap2"].contains(first), parts.count > 1 {
      parts.removeFirst()
    }
    if let first = parts.first, first.hasPrefix("B") {
      return try bits(first, followed: parts.count > 1, in: text)
    }
    var refines = false
    if let last = parts.last, ["RFlat", "Refine(Flat)"].contains(last), parts.count > 1 {
      refines = true
      parts.removeLast()
    }
    var transforms: [TransformRecipe] = []
    reading: while let part = parts.first {
      switch TransformPart(part, bits: bits(of: parts)) {
      case nil: break reading
      case .transform(let recipe): transforms.append(recipe)
      case .refused(let code, let reason, _):
        let nearest = transforms.map(\.description) + accepted(parts, refines)
        throw TesseraError(
          code,
          "\"\(text)\": \(part) \(reason); nearest to it is \"\(nearest.joined(separator: ","))\"")
      }
      parts.removeFirst()
    }
    var listCount: Int?
    if let first = parts.first, first.hasPrefix("IVF") {
      guard let count = Int32(first.dropFirst(3)), count > 0 else {
        throw TesseraError(
          .invalidArgument,
          "\"\(text)\": \(first) needs a number of lists, as in IVF1024")
      }
      listCount = Int(count)
      parts.removeFirst()
    }
    let before = transforms.map(\.description) + (listCount.map { ["IVF\($0)"] } ?? [])
    let rest = parts.joined(separator: ",")
    guard !rest.isEmpty else {
      throw TesseraError(
        .invalidArgument,
        "\"\(text)\": does not say what is kept of a row; write "
          + "\"\((before + ["Flat"]).joined(separator: ","))\" to keep rows")
    }
    if rest == "Flat" {
      return IndexSpecification(
        transforms: transforms, listCount: listCount, content: .rows, refines: refines)
    }
    do throws(TesseraError) {
      return IndexSpecification(
        transforms: transforms, listCount: listCount,
        content: .codes(try QuantizerFactory.recipe(rest)), refines: refines)
    } catch {
      if let part = parts.first, parts.count > 1,
        case .transform = TransformPart(part, bits: bits(of: parts))
      {
        let nearest =
          transforms.map(\.description) + [part] + before.dropFirst(transforms.count)
          + accepted(Array(parts.dropFirst()), refines)
        throw TesseraError(
          .invalidArgument,
          "\"\(text)\": \(part) changes rows, which has to be before they are divided into lists; "
            + "nearest to it is \"\(nearest.joined(separator: ","))\"")
      }
      throw TesseraError(
        error.code, "\"\(text)\": \(error.message); or Flat, which keeps rows as they are")
    }
  }

  /// Reads what is kept of rows of bits.
  private static func bits(
    _ part: String, followed: Bool, in text: String
  ) throws(TesseraError) -> IndexSpecification {
    let count = part.hasPrefix("BIVF") ? Int32(part.dropFirst(4)) : nil
    guard part == "BFlat" || part.hasPrefix("BIVF") else {
      throw TesseraError(
        .unsupported,
        "\"\(text)\": \(part) is not built here; of rows of bits, BFlat and BIVF<lists> are, and nearest "
          + "to it is \"BFlat\"")
    }
    guard part == "BFlat" || count ?? 0 > 0 else {
      throw TesseraError(
        .invalidArgument, "\"\(text)\": \(part) needs a number of lists, as in BIVF1024")
    }
    guard !followed else {
      throw TesseraError(
        .invalidArgument,
        "\"\(text)\": \(part) keeps the rows themselves, so nothing follows it; nearest to it is "
          + "\"\(part)\"")
    }
    return IndexSpecification(listCount: count.map { Int($0) }, content: .bits)
  }

  /// Bits of the product codes that the last part names, 8 at most; 8 where it names others.
  private static func bits(of parts: [String]) -> Int {
    let last = try? QuantizerFactory.recipe(parts.last ?? "") as? ProductRecipe
    return min(8, last?.bits ?? 8)
  }

  /// Parts of a string with those that are refused replaced by what is nearest to them.
  private static func accepted(_ parts: [String], _ refines: Bool) -> [String] {
    parts.compactMap { part -> String? in
      guard case .refused(_, _, let instead) = TransformPart(part, bits: 8) else { return part }
      return instead
    } + (refines ? ["RFlat"] : [])
  }

  // MARK: What is built

  /// True if rows are of bits.
  public var keepsBits: Bool {
    if case .bits = content { true } else { false }
  }

  /// The specification that says the same, as its string is read: rotated product codes of whole rows
  /// are product codes of rotated rows, and hits among rows as they came are not scored again.
  var canonical: IndexSpecification {
    var result = self
    if case .codes(let recipe) = content {
      if listCount == nil, let rotated = recipe as? RotatedRecipe {
        result.transforms.append(.optimizedRotation(rotated))
        result.content = .codes(rotated.product)
      }
    } else {
      result.refines = refines && !transforms.isEmpty
    }
    return result
  }

  /// Numbers that are kept of a row of so many.
  ///
  /// - Throws: `.invalidShape` for a transform that has no meaning for so many.
  func keptDimension(of dimension: Int) throws(TesseraError) -> Int {
    var kept = dimension
    for (place, recipe) in transforms.enumerated() {
      let fitted = try recipe.fitted(to: kept)
      guard fitted == recipe else {
        var nearest = self
        nearest.transforms[place] = fitted
        throw TesseraError(
          .invalidShape,
          "\"\(self)\": \(recipe) cannot be made of \(kept) dimensions; nearest to it is "
            + "\"\(nearest)\"")
      }
      kept = recipe.outputs(of: kept)
    }
    return kept
  }
}
