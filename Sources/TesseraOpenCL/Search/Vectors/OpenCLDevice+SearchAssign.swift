public import TesseraCompute
internal import TesseraHost

extension OpenCLDevice {
  /// Cost: packs the centroids and, batch by batch, the points; then a search for one hit.
  public func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, metric: Metric,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>
  ) throws(TesseraError) {
    try assignNearest(
      points, to: centroids, metric: metric, into: labels, scores, limits: SearchLimits())
  }

  func assignNearest(
    _ points: Matrix<Float>, to centroids: Matrix<Float>, metric: Metric,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>, limits: SearchLimits
  ) throws(TesseraError) {
    try Shapes.assignNearest(points, to: centroids, into: labels, scores)
    _ = try source(points, "assignNearest")
    try requireTrust(trial(.float32, dimension: points.columns))
    try requireTrust(.assignNearest)
    let panels = try pack(
      centroids, "assignNearest: centroids", metric: metric, limits: limits)
    let shape = SearchShape(
      rows: centroids.rows, dimension: points.columns, element: .float32, metric: metric,
      queryCount: points.rows, k: 1)
    let limits = try looped(limits, shape, "assignNearest")
    try shrinking(limits) {
      searchBatch(shape, $0)
    } _: { limits throws(TesseraError) in
      try assign(points, centroids, panels, into: labels, scores, limits: limits)
    }
  }

  private func assign(
    _ points: Matrix<Float>, _ centroids: Matrix<Float>, _ panels: SearchPanels,
    into labels: Matrix<Int32>, _ scores: Matrix<Float>, limits: SearchLimits
  ) throws(TesseraError) {
    let memory = try SearchMemory(
      self, queryCount: points.rows, dimension: points.columns, filter: panels.filter,
      rowCount: centroids.rows, hitCount: 1, limits: limits)
    for start in stride(from: 0, to: points.rows, by: memory.queryCount) {
      try StopSignal.check()
      let rows = start..<min(start + memory.queryCount, points.rows)
      let batch = points.rows(rows)
      let run = SearchRun(
        device: self, panels: panels, visits: panels.segments.map(SegmentVisit.init),
        memory: memory,
        queryCount: rows.count, limits: limits,
        hostVectors: { [self] () throws(TesseraError) in
          try SearchHostVectors(queries: onHost(batch), rows: onHost(centroids))
        }, filter: panels.filter)
      try run.begin(try source(batch, "assignNearest: points"))
      _ = try run.search(
        rows: try argument(labels.rows(rows), "assignNearest: labels"),
        scores: try argument(scores.rows(rows), "assignNearest: scores"), reportedHits: 0
      ) { () throws(TesseraError) in
        try nonFinite(points, "assignNearest: points")
      }
    }
  }

  private func onHost(_ matrix: Matrix<Float>) throws(TesseraError) -> Vectors {
    try Vectors(download(matrix), dimension: matrix.columns)
  }
}
