internal import TesseraCompute

/// The tables of a batch of queries as `Kernels/cl/codes/codes_common.cl` wants them.
///
/// Let U be a row's sum of bytes, M the number of subspaces, and B, step, A and d those of
/// ``RoundedTables``, where costs are scores, negated where the largest is best. The row's exact
/// cost T obeys step (U - M z) <= T - B <= step (U + M + M z) with z = 2^-14, and its Float32
/// score, as a cost, is off T by at most d. So the middle of that range is off the cost of the
/// score by at most step M (1 / 2 + z) + d. The filter's value, larger is better, stands for h
/// times the negated cost: for the score itself under inner product (h = 1), and for -score / 2
/// under squared L2 with norms of zero (h = 1/2):
///
///     v = fma(U, scale, offset),   scale = -h step,   offset = -h (B + step M / 2)
///
/// in Float32. Let u = 2^-24. |B| and |T| are at most A, so step U <= 2 A + step M z and
/// |v| <= h (A + step M). Rounding the scale errs by u h 2 A, the offset and the fma each by
/// u h (A + step M); threshold = v - e and threshold - e, which are rounded too, together by
/// u h (2 A + 2 step M + 3 e / h). All of it is less than h (16 u A + 8 u step M). As d >= 6 u A,
///
///     e = h (step M / 2 (1 + 2^-12) + 4 d) + 2^-108
///
/// is enough. 2^-108 is more than what underflow can take, also on devices that flush subnormal
/// numbers: 2^-126 from each of v, the offset and the halved score, and 65535 times that from the
/// scale. Where e reaches 2^125 it is infinite, and nothing is claimed; below, nothing overflows.
struct CodeTables {
  /// Two of them add up in a byte.
  private static let mostEntry = 127

  /// [block of queries][subspace][1 << bits][query of the block], a byte each.
  private(set) var bytes: [UInt8] = []
  /// A scale and an offset for each query.
  private(set) var lines: [Float] = []
  /// Four constants of the error bound for each query, of which the second is e.
  private(set) var bounds: [Float] = []
  /// Queries rounded.
  private(set) var queryCount = 0

  /// Rounds the tables of queries up to the first that cannot be rounded.
  ///
  /// - Parameter tables: Queries x `subspaceCount` x `codewords`.
  /// - Precondition: At most `RoundedTables.mostSubspaces` subspaces and 1 << `bits` codewords.
  init(
    _ tables: ArraySlice<Float>, subspaceCount: Int, codewords: Int, order: ScoreOrder, bits: Int,
    blockQueries: Int
  ) {
    let columns = subspaceCount * codewords
    var entries = [UInt8](
      repeating: 0, count: CodeGroups.tableBytes(subspaceCount: subspaceCount, bits: bits))
    tables.withUnsafeBufferPointer { tables in
      while (queryCount + 1) * columns <= tables.count,
        let rounded = entries.withUnsafeMutableBufferPointer({ entries in
          RoundedTables(
            tables.baseAddress! + queryCount * columns, subspaceCount: subspaceCount,
            codewordCount: codewords,
            order: order, bits: bits, mostEntry: Self.mostEntry, to: entries.baseAddress!)
        })
      {
        add(entries, blockQueries: blockQueries)
        let line = Line(rounded, subspaceCount: subspaceCount, order: order)
        lines += [line.scale, line.offset]
        bounds += [0, line.error, 0, 0]
        queryCount += 1
      }
    }
  }

  /// Puts the next query's bytes between those of its block.
  private mutating func add(_ entries: [UInt8], blockQueries: Int) {
    let place = queryCount % blockQueries
    if place == 0 { bytes += repeatElement(0, count: entries.count * blockQueries) }
    let start = bytes.count - entries.count * blockQueries + place
    bytes.withUnsafeMutableBufferPointer { bytes in
      for (index, entry) in entries.enumerated() { bytes[start + index * blockQueries] = entry }
    }
  }

  /// v and e of one query.
  private struct Line {
    let scale: Float
    let offset: Float
    let error: Float

    init(_ tables: RoundedTables, subspaceCount: Int, order: ScoreOrder) {
      let factor = order == .largestFirst ? 1 : 0.5
      let halfWidth = tables.step * Double(subspaceCount) / 2
      let bound = factor * (halfWidth * (1 + 0x1p-12) + 4 * tables.slack) + 0x1p-108
      scale = Float(-factor * tables.step)
      offset = Float(-factor * (tables.base + halfWidth))
      error = bound < 0x1p125 ? Float(bound).nextUp : .infinity
    }
  }
}
