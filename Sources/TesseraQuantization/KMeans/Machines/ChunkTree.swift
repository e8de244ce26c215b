import TesseraCompute

/// What chunks of rows come to, such as the sums of their clusters.
protocol ChunkSum: Sendable, Hashable {
  /// Adds what the chunks come to that follow.
  mutating func add(_ next: Self)
}

extension Double: ChunkSum {
  mutating func add(_ next: Double) { self += next }
}

/// Adds up what chunks come to, as a fixed binary tree: chunks 2i and 2i + 1 first, then pairs of pairs,
/// and so on. What has no other half is added in the end, from left to right.
///
/// Floating-point sums depend on the order of additions. This one depends on the numbers of the chunks
/// alone: whoever adds which chunks first, the bytes are the same.
struct ChunkTree<Sum: ChunkSum>: Sendable, Hashable {
  /// A run of chunks whose sum is complete: 2^n chunks, the first at a multiple of 2^n.
  struct Block: Sendable, Hashable {
    let first: Int
    let count: Int
    var sum: Sum

    /// - Precondition: `count` is a power of two, and `first` a multiple of it that is not negative.
    init(first: Int, count: Int = 1, _ sum: Sum) {
      precondition(count > 0 && count & (count - 1) == 0 && first >= 0 && first % count == 0)
      self.first = first
      self.count = count
      self.sum = sum
    }

    var end: Int { first + count }

    /// Tells whether `next` is the other half of a block.
    func isFirstHalf(before next: Block) -> Bool {
      count == next.count && first / count % 2 == 0 && end == next.first
    }
  }

  /// Runs that no other half is there for, in rising order.
  private(set) var blocks: [Block] = []

  /// Adds a run of chunks, and whatever that completes.
  ///
  /// - Throws: `.invalidArgument` if some of its chunks are there already.
  mutating func insert(_ block: Block) throws(TesseraError) {
    var place = blocks.firstIndex { $0.first >= block.first } ?? blocks.count
    if place < blocks.count, blocks[place].first < block.end {
      throw Self.repeated(blocks[place].first)
    }
    if place > 0, blocks[place - 1].end > block.first { throw Self.repeated(block.first) }
    blocks.insert(block, at: place)
    while true {
      if place + 1 < blocks.count, blocks[place].isFirstHalf(before: blocks[place + 1]) {
        join(at: place)
      } else if place > 0, blocks[place - 1].isFirstHalf(before: blocks[place]) {
        place -= 1
        join(at: place)
      } else {
        return
      }
    }
  }

  private mutating func join(at place: Int) {
    var sum = blocks[place].sum
    sum.add(blocks[place + 1].sum)
    blocks[place] = Block(first: blocks[place].first, count: 2 * blocks[place].count, sum)
    blocks.remove(at: place + 1)
  }

  private static func repeated(_ chunk: Int) -> TesseraError {
    TesseraError(
      .invalidArgument, "k-means: chunk \(chunk) is in two partial results; give each chunk once")
  }

  /// The sum of all chunks; nil if there are none.
  var total: Sum? {
    guard var total = blocks.first?.sum else { return nil }
    for block in blocks.dropFirst() { total.add(block.sum) }
    return total
  }

  /// Adds up `count` rows in chunks of `chunkRows` (nil: in one).
  static func total(
    of count: Int, inChunksOf chunkRows: Int?,
    _ sum: (Range<Int>) throws(TesseraError) -> Sum
  ) throws(TesseraError) -> Sum {
    let length = max(1, min(chunkRows ?? count, count))
    var tree = Self()
    for start in stride(from: 0, to: count, by: length) {
      let rows = start..<start + min(length, count - start)
      try tree.insert(Block(first: start / length, sum(rows)))
    }
    if let total = tree.total { return total }
    return try sum(0..<0)
  }
}
