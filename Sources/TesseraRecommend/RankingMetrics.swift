/// How well ranked lists of items fit what users met later: means over users who met something.
///
/// For a user with the set T of items met and the list of the best k items, hits at ranks r = 1, 2, ...:
///
/// - recall: `hits / |T|`;
/// - hit rate: 1 if there is a hit;
/// - reciprocal rank: `1 / r` of the first hit, 0 without one;
/// - ndcg: the sum of `1 / log2(1 + r)` over hits, divided by that of the best list there could be, one with
///   `min(k, |T|)` hits in front.
///
/// Example: T = {4, 9}, list 9, 7, 4: recall 1, hit rate 1, reciprocal rank 1, ndcg
/// `(1 + 1/2) / (1 + 1/log2(3)) = 0.9197`. Ties rank by lower item.
public struct RankingMetrics: Sendable, Hashable {
  /// Items of each list.
  public let k: Int
  /// Users who met something, over whom the means are.
  public let users: Int
  /// The mean share of a user's items that are in the list.
  public let recall: Double
  /// The mean normalised discounted cumulative gain (Järvelin, Kekäläinen 2002).
  public let ndcg: Double
  /// The share of users with a hit.
  public let hitRate: Double
  /// The mean reciprocal rank of the first hit.
  public let reciprocalRank: Double

  /// Compares lists with what users met.
  ///
  /// - Parameters:
  ///   - lists: For each user, items from best to worst, at most k count.
  ///   - met: For each user, the items met, rising.
  public init(k: Int, lists: [ArraySlice<Int32>], met: [ArraySlice<Int32>]) {
    let discounts = (0..<k).map { 1 / Self.log2(Double($0 + 2)) }
    var (users, recall, ndcg, hitRate, reciprocalRank) = (0, 0.0, 0.0, 0.0, 0.0)
    for (list, met) in zip(lists, met) where !met.isEmpty {
      users += 1
      let known = Set(met)
      var (hits, gain) = (0, 0.0)
      for (rank, item) in list.prefix(k).enumerated() where known.contains(item) {
        if hits == 0 { reciprocalRank += 1 / Double(rank + 1) }
        hits += 1
        gain += discounts[rank]
      }
      recall += Double(hits) / Double(known.count)
      hitRate += hits > 0 ? 1 : 0
      ndcg += gain / discounts.prefix(known.count).reduce(0, +)
    }
    let share = 1 / Double(max(1, users))
    self.k = k
    self.users = users
    self.recall = recall * share
    self.ndcg = ndcg * share
    self.hitRate = hitRate * share
    self.reciprocalRank = reciprocalRank * share
  }

  /// The logarithm to base 2 of a number from 1 on, from its digits: the same on every machine.
  private static func log2(_ x: Double) -> Double {
    var (rest, result, digit) = (x.significand, Double(x.exponent), 0.5)
    for _ in 0..<52 {
      rest *= rest
      if rest >= 2 {
        rest /= 2
        result += digit
      }
      digit /= 2
    }
    return result
  }
}
