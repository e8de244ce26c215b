/// Estimates how many latent numbers a code of low-rank vector quantization should stand for, from
/// the variances of the data, before anything is trained.
///
/// The error has two parts: what lies outside the latent space, and what codewords miss inside it.
/// The first is the sum of the variances left out. For the second, a normal source of `a` variances
/// v with k codewords errs by at least about
///
///     a * K(a) * (v1 * ... * va)^(1/a) * k^(-2/a)
///
/// (Zador; K(a) = 2 pi G(a) (1 + 2/a)^(1 + a/2) with the best known second moments G of a lattice
/// cell, Conway and Sloane, Sphere Packings, table 2.3). That holds only where every variance is
/// larger than its share of that error; smaller ones are left alone, and are error as they are.
/// More latent numbers lower the first part and spread the codewords thinner.
struct LowRankShape {
  /// Variances along the principal axes, largest first.
  let variances: [Double]
  let subspaceCount: Int
  let codewordCount: Int

  /// The estimated mean squared error with `latent` numbers a subspace.
  func error(latent: Int) -> Double {
    let kept = subspaceCount * latent
    let outside = variances[min(kept, variances.count)...].reduce(0, +)
    let subspaces = Self.balanced(
      Array(variances.prefix(kept)), subspaceCount: subspaceCount, width: latent)
    return subspaces.reduce(outside) { $0 + clusteringError($1.map { variances[$0] }) }
  }

  /// The fewest latent numbers a subspace, up to `limit`, that come within a hundredth of the least
  /// estimated error: fewer are faster, and easier to train.
  func bestLatent(limit: Int) -> Int {
    let errors = (1...limit).map { error(latent: $0) }
    let least = errors.min() ?? 0
    return (errors.firstIndex { $0 <= 1.01 * least } ?? limit - 1) + 1
  }

  /// The principal axes of each subspace: the largest first, each to the subspace with the smallest
  /// product of variances so far, so that the products come out alike (Ge et al. 2013, "Optimized
  /// Product Quantization").
  static func balanced(_ variances: [Double], subspaceCount: Int, width: Int) -> [[Int]] {
    var subspaces = [[Int]](repeating: [], count: subspaceCount)
    var logarithms = [Double](repeating: 0, count: subspaceCount)
    let largest = max(variances.first ?? 0, .leastNormalMagnitude)
    for (axis, variance) in variances.enumerated() {
      var chosen: Int?
      for subspace in 0..<subspaceCount where subspaces[subspace].count < width {
        if chosen.map({ logarithms[subspace] < logarithms[$0] }) ?? true { chosen = subspace }
      }
      guard let chosen else { break }
      subspaces[chosen].append(axis)
      // Relative to the smallest variance that counts, so that every axis adds to the product.
      let relative = max(variance / largest, 0x1p-40)
      logarithms[chosen] += Double(relative.exponent) + (relative.significand - 1) + 41
    }
    return subspaces
  }

  private func clusteringError(_ variances: [Double]) -> Double {
    let largest = variances.first ?? 0
    guard largest > 0 else { return 0 }
    var best = variances.reduce(0, +)
    var product = 1.0
    for (index, variance) in variances.enumerated() {
      let active = index + 1
      product *= max(variance / largest, 0x1p-40)
      let squares = Double(codewordCount) * Double(codewordCount)
      let share = Self.zador(active) * largest * Self.root(product / squares, active)
      guard share <= variance else { break }
      best = min(best, Double(active) * share + variances[active...].reduce(0, +))
    }
    return best
  }

  private static func zador(_ count: Int) -> Double {
    let moments = [0.083333, 0.080188, 0.078543, 0.076603, 0.075625, 0.074244, 0.073116, 0.071682]
    // Beyond the table, on the way to 1 / (2 pi e).
    let moment = count <= 8 ? moments[count - 1] : 0.058550 * (1 + 1.8 / Double(count))
    let base = 1 + 2 / Double(count)
    var power = 1.0
    for _ in 0..<count + 2 { power *= base.squareRoot() }
    return 2 * .pi * moment * power
  }

  /// The root of order `order` of a number in 0...1, by bisection: `pow` differs between machines.
  private static func root(_ value: Double, _ order: Int) -> Double {
    var (low, high) = (0.0, 1.0)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      var power = 1.0
      for _ in 0..<order { power *= middle }
      if power < value { low = middle } else { high = middle }
    }
    return high
  }
}
