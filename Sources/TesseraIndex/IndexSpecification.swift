public import TesseraCompute
public import TesseraQuantization

/// Says how an index is built: how rows are divided into lists, what is kept of each row, and whether
/// hits are scored again from the rows themselves.
///
/// Strings are read as FAISS reads them where they mean the same: `Flat`, `IVF1024,Flat`,
/// `IVF1024,SQ8`, `IVF1024,PQ96x4fs,RFlat`.
public struct IndexSpecification: Sendable, CustomStringConvertible {
  /// What is kept of a row.
  public enum Content: Sendable {
    /// The row, in the type it came in.
    case rows
    /// A code of it, or where there are lists of its difference from the list's centroid.
    case codes(any QuantizerRecipe)
  }

  /// The number of lists that rows are divided into; nil keeps them in one.
  public var listCount: Int?
  /// What is kept of each row.
  public var content: Content
  /// True if the rows are kept beside their codes, to score the hits again.
  public var refines: Bool

  /// Takes the parts as they are.
  public init(listCount: Int? = nil, content: Content = .rows, refines: Bool = false) {
    self.listCount = listCount
    self.content = content
    self.refines = refines
  }

  /// The factory string; reading it back gives an equal specification.
  public var description: String {
    var parts = listCount.map { ["IVF\($0)"] } ?? []
    switch content {
    case .rows: parts.append("Flat")
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
    var parts = text.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0.filter { !$0.isWhitespace })
    }
    // Rows always have ids of their own.
    if let first = parts.first, ["IDMap", "IDMap2"].contains(first), parts.count > 1 {
      parts.removeFirst()
    }
    var refines = false
    if let last = parts.last, ["RFlat", "Refine(Flat)"].contains(last), parts.count > 1 {
      refines = true
      parts.removeLast()
    }
    if let transform = parts.first, parts.count > 1, let reason = Self.transform(transform) {
      throw TesseraError(
        .unsupported,
        "\"\(text)\": \(transform) \(reason); nearest to it is "
          + "\"\(Self.without(transform, parts, refines))\"")
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
    let rest = parts.joined(separator: ",")
    guard !rest.isEmpty else {
      throw TesseraError(
        .invalidArgument,
        "\"\(text)\": does not say what is kept of a row; write "
          + "\"\(listCount.map { "IVF\($0)," } ?? "")Flat\" to keep rows")
    }
    if rest == "Flat" {
      // Hits among rows have their own scores already: to score them again changes nothing.
      self.init(listCount: listCount, content: .rows, refines: false)
      return
    }
    do throws(TesseraError) {
      self.init(
        listCount: listCount, content: .codes(try QuantizerFactory.recipe(rest)),
        refines: refines)
    } catch {
      throw TesseraError(
        error.code, "\"\(text)\": \(error.message); or Flat, which keeps rows as they are")
    }
  }

  /// Tells why a part that changes rows before they are divided is not read; nil for other parts.
  private static func transform(_ part: String) -> String? {
    if part == "L2norm" {
      return "scales rows to unit length, which --metric cosine does in scores"
    }
    for name in ["PCAR", "PCAW", "PCA", "OPQ", "RR", "ITQ", "Pad"]
    where part.hasPrefix(name) && part.dropFirst(name.count).first?.isNumber == true {
      return "changes rows before they are divided into lists, which this version does not do"
    }
    return nil
  }

  private static func without(_ transform: String, _ parts: [String], _ refines: Bool) -> String {
    var rest = Array(parts.dropFirst())
    // A rotation before product codes can be a part of them.
    if transform.hasPrefix("OPQ"), let last = rest.last, last.hasPrefix("PQ") {
      rest.insert(transform, at: rest.count - 1)
    }
    return (rest + (refines ? ["RFlat"] : [])).joined(separator: ",")
  }
}
