public import TesseraTraining

/// Which users met which items: pairs in the order of a file, and every user's items in rising order.
public struct Interactions: Sendable {
  /// The number of users; they are counted from 0.
  public let userCount: Int
  /// The number of items; they are counted from 0.
  public let itemCount: Int
  /// The user of each pair.
  public let users: [Int32]
  /// The item of each pair.
  public let items: [Int32]
  /// Where each user's items begin in ``sortedItems``: users + 1 numbers.
  public let starts: [Int]
  /// The items of user after user, rising, each once.
  public let sortedItems: [Int32]

  /// Takes pairs.
  ///
  /// - Parameters:
  ///   - userCount: The number of users · nil for one more than the largest of the pairs.
  ///   - itemCount: The same for items.
  /// - Throws: `.invalidShape` for lists of different lengths, `.invalidArgument` for a number below 0
  ///   or beyond the counts, and where there are no pairs.
  public init(
    users: [Int32], items: [Int32], userCount: Int? = nil, itemCount: Int? = nil
  ) throws(TesseraError) {
    guard users.count == items.count else {
      throw TesseraError(
        .invalidShape, "interactions: \(users.count) users and \(items.count) items")
    }
    guard let lastUser = users.max(), let lastItem = items.max() else {
      throw TesseraError(.invalidArgument, "interactions: there are no pairs")
    }
    self.userCount = userCount ?? Int(lastUser) + 1
    self.itemCount = itemCount ?? Int(lastItem) + 1
    (self.users, self.items) = (users, items)
    for (name, numbers, limit) in [
      ("user", users, self.userCount), ("item", items, self.itemCount),
    ] {
      if let place = numbers.firstIndex(where: { !(0..<limit).contains(Int($0)) }) {
        throw TesseraError(
          .invalidArgument,
          "interactions: \(name) \(numbers[place]) of pair \(place) is outside 0..<\(limit)")
      }
    }
    var lists = [[Int32]](repeating: [], count: self.userCount)
    for (user, item) in zip(users, items) { lists[Int(user)].append(item) }
    var (starts, sorted) = ([0], [Int32]())
    sorted.reserveCapacity(items.count)
    for list in lists {
      for item in list.sorted()
      where sorted.count == starts[starts.count - 1] || sorted[sorted.count - 1] != item {
        sorted.append(item)
      }
      starts.append(sorted.count)
    }
    (self.starts, sortedItems) = (starts, sorted)
  }

  /// The number of pairs.
  public var count: Int { users.count }

  /// The items of a user, rising, each once.
  public func items(of user: Int) -> ArraySlice<Int32> {
    sortedItems[starts[user]..<starts[user + 1]]
  }

  /// True if the user met the item. Cost: O(log items of the user).
  public func contains(user: Int, item: Int32) -> Bool {
    var (low, high) = (starts[user], starts[user + 1])
    while low < high {
      let middle = (low + high) / 2
      if sortedItems[middle] < item { low = middle + 1 } else { high = middle }
    }
    return low < starts[user + 1] && sortedItems[low] == item
  }

  /// The same pairs among more users and items.
  ///
  /// - Throws: `.invalidArgument` if there are fewer.
  public func among(userCount: Int, itemCount: Int) throws(TesseraError) -> Interactions {
    try Interactions(users: users, items: items, userCount: userCount, itemCount: itemCount)
  }
}
