/// The sizes that decide what a search costs.
public struct SearchShape: Sendable, Hashable {
  /// Rows to be searched.
  public var rows: Int
  /// Numbers of a row.
  public var dimension: Int
  /// The type that the rows are stored in.
  public var element: ElementType
  /// The metric that rows are compared by.
  public var metric: Metric
  /// Queries given to the device at a time.
  public var queryCount: Int
  /// Hits wanted for each query.
  public var k: Int

  /// Takes the sizes as they are; nothing is checked.
  public init(
    rows: Int, dimension: Int, element: ElementType, metric: Metric, queryCount: Int, k: Int
  ) {
    self.rows = rows
    self.dimension = dimension
    self.element = element
    self.metric = metric
    self.queryCount = queryCount
    self.k = k
  }
}

/// Tells how many bytes a search allocates.
public struct SearchCost: Sendable, Hashable {
  /// Kept by the prepared set beyond the caller's rows.
  public var residentBytes: Int
  /// Needed while `prepare` or `nearest` runs, and given back.
  public var workingBytes: Int
  /// The largest single allocation.
  public var largestAllocationBytes: Int

  /// Takes the sizes in bytes.
  public init(residentBytes: Int, workingBytes: Int, largestAllocationBytes: Int) {
    self.residentBytes = residentBytes
    self.workingBytes = workingBytes
    self.largestAllocationBytes = largestAllocationBytes
  }

  /// The most that is held at once: resident and working bytes together.
  public var peakBytes: Int { residentBytes + workingBytes }

  /// Tells whether all of it is within a budget, and every part one that the device can allocate.
  package func fits(_ memoryBudget: Int, on device: some Device) -> Bool {
    peakBytes <= memoryBudget && largestAllocationBytes <= device.info.maxAllocationBytes
  }
}

/// Describes how rows are cut into chunks so that each fits the memory it may use.
public struct SearchPlan: Sendable, Hashable {
  /// Rows searched at a time; the last chunk may hold fewer.
  public let rowsPerChunk: Int
  /// The number of chunks; 0 without rows.
  public let chunkCount: Int
  /// The cost of one chunk.
  public let cost: SearchCost

  /// The plan with the fewest chunks whose peak is within `memoryBudget` bytes, and whose largest
  /// allocation is one the device can make.
  ///
  /// - Throws: `.outOfMemory`, with what a single row needs, if no chunk fits.
  public init(
    _ shape: SearchShape, on device: some Device, memoryBudget: Int
  ) throws(TesseraError) {
    try self.init(
      rows: shape.rows, on: device, memoryBudget: memoryBudget,
      "\(shape.queryCount) queries with k = \(shape.k)"
    ) { rows in
      var chunk = shape
      chunk.rows = rows
      return device.cost(of: chunk)
    }
  }

  /// The plan where `cost` tells what rows take.
  ///
  /// - Parameter work: Names what is done with them, for messages.
  package init(
    rows count: Int, on device: some Device, memoryBudget: Int, _ work: String,
    cost: (_ rows: Int) -> SearchCost
  ) throws(TesseraError) {
    var fits = 0
    var tooMany = min(count, Int(Int32.max)) + 1
    while tooMany - fits > 1 {
      let rows = fits + (tooMany - fits) / 2
      if cost(rows).fits(memoryBudget, on: device) { fits = rows } else { tooMany = rows }
    }
    guard fits > 0 || count == 0 else {
      throw TesseraError(
        .outOfMemory,
        "search: \(work) need \(cost(1).peakBytes) bytes for a single row, "
          + "\(cost(1).largestAllocationBytes) of them at once; \(memoryBudget) are allowed, "
          + "\(device.info.maxAllocationBytes) at once; use smaller batches or more memory")
    }
    chunkCount = fits == 0 ? 0 : (count - 1) / fits + 1
    // Equal chunks: the last is not left with a handful of rows.
    rowsPerChunk = chunkCount == 0 ? 0 : (count - 1) / chunkCount + 1
    self.cost = cost(rowsPerChunk)
  }
}
