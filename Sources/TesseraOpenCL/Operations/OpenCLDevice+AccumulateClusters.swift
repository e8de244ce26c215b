public import TesseraCompute

extension OpenCLDevice {
  /// Cost: a stable radix sort of the labels, one pass over the points, and at most 64 MiB of
  /// working memory for sums plus 16 bytes a point. Without Float64 the host does it.
  public func accumulateClusters(
    _ points: Matrix<Float>, _ labels: Matrix<Int32>, into sums: Matrix<Double>,
    _ counts: Matrix<Int32>
  ) throws(TesseraError) {
    guard info.hasFloat64, loopLimit == .max, points.rows <= Int32.max, sums.rows < Int32.max,
      try trusts(.accumulateClusters)
    else {
      return try HostPath(self).accumulateClusters(points, labels, into: sums, counts)
    }
    try Shapes.accumulateClusters(points, labels, into: sums, counts)
    try requireInside(labels, limit: sums.rows, "accumulateClusters", "label")
    guard sums.rows > 0 else { return }
    let members = try members(of: sums.rows, labels, counts)
    try sumRuns(of: members, points, into: sums)
  }

  /// The points in the order of their clusters, and where each cluster and its runs start.
  private struct Members {
    let order: OpenCLStorage
    let starts: OpenCLStorage
    let runStarts: OpenCLStorage
    /// No fewer than there are runs of 256.
    let runLimit: Int
  }

  private func members(
    of clusters: Int, _ labels: Matrix<Int32>, _ counts: Matrix<Int32>
  ) throws(TesseraError) -> Members {
    let count = labels.rows
    let order = try sorted(labels, clusters: clusters)
    let starts = try reserve(clusters + 1, of: UInt32.self)
    let runStarts = try reserve(clusters + 1, of: UInt32.self)
    let source = KernelSource("accumulate_clusters")
    try launch(
      "find_starts", of: source,
      [
        .all(of: order, as: UInt64.self), .int(count), .int(clusters),
        .all(of: starts, as: UInt32.self),
      ], over: listGrid(count + 1))
    try launch(
      "count_runs", of: source,
      [
        .all(of: starts, as: UInt32.self), .int(clusters),
        argument(counts, "accumulateClusters"), .all(of: runStarts, as: UInt32.self),
      ], over: listGrid(clusters + 1))
    try scan(runStarts, count: clusters + 1)
    return Members(
      order: order, starts: starts, runStarts: runStarts,
      runLimit: count / 256 + min(clusters, count))
  }

  /// (label, point) by rising label, then rising point.
  private func sorted(
    _ labels: Matrix<Int32>, clusters: Int
  ) throws(TesseraError) -> OpenCLStorage {
    let count = labels.rows
    let source = KernelSource("accumulate_clusters")
    let digitBits = body == .wideItem ? 8 : 4
    let perWorkGroup = body == .wideItem ? 8192 : 16 * workGroupSize
    let workGroups = (count + perWorkGroup - 1) / perWorkGroup
    var order = try reserve(count, of: UInt64.self)
    var spare = try reserve(count, of: UInt64.self)
    let digitCounts = try reserve(workGroups << digitBits, of: UInt32.self)
    try launch(
      "label_points", of: source,
      [
        argument(labels, "accumulateClusters"), .int(count),
        .all(of: order, as: UInt64.self),
      ], over: listGrid(count))
    let grid = Grid(
      workGroups: (workGroups, 1), local: (workGroupSize, 1), workEach: 16 * perWorkGroup)
    let labelBits = Int.bitWidth - (clusters - 1).leadingZeroBitCount
    for shift in stride(from: 0, to: labelBits, by: digitBits) {
      try launch(
        "count_digits", of: source,
        [
          .all(of: order, as: UInt64.self), .int(count), .int(shift), .int(workGroups),
          .all(of: digitCounts, as: UInt32.self),
        ], over: grid)
      try scan(digitCounts, count: workGroups << digitBits)
      try launch(
        "place_points", of: source,
        [
          .all(of: order, as: UInt64.self), .int(count), .int(shift), .int(workGroups),
          .all(of: digitCounts, as: UInt32.self), .all(of: spare, as: UInt64.self),
        ], over: grid)
      swap(&order, &spare)
    }
    return order
  }

  private func sumRuns(
    of members: Members, _ points: Matrix<Float>, into sums: Matrix<Double>
  ) throws(TesseraError) {
    // Sums of runs are kept for as many columns at a time as fit 64 MiB.
    let columnsAtOnce = min(
      sums.columns, max(32, (8 << 20) / max(1, members.runLimit) / 32 * 32))
    let runSums = try reserve(members.runLimit * columnsAtOnce, of: Double.self)
    for first in stride(from: 0, to: sums.columns, by: max(1, columnsAtOnce)) {
      let columns = min(columnsAtOnce, sums.columns - first)
      try launch(
        "sum_runs", of: KernelSource("accumulate_clusters"),
        [
          argument(points, "accumulateClusters"), .int(points.columns), .int(first),
          .int(columns), .all(of: members.order, as: UInt64.self),
          .all(of: members.starts, as: UInt32.self),
          .all(of: members.runStarts, as: UInt32.self), .int(sums.rows), .int(points.rows),
          .all(of: runSums, as: Double.self),
        ], over: columnGrid(columns, rows: members.runLimit, workPerElement: 512))
      try launch(
        "add_runs", of: KernelSource("accumulate_clusters"),
        [
          .all(of: runSums, as: Double.self), .all(of: members.runStarts, as: UInt32.self),
          .int(sums.rows), .int(members.runLimit), .int(sums.columns), .int(first), .int(columns),
          argument(sums, "accumulateClusters"),
        ],
        over: columnGrid(
          columns, rows: sums.rows, workPerElement: 2 + 2 * members.runLimit / sums.rows))
    }
  }

  /// `values[i]` becomes the sum of those before it.
  private func scan(_ values: OpenCLStorage, count: Int) throws(TesseraError) {
    try launch(
      "scan", of: KernelSource("accumulate_clusters"),
      [.all(of: values, as: UInt32.self), .int(count)],
      over: Grid(workGroups: (1, 1), local: (workGroupSize, 1), workEach: count))
  }

  private func listGrid(_ count: Int) -> Grid {
    Grid(elements: count, span: 1024, local: workGroupSize, workPerElement: 4)
  }

  /// One item per row for wide items, which walk the columns; else 32 columns of up to 8 rows a
  /// group.
  private func columnGrid(_ columns: Int, rows: Int, workPerElement: Int) -> Grid {
    guard body == .tile else {
      return Grid(workGroups: (1, rows), workEach: workPerElement * columns)
    }
    let height = workGroupSize / 32
    return Grid(
      workGroups: ((columns + 31) / 32, (rows + height - 1) / height), local: (32, height),
      workEach: workGroupSize * workPerElement)
  }
}
