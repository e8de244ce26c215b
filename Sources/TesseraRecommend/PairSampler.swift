internal import TesseraHost
internal import TesseraTraining

/// Goes through all pairs of an epoch in a shuffled order, with items that the users did not meet.
///
/// Everything is a function of the seed, the epoch and the pair, never of threads or batches.
public struct PairSampler: Sendable {
  /// The pairs that users met.
  public let interactions: Interactions
  /// Decides all random choices.
  public let seed: UInt64
  /// The most draws for an item that the user did not meet; users who met nearly everything get one
  /// that they met.
  static let drawLimit: UInt32 = 64

  /// A user, an item the user met, and one that the user did not meet, for each place of a batch.
  public struct Batch: Sendable {
    /// The users.
    public var users: [Int32]
    /// Items that the users met.
    public var positives: [Int32]
    /// Items that the users did not meet.
    public var negatives: [Int32]
  }

  /// Samples from `interactions`.
  public init(_ interactions: Interactions, seed: UInt64) {
    (self.interactions, self.seed) = (interactions, seed)
  }

  /// The pairs in the order of an epoch.
  public func order(of epoch: Int) -> [Int32] {
    var random = SplitMix64(seed: seed, stream: UInt64(epoch))
    var order = Array(0..<Int32(interactions.count))
    for place in stride(from: order.count - 1, to: 0, by: -1) {
      order.swapAt(place, random.nextIndex(below: place + 1))
    }
    return order
  }

  /// The pairs listed, with a negative item each.
  public func batch(_ pairs: ArraySlice<Int32>, epoch: Int) -> Batch {
    let key = RandomKey(seed: seed, step: UInt64(epoch))
    var batch = Batch(users: [], positives: [], negatives: [])
    batch.users.reserveCapacity(pairs.count)
    batch.positives.reserveCapacity(pairs.count)
    batch.negatives.reserveCapacity(pairs.count)
    for pair in pairs {
      let user = interactions.users[Int(pair)]
      batch.users.append(user)
      batch.positives.append(interactions.items[Int(pair)])
      batch.negatives.append(negative(for: Int(user), pair: Int(pair), key))
    }
    return batch
  }

  private func negative(for user: Int, pair: Int, _ key: RandomKey) -> Int32 {
    var item: Int32 = 0
    for draw in 0..<Self.drawLimit {
      let word = key.word(element: pair, draw: draw)
      // The high half of a product: every item about equally likely.
      item = Int32((UInt64(word) * UInt64(interactions.itemCount)) >> 32)
      if !interactions.contains(user: user, item: item) { return item }
    }
    return item
  }
}
