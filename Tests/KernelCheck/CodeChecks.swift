import TesseraCompute

/// Scans of codes: every kernel, with ragged edges.
let codeChecks: [Check] = [
  // One launch, an odd number of subspaces, and fewer queries than a word holds.
  nearestCodesCheck(count: 40, subspaceCount: 5, queries: 3, k: 40, .smallestFirst),
  nearestCodesCheck(count: 40, subspaceCount: 5, bits: 8, queries: 3, k: 40, .smallestFirst),
  // Several launches with thresholds that rise, and more queries than a word holds.
  nearestCodesCheck(count: 330, subspaceCount: 6, queries: 6, k: 3, .largestFirst),
  nearestCodesCheck(count: 330, subspaceCount: 6, bits: 8, queries: 6, k: 3, .largestFirst),
  // More queries than lie side by side.
  nearestCodesCheck(count: 97, subspaceCount: 2, bits: 8, queries: 33, k: 2, .smallestFirst),
  // More subspaces than are looked up at a time.
  nearestCodesCheck(count: 70, subspaceCount: 70, queries: 2, k: 2, .smallestFirst),
  nearestCodesCheck(count: 70, subspaceCount: 11, bits: 8, queries: 2, k: 2, .smallestFirst),
  // Lists that overflow, and are searched again.
  nearestCodesCheck(count: 1100, subspaceCount: 1, queries: 1, k: 2, .largestFirst, equal: true),
  nearestCodesCheck(
    count: 1100, subspaceCount: 1, bits: 8, queries: 1, k: 2, .largestFirst, equal: true),
  // Tables that bytes cannot hold.
  nearestCodesCheck(count: 50, subspaceCount: 3, queries: 5, k: 4, .smallestFirst, spike: 1e38),
  nearestCodesCheck(
    count: 70, subspaceCount: 3, bits: 8, queries: 5, k: 4, .largestFirst, spike: 1e38),
  // Lists that some queries look at, scales, offsets and terms, ids in no order, and a selection.
  listedCodesCheck(bits: 4, k: 7, .smallestFirst, isSelected: false),
  listedCodesCheck(bits: 8, k: 7, .largestFirst, isSelected: true),
  // More hits than a list holds at once, and all lists.
  listedCodesCheck(bits: 4, k: 300, .largestFirst, isSelected: true),
]

private func listedCodesCheck(
  bits: Int, k: Int, _ order: ScoreOrder, isSelected: Bool
) -> Check {
  Check("nearestCodes \(k) in lists, \(bits) bits, \(order)\(isSelected ? ", selected" : "")") {
    device in
    let (count, subspaceCount, queries) = (300, 5, 3)
    let bytes = (0..<count * ((subspaceCount * bits + 7) / 8)).map { UInt8($0 * 37 % 251) }
    let codes = try ProductCodes(
      bytes, subspaceCount: subspaceCount, bits: bits,
      scales: numbers(count, seed: 2).map { abs($0) }, offsets: numbers(count, seed: 3))
    let lists = try RowLists(
      starts: [0, 31, 31, 64, 129, 300], ids: IDMap((0..<count).map { Int64($0 * 7 % count) }))
    let probes = try Probes(
      starts: [0, 2, 2, 7], lists: [3, 0, 4, 2, 1, 0, 3], terms: numbers(7, seed: 4))
    let tables = try CodeQueries(
      device.upload(
        numbers(queries * subspaceCount << bits, seed: 1), rows: queries,
        columns: subspaceCount << bits), offsetWeights: [1, -0.5, 2])
    let found = try device.nearestCodes(
      tables, in: device.prepare(codes, in: lists), probing: probes, order: order, within: .k(k),
      only: isSelected ? .range(20..<280) : nil)
    return [found.ids.map(Float.init), found.scores, found.starts.map(Float.init)]
  }
}

/// - Parameter spike: An entry of the third query's tables.
private func nearestCodesCheck(
  count: Int, subspaceCount: Int, bits: Int = 4, queries: Int, k: Int, _ order: ScoreOrder,
  equal: Bool = false, spike: Float? = nil
) -> Check {
  Check(
    "nearestCodes \(k) of \(count) x \(subspaceCount) x \(bits) bits, \(queries) queries, \(order)"
      + (spike == nil ? "" : ", not all rounded")
  ) { device in
    let width = (subspaceCount * bits + 7) / 8
    let bytes = (0..<count * width).map { equal ? 0x11 : UInt8($0 * 37 % 251) }
    var entries = numbers(queries * subspaceCount << bits, seed: 1)
    if let spike { entries[2 * subspaceCount << bits] = spike }
    let found = try device.nearestCodes(
      device.upload(entries, rows: queries, columns: subspaceCount << bits),
      in: device.prepare(ProductCodes(bytes, subspaceCount: subspaceCount, bits: bits)),
      order: order, k: k)
    return [found.ids.map(Float.init), found.scores]
  }
}
