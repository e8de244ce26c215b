internal import TesseraCompute

/// Rows before they are packed: where their bytes lie on the device, row after row without gaps.
struct SearchSource {
  let storage: OpenCLStorage
  /// The first row's position in the storage's buffer, in bytes.
  let byteOffset: Int
  let element: ElementType
  let rowCount: Int
  let dimension: Int
}

extension OpenCLDevice {
  /// Packs the rows of `vectors` for searches under `metric`, in the places that `layout` says.
  ///
  /// - Throws: `.nonFinite`, naming the rows.
  func pack(
    _ vectors: Vectors, in layout: PanelLayout, metric: Metric, limits: SearchLimits
  ) throws(TesseraError) -> SearchPanels {
    let rowBytes = vectors.dimension * vectors.element.byteCount
    let chunkRows = Self.stagedRows(layout.placeCount, rowBytes: rowBytes, limits: limits)
    let staging = try reserve(chunkRows * rowBytes)
    return try pack(
      rowCount: layout.placeCount, dimension: vectors.dimension, metric: metric,
      chunkRows: chunkRows, limits: limits
    ) { places throws(TesseraError) in
      layout.hasGaps
        ? try stage(vectors, places, in: layout, staging)
        : try stage(vectors.rows(places), in: staging)
    } nonFiniteRows: { () throws(TesseraError) in
      Shapes.nonFinite("prepare", rows: vectors.nonFiniteRows(limit: 6))
    }
  }

  /// Packs the rows of `matrix`.
  func pack(
    _ matrix: Matrix<Float>, _ name: String, metric: Metric, limits: SearchLimits
  ) throws(TesseraError) -> SearchPanels {
    try pack(
      rowCount: matrix.rows, dimension: matrix.columns, metric: metric, chunkRows: matrix.rows,
      limits: limits
    ) { rows throws(TesseraError) in
      try source(matrix.rows(rows), name)
    } nonFiniteRows: { () throws(TesseraError) in
      try nonFinite(matrix, name)
    }
  }

  /// Takes the memory of the panels, and packs at most `chunkRows` rows of `source` at a time.
  private func pack(
    rowCount: Int, dimension: Int, metric: Metric, chunkRows: Int, limits: SearchLimits,
    source: (Range<Int>) throws(TesseraError) -> SearchSource,
    nonFiniteRows: () throws(TesseraError) -> TesseraError
  ) throws(TesseraError) -> SearchPanels {
    let filter = filter(dimension: dimension)
    let panelLengths = try reserve(2 * SearchPanels.panelCount(rowCount), of: Float.self)
    let norms = try reserve(
      SearchPanels.panelCount(chunkRows) * SearchPanels.panelRows, of: Float.self)
    let nonFiniteCount = try reserve(1, of: UInt32.self)
    try context.write([UInt32(0)], to: nonFiniteCount)
    let bound = SearchBound(metric, dimension: dimension, filter: filter)
    let layout = RoundedLayout(filter: filter, dimension: dimension)
    var segments: [SearchPanels.Segment] = []
    let segmentRows = SearchPanels.segmentRows(
      rowCount: rowCount, dimension: dimension, filter: filter, segmentBytes: segmentBytes(limits))
    for rows in segmentRows {
      let panelCount = SearchPanels.panelCount(rows.count)
      let segment = SearchPanels.Segment(
        rows: rows,
        panels: try reserve(panelCount * SearchPanels.panelBytes(dimension)),
        terms: try reserve(panelCount * SearchPanels.termBytes),
        rounded: filter == .float32
          ? nil
          : SearchPanels.Rounded(
            panels: try reserve(panelCount * layout.panelBytes),
            terms: try reserve(panelCount * SearchPanels.termBytes)))
      for start in stride(from: rows.lowerBound, to: rows.upperBound, by: chunkRows) {
        let chunk = start..<min(start + chunkRows, rows.upperBound)
        let panel = SearchPanels.panelCount(start - rows.lowerBound)
        try pack(
          try source(chunk), width: SearchPanels.panelRows, into: segment.panels,
          firstElement: panel * SearchPanels.panelRows * dimension, norms: norms,
          nonFiniteCount: .all(of: nonFiniteCount, as: UInt32.self))
        try launch(
          "search_row_terms", of: KernelSource("search_terms"),
          [
            .all(of: norms, as: Float.self),
            .element(panel * SearchPanels.panelRows * 2, of: segment.terms, as: Float.self),
            .element(2 * SearchPanels.panelCount(start), of: panelLengths, as: Float.self),
            .int(metric.kernelValue), .float(bound.slack), .int(chunk.count),
            .int(SearchPanels.panelCount(chunk.count)),
          ],
          over: Grid(
            items: SearchPanels.panelCount(chunk.count), local: workGroupSize, workPerItem: 512))
        try round(
          chunk, of: segment, at: panel, metric: metric, layout, norms: norms,
          panelLengths: .element(
            2 * SearchPanels.panelCount(start), of: panelLengths, as: UInt32.self), bound)
      }
      segments.append(segment)
    }
    let refused = try context.read(1, of: UInt32.self, from: nonFiniteCount)
    guard refused == [0] else { throw try nonFiniteRows() }
    return SearchPanels(
      metric: metric, dimension: dimension, rowCount: rowCount, filter: filter,
      segments: segments, panelLengths: panelLengths)
  }

  /// Queues the packing of `source`, `width` rows side by side, and their norms.
  func pack(
    _ source: SearchSource, width: Int, into packed: OpenCLStorage, firstElement: Int,
    norms: OpenCLStorage, nonFiniteCount: KernelArgument
  ) throws(TesseraError) {
    let paddedCount = (source.rowCount + width - 1) / width * width
    try launch(
      "search_pack",
      of: KernelSource("search_pack", ["ELEMENT": Int(source.element.rawValue)]),
      [
        .memory(
          source.storage, firstElement: source.byteOffset / source.element.byteCount),
        .element(firstElement, of: packed, as: Float.self), .all(of: norms, as: Float.self),
        nonFiniteCount, .int(width), .int(source.dimension),
        .int(source.rowCount), .int(paddedCount),
      ],
      // Neighbours write neighbouring words, so a group holds whole panels, on CPUs too.
      over: Grid(
        items: paddedCount, local: packingItems(width), workPerItem: 16 * source.dimension))
  }

  /// Items of a group that packs lines, `width` of them side by side: as many as the device runs
  /// together.
  func packingItems(_ width: Int) -> Int { min(max(width, workGroupSize), info.maxWorkGroupSize) }

  /// The most that one allocation of a set may hold.
  func segmentBytes(_ limits: SearchLimits) -> Int {
    // A little less than the driver's limit, since the arena rounds up.
    min(limits.segmentBytes ?? .max, info.maxAllocationBytes - 4096)
  }

  /// Rows that go through the staging memory at a time: whole panels.
  static func stagedRows(_ rowCount: Int, rowBytes: Int, limits: SearchLimits) -> Int {
    let width = SearchPanels.panelRows
    return min(
      max(1, limits.stagingBytes / (rowBytes * width)), max(1, SearchPanels.panelCount(rowCount)))
      * width
  }

  /// Uploads rows, without the gaps between them.
  func stage(
    _ vectors: Vectors, in staging: OpenCLStorage
  ) throws(TesseraError) -> SearchSource {
    let rowBytes = vectors.dimension * vectors.element.byteCount
    if let start = vectors.baseAddress, vectors.count > 0 {
      if vectors.rowStride == rowBytes {
        let bytes = UnsafeRawBufferPointer(start: start, count: vectors.byteCount)
        try context.write(bytes, to: staging.buffer, at: staging.start)
      } else {
        let rows = [UInt8](unsafeUninitializedCapacity: vectors.count * rowBytes) { rows, count in
          for row in 0..<vectors.count {
            let target = rows[(row * rowBytes)..<(row + 1) * rowBytes]
            UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: target)).copyMemory(
              from: UnsafeRawBufferPointer(start: start + row * vectors.rowStride, count: rowBytes))
          }
          count = vectors.count * rowBytes
        }
        try context.write(rows, to: staging)
      }
    }
    return SearchSource(
      storage: staging, byteOffset: staging.start, element: vectors.element,
      rowCount: vectors.count, dimension: vectors.dimension)
  }

  /// Uploads the rows at some places, whole panels; places that are empty get zeros.
  private func stage(
    _ vectors: Vectors, _ places: Range<Int>, in layout: PanelLayout, _ staging: OpenCLStorage
  ) throws(TesseraError) -> SearchSource {
    let rowBytes = vectors.dimension * vectors.element.byteCount
    var bytes = [UInt8](repeating: 0, count: places.count * rowBytes)
    let width = SearchPanels.panelRows
    bytes.withUnsafeMutableBytes { bytes in
      guard let source = vectors.baseAddress, let target = bytes.baseAddress else { return }
      for panel in places.lowerBound / width..<places.upperBound / width {
        let start = panel * width - places.lowerBound
        for (index, row) in layout.rows(of: panel).enumerated() {
          (target + (start + index) * rowBytes).copyMemory(
            from: source + row * vectors.rowStride, byteCount: rowBytes)
        }
      }
    }
    try context.write(bytes, to: staging)
    return SearchSource(
      storage: staging, byteOffset: staging.start, element: vectors.element,
      rowCount: places.count, dimension: vectors.dimension)
  }

  /// The rows of a matrix of this device.
  func source(
    _ matrix: Matrix<Float>, _ name: String
  ) throws(TesseraError) -> SearchSource {
    let storage = try own(matrix.storage, name)
    return SearchSource(
      storage: storage, byteOffset: storage.start + matrix.byteOffset, element: .float32,
      rowCount: matrix.rows, dimension: matrix.columns)
  }

  /// The refusal of a matrix, naming its rows.
  func nonFinite(_ matrix: Matrix<Float>, _ name: String) throws(TesseraError) -> TesseraError {
    let rows = try Vectors(download(matrix), dimension: matrix.columns)
    return Shapes.nonFinite(name, rows: rows.nonFiniteRows(limit: 6))
  }
}

extension KernelArgument {
  /// `storage` from element `index` on, as elements of type `Element`.
  static func element<Element>(
    _ index: Int, of storage: OpenCLStorage, as: Element.Type
  ) -> KernelArgument {
    .memory(storage, firstElement: storage.start / MemoryLayout<Element>.stride + index)
  }
}
