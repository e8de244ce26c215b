internal import TesseraHost
public import TesseraTraining

/// The vectors of a trained model on the host: what serving and evaluation need.
public struct RankedVectors: Sendable {
  /// users x dimension.
  public let users: Vectors
  /// items x dimension.
  public let items: Vectors

  /// Takes vectors of one dimension.
  ///
  /// - Throws: `.invalidShape` if they differ.
  public init(users: Vectors, items: Vectors) throws(TesseraError) {
    guard users.dimension == items.dimension else {
      throw TesseraError(
        .invalidShape,
        "users have \(users.dimension) dimensions, items have \(items.dimension)")
    }
    (self.users, self.items) = (users, items)
  }

  /// The vectors that a model makes now.
  ///
  /// - Throws: What the device throws.
  public init(of model: any Recommender, in memory: TensorMemory) throws(TesseraError) {
    let device = memory.device
    let tape = Tape(memory)
    func vectors(_ view: TensorView<Float>) throws(TesseraError) -> Vectors {
      let copy = try memory.tensor(view.shape)
      try device.apply(.copy, to: [view], into: [copy])
      return try Vectors(
        device.download(Matrix<Float>(copy.storage, rows: view.shape[0], columns: view.shape[1])),
        dimension: view.shape[1])
    }
    switch try model.vectors(on: tape) {
    case .weights(let users, let items):
      try self.init(users: vectors(users.value), items: vectors(items.value))
    case .computed(let users, let items):
      try self.init(users: vectors(users.value), items: vectors(items.value))
    }
    tape.reset()
  }

  /// The vectors in a file of a trained model.
  ///
  /// - Throws: `.malformedFile` for a file of something else.
  public init(_ file: StoredArrayFile) throws(TesseraError) {
    func vectors(_ name: String) throws(TesseraError) -> Vectors {
      guard let array = file.arrays["vectors." + name], array.shape.count == 2,
        array.shape[0] > 0, array.shape[1] > 0
      else {
        throw TesseraError(
          .malformedFile, "the file has no vectors of \(name): it is no trained recommender")
      }
      return try Vectors(array.values(Float.self), dimension: array.shape[1])
    }
    let (users, items) = (try vectors("users"), try vectors("items"))
    guard users.dimension == items.dimension else {
      throw TesseraError(
        .malformedFile,
        "users have \(users.dimension) dimensions, items have \(items.dimension)")
    }
    (self.users, self.items) = (users, items)
  }

  /// Adds the vectors to a file.
  func store(in file: inout StoredArrayFile) throws(TesseraError) {
    for (name, vectors) in [("users", users), ("items", items)] {
      var values: [Float] = []
      values.reserveCapacity(vectors.count * vectors.dimension)
      for row in 0..<vectors.count { values += vectors.row(row) }
      file.arrays["vectors." + name] = try StoredArray(
        values, shape: [vectors.count, vectors.dimension])
    }
  }

  /// The best `k` items of users by exact, certified search; ties rank by lower item.
  ///
  /// Users who have many items to leave out ask for as many more hits, so that what is left is still
  /// their best k.
  ///
  /// - Parameters:
  ///   - users: The users, in any order.
  ///   - excluded: Pairs whose items are left out · nil for none.
  /// - Returns: For each user, items from best to worst with their scores: fewer than k only if there
  ///   are not more.
  /// - Throws: `.invalidArgument` for a user there is not, and as
  ///   ``TesseraCompute/SearchOperations/nearest(_:in:probing:within:only:)``.
  public func best(
    _ k: Int, for users: [Int32], excluding excluded: Interactions?, on device: any Device
  ) throws(TesseraError) -> [[Hit]] {
    if let place = users.firstIndex(where: { !(0..<self.users.count).contains(Int($0)) }) {
      throw TesseraError(
        .invalidArgument,
        "user \(users[place]) at \(place) is outside 0..<\(self.users.count)")
    }
    let set = try device.prepare(items, metric: .innerProduct)
    func hidden(_ user: Int32) -> ArraySlice<Int32> {
      guard let excluded, Int(user) < excluded.userCount else { return [] }
      return excluded.items(of: Int(user))
    }
    // Users with about as many items to leave out are asked for together.
    var groups: [Int: [Int]] = [:]
    for (place, user) in users.enumerated() {
      let count = hidden(user).count
      groups[
        count == 0 ? 0 : max(16, 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)), default: []
      ]
      .append(place)
    }
    var lists = [[Hit]](repeating: [], count: users.count)
    for (more, places) in groups.sorted(by: { $0.key < $1.key }) {
      let hits = try device.nearest(
        self.users.gathered(places.map { Int(users[$0]) }), in: set, k: k + more)
      for (number, place) in places.enumerated() {
        let hidden = Set(hidden(users[place]))
        lists[place] = Array(
          hits[number].lazy.filter { !hidden.contains(Int32($0.id)) }.prefix(k))
      }
    }
    return lists
  }

  /// Ranks all items for every user of `test` and compares the best k with what the user met there.
  /// Items of `train` are left out.
  ///
  /// - Throws: As ``best(_:for:excluding:on:)``.
  public func evaluated(
    k: Int, train: Interactions?, test: Interactions, on device: any Device
  ) throws(TesseraError) -> RankingMetrics {
    let users = (0..<test.userCount).filter { !test.items(of: $0).isEmpty }
    let lists = try best(k, for: users.map { Int32($0) }, excluding: train, on: device)
    return RankingMetrics(
      k: k, lists: lists.map { ArraySlice($0.map { Int32($0.id) }) },
      met: users.map { test.items(of: $0) })
  }
}
