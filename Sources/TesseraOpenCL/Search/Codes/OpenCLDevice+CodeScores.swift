internal import TesseraCompute

extension OpenCLDevice {
  /// Finds the same as `nearestCodes` by a score for every code, as many at a time as limits allow.
  func scoreAll(
    _ tables: Matrix<Float>, in set: OpenCLCodeSet, order: ScoreOrder, hitCount: Int,
    limits: SearchLimits
  ) throws(TesseraError) -> Neighbors {
    func block(_ limits: SearchLimits) -> ScoreBlock {
      ScoreBlock(
        queryCount: tables.rows, rowCount: set.count, byteCount: limits.batchBytes(info) / 4)
    }
    return try shrinking(limits) { limits in
      (limits.batchBytes(info), block(limits).rowCount > ScoreBlock.leastRows)
    } _: { limits throws(TesseraError) in
      try scoreAll(tables, in: set, order: order, hitCount: hitCount, block(limits))
    }
  }

  private func scoreAll(
    _ tables: Matrix<Float>, in set: OpenCLCodeSet, order: ScoreOrder, hitCount: Int,
    _ block: ScoreBlock
  ) throws(TesseraError) -> Neighbors {
    let scores = try reserve(block.queryCount * block.rowCount, of: Float.self)
    var found = Neighbors.none(queryCount: 0)
    for start in stride(from: 0, to: tables.rows, by: block.queryCount) {
      let queries = tables.rows(start..<min(start + block.queryCount, tables.rows))
      var best = Neighbors.none(queryCount: queries.rows)
      for segment in set.segments {
        for first in stride(from: 0, to: segment.rows.count, by: block.rowCount) {
          let codes = try set.numbers(
            of: segment, first..<min(first + block.rowCount, segment.rows.count), on: self)
          let blockScores = Matrix<Float>(scores, rows: queries.rows, columns: codes.rows)
          try queueLookupScores(queries, codes, into: blockScores)
          let next = try bestColumns(
            of: blockScores, order: order, k: hitCount, firstID: segment.rows.lowerBound + first)
          best = best.merged(with: next, k: hitCount, order: order)
        }
      }
      found.append(best)
    }
    return found
  }
}

/// The number of scores that are held at a time, as queries times rows.
private struct ScoreBlock {
  /// Fewer rows would not save memory to speak of.
  static let leastRows = 4096

  let queryCount: Int
  let rowCount: Int

  /// - Parameter byteCount: Of the scores.
  init(queryCount: Int, rowCount: Int, byteCount: Int) {
    let scores = byteCount / 4
    // Long rows: each has its best picked, and merged with those of the rows before it.
    self.rowCount = min(rowCount, max(Self.leastRows, scores / min(queryCount, 64)))
    self.queryCount = max(1, min(queryCount, scores / self.rowCount))
  }
}

extension OpenCLCodeSet {
  /// The numbers of some rows of a segment, a byte each.
  fileprivate func numbers(
    of segment: Segment, _ rows: Range<Int>, on device: OpenCLDevice
  ) throws(TesseraError) -> Matrix<UInt8> {
    let numbers = try device.allocate(UInt8.self, rows: rows.count, columns: subspaceCount)
    try device.launch(
      "codes_unpack", of: KernelSource("codes_exact", ["BITS": bits]),
      [
        .all(of: segment.bytes, as: UInt8.self), device.argument(numbers, "nearestCodes"),
        .int(subspaceCount), .int(layout.blocks), .int(rows.lowerBound), .int(rows.count),
      ], over: Grid(items: rows.count, local: device.workGroupSize, workPerItem: 4 * subspaceCount))
    return numbers
  }
}
