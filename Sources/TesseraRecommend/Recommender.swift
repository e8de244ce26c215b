public import TesseraTraining

/// A model with a vector for each user and each item; the score of a pair is their inner product.
public protocol Recommender: AnyObject {
  /// The name that files and `--model` use.
  static var name: String { get }
  /// The weights, in a fixed order.
  var parameters: [Parameter] { get }

  /// Makes the vectors of users and items that a step trains on.
  func vectors(on tape: Tape) throws(TesseraError) -> Representation

  /// The weights that belong to some users and items themselves: what weight decay makes smaller.
  func ownWeights(
    users: [Int32], items: [Int32], on tape: Tape
  ) throws(TesseraError) -> Variable
}

/// The vectors of all users and items, as a step sees them.
public enum Representation {
  /// They are weights: a step touches the rows of its batch only.
  case weights(users: Parameter, items: Parameter)
  /// They were computed.
  case computed(users: Variable, items: Variable)

  /// The vectors of some users.
  ///
  /// - Throws: `.invalidArgument` for a user there is not.
  public func users(_ rows: [Int32], on tape: Tape) throws(TesseraError) -> Variable {
    switch self {
    case .weights(let users, _): try tape.rows(rows, of: users)
    case .computed(let users, _): try tape.rows(rows, of: users)
    }
  }

  /// The vectors of some items.
  ///
  /// - Throws: `.invalidArgument` for an item there is not.
  public func items(_ rows: [Int32], on tape: Tape) throws(TesseraError) -> Variable {
    switch self {
    case .weights(_, let items): try tape.rows(rows, of: items)
    case .computed(_, let items): try tape.rows(rows, of: items)
    }
  }
}

/// Matrix factorisation: a learnt vector for each user and each item (Koren, Bell, Volinsky 2009).
public final class MatrixFactorisation: Recommender {
  /// `mf`.
  public static let name = "mf"
  private let users: Parameter
  private let items: Parameter

  /// Begins with normal vectors of deviation 0.1.
  ///
  /// - Throws: `.outOfMemory`.
  public init(
    userCount: Int, itemCount: Int, dimension: Int, seed: UInt64, on device: any Device
  ) throws(TesseraError) {
    let start = Initialiser.normal(deviation: 0.1)
    users = try start.parameter("users", [userCount, dimension], seed: seed, on: device)
    items = try start.parameter("items", [itemCount, dimension], seed: seed, on: device)
  }

  /// Users, then items.
  public var parameters: [Parameter] { [users, items] }

  /// The weights themselves.
  public func vectors(on tape: Tape) -> Representation { .weights(users: users, items: items) }

  /// Rows of users, then of items.
  public func ownWeights(
    users: [Int32], items: [Int32], on tape: Tape
  ) throws(TesseraError) -> Variable {
    try tape.joined(
      [tape.rows(users, of: self.users), tape.rows(items, of: self.items)], along: 0)
  }
}

/// LightGCN: vectors are the mean over layers of what a graph of users and items makes of learnt ones;
/// a layer adds neighbours, each divided by the roots of both degrees (He et al. 2020).
public final class LightGCN: Recommender {
  /// `lightgcn`.
  public static let name = "lightgcn"
  private let vectors: Parameter
  private let graph: SparseOperator
  private let userCount: Int
  private let layers: Int

  /// Begins with normal vectors of deviation 0.1.
  ///
  /// - Parameter layers: How often neighbours are added · 1 or more.
  /// - Throws: `.outOfMemory`.
  public init(
    _ interactions: Interactions, dimension: Int, layers: Int = 3, seed: UInt64,
    on device: any Device
  ) throws(TesseraError) {
    self.layers = layers
    userCount = interactions.userCount
    let count = interactions.userCount + interactions.itemCount
    vectors = try Initialiser.normal(deviation: 0.1).parameter(
      "vectors", [count, dimension], seed: seed, on: device)
    graph = try interactions.normalisedGraph(on: device)
  }

  /// One matrix: users, then items.
  public var parameters: [Parameter] { [vectors] }

  /// Cost: one sparse product of all pairs, both ways, for each layer.
  public func vectors(on tape: Tape) throws(TesseraError) -> Representation {
    var layer = tape.weights(of: vectors)
    var all = [layer]
    for _ in 0..<layers {
      layer = try tape.product(graph, layer)
      all.append(layer)
    }
    var mean = all[0]
    // At most seven layers fit one formula; more are added up first.
    while all.count > 4 {
      let sum = try tape.apply(all[0], all[1], all[2], all[3]) { x, _ in x[0] + x[1] + x[2] + x[3] }
      all = [sum] + all[4...]
    }
    let formula = Formula(inputs: all.count, parameters: 1) { x, p in
      [x.dropFirst().reduce(x[0]) { $0 + $1 } * p[0]]
    }
    mean = try tape.apply(formula, to: all, parameters: [1 / Float(layers + 1)])[0]
    return .computed(
      users: try tape.slice(mean, 0..<userCount, of: 0),
      items: try tape.slice(mean, userCount..<mean.shape[0], of: 0))
  }

  /// Rows of users, then of items.
  public func ownWeights(
    users: [Int32], items: [Int32], on tape: Tape
  ) throws(TesseraError) -> Variable {
    try tape.rows(users + items.map { $0 + Int32(userCount) }, of: vectors)
  }
}

extension Interactions {
  /// The symmetric graph of users and, behind them, items: a pair's value is one by the root of the
  /// product of both degrees.
  func normalisedGraph(on device: any Device) throws(TesseraError) -> SparseOperator {
    var degrees = [Int](repeating: 0, count: userCount + itemCount)
    var (from, to): ([Int32], [Int32]) = ([], [])
    for user in 0..<userCount {
      for item in items(of: user) {
        let node = Int32(userCount) + item
        from += [Int32(user), node]
        to += [node, Int32(user)]
        degrees[user] += 1
        degrees[Int(node)] += 1
      }
    }
    let values = zip(from, to).map {
      1 / Float(Double(degrees[Int($0)] * degrees[Int($1)]).squareRoot())
    }
    return try SparseOperator(
      rows: degrees.count, columns: degrees.count, entryRows: from, entryColumns: to,
      values: values, on: device)
  }
}
