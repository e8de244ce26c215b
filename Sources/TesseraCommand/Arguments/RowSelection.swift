import Tessera

/// Holds the rows that `--ids` names: a range of rows, or a file of them.
enum RowSelection: Equatable {
  case range(Range<Int64>)
  case file(String)

  /// - Throws: `.invalidArgument` for what looks like a range and is none.
  init(_ text: String) throws(TesseraError) {
    // A file of such a name can still be given as ./1:2.
    guard text.contains(":"), text.allSatisfy({ "0123456789-:".contains($0) }) else {
      self = .file(text)
      return
    }
    let ends = text.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
    guard ends.count == 2, let first = ends[0], let end = ends[1], 0 <= first, first <= end else {
      throw TesseraError(
        .invalidArgument,
        "\(text) is no range of rows; write FIRST:END, as in 0:1000 for the first thousand")
    }
    self = .range(first..<end)
  }

  /// The rows it selects of `rowCount` in the file `base`, at least one.
  func selector(rowCount: Int, base: String) throws(TesseraError) -> IDSelector {
    let (name, selector) = try open(rowCount: rowCount, base: base)
    guard selector.count(in: 0..<Int64(rowCount)) > 0 else {
      throw TesseraError(
        .invalidShape,
        "\(name): selects none of the \(rowCount) rows of \(base); select at least one")
    }
    return selector
  }

  private func open(
    rowCount: Int, base: String
  ) throws(TesseraError) -> (name: String, IDSelector) {
    switch self {
    case .range(let range):
      guard range.upperBound <= rowCount else {
        throw TesseraError(
          .invalidShape,
          "--ids \(range.lowerBound):\(range.upperBound): \(base) has \(rowCount) rows; end at "
            + "\(rowCount) or before")
      }
      return ("--ids \(range.lowerBound):\(range.upperBound)", .range(range))
    case .file(let path):
      do throws(TesseraError) {
        return (path, try IDFile.openSelector(path, rowCount: rowCount))
      } catch {
        guard error.code == .invalidArgument else { throw error }
        throw TesseraError(error.code, "\(error.message), or give a range of rows as in 0:1000")
      }
    }
  }
}
