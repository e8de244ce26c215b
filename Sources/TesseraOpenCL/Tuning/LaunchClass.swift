/// Shapes that are launched alike. What was measured for one of them is used for all, so a class is
/// narrow, and shapes that nobody measured have one of their own.
public struct LaunchClass: Sendable, Hashable {
  /// An operation whose launches can be tuned.
  public enum Operation: String, Sendable, Hashable, CaseIterable {
    case search, multiply, topK
  }

  /// The operation that is launched.
  public let operation: Operation
  /// The size of the number of queries, or of the rows of the result.
  public let height: Size
  /// The dimension; for `topK`, columns.
  public let depth: Size
  /// Rows that are searched, or columns of a product.
  public let width: Size

  /// A range of sizes; where it ends depends on the operation and the side.
  public enum Size: String, Sendable, Hashable, CaseIterable {
    case few, some, many, huge

    init(_ count: Int, few: Int, some: Int, many: Int = .max) {
      self = count <= few ? .few : count <= some ? .some : count <= many ? .many : .huge
    }
  }

  package static func search(queries: Int, rows: Int, dimension: Int) -> LaunchClass {
    LaunchClass(
      operation: .search, height: Size(queries, few: 8, some: 128, many: 2048),
      depth: Size(dimension, few: 96, some: 256), width: Size(rows, few: 4096, some: 1 << 18))
  }

  package static func multiply(rows: Int, columns: Int, inner: Int) -> LaunchClass {
    LaunchClass(
      operation: .multiply, height: Size(rows, few: 8, some: 128, many: 2048),
      depth: Size(inner, few: 96, some: 256), width: Size(columns, few: 4096, some: 1 << 18))
  }

  package static func topK(rows: Int, columns: Int) -> LaunchClass {
    LaunchClass(
      operation: .topK, height: Size(rows, few: 8, some: 128, many: 2048),
      depth: Size(columns, few: 1 << 15, some: 1 << 18), width: .many)
  }
}

extension LaunchClass: LosslessStringConvertible {
  /// The name in files: `search many some few`.
  public var description: String {
    [operation.rawValue, height.rawValue, depth.rawValue, width.rawValue].joined(separator: " ")
  }

  /// Reads `description` back; nil for any other text.
  public init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.count == 4, let operation = Operation(rawValue: words[0]),
      let height = Size(rawValue: words[1]), let depth = Size(rawValue: words[2]),
      let width = Size(rawValue: words[3])
    else { return nil }
    self.init(operation: operation, height: height, depth: depth, width: width)
  }
}
