internal import Dispatch
internal import Synchronization
public import TesseraCompute

/// Several devices that search as one: each holds a share of the rows and all search at once.
///
/// Hits are the same bytes as on any one device, because scores are canonical and the order is
/// total. Only searches are shared out: there is no memory of its own, so matrices, and all that
/// works on them, throw `.unsupported`.
///
///     let both = try ShardedDevice([first, second], shares: [2, 1])
public final class ShardedDevice: Device {
  /// Describes all devices as one; `variant` names the devices and their shares of the rows.
  public let info: DeviceInfo
  let devices: [any Device]
  /// The part of the rows that each device gets; they add up to 1.
  let shares: [Double]

  /// - Parameters:
  ///   - devices: At least one.
  ///   - shares: How much of the rows each device gets, in any unit: what it searches in a second.
  /// - Throws: `.invalidArgument` unless there is one finite share above 0 for every device.
  public init(
    _ devices: [any Device], shares: [Double], identifier: String = "sharded"
  ) throws(TesseraError) {
    let total = shares.reduce(0, +)
    guard !devices.isEmpty, shares.count == devices.count, shares.allSatisfy({ $0 > 0 }),
      total.isFinite
    else {
      throw TesseraError(
        .invalidArgument,
        "sharding: \(devices.count) devices and shares of \(shares); every device needs one "
          + "finite share above 0")
    }
    self.devices = devices
    self.shares = shares.map { $0 / total }
    info = DeviceInfo(identifier: identifier, devices.map(\.info), shares: self.shares)
  }

  /// The faults of the first device, then of the second, and so on.
  public var faults: [TesseraError] { devices.flatMap(\.faults) }

  /// Adds the bytes of all devices; the largest allocation is that of one device.
  public func cost(of search: SearchShape) -> SearchCost {
    var sum = SearchCost(residentBytes: 0, workingBytes: 0, largestAllocationBytes: 0)
    for shard in shards(of: search.rows) {
      var shape = search
      shape.rows = shard.rows.count
      let cost = shard.device.cost(of: shape)
      sum.residentBytes += cost.residentBytes
      sum.workingBytes += cost.workingBytes
      sum.largestAllocationBytes = max(sum.largestAllocationBytes, cost.largestAllocationBytes)
    }
    return sum
  }

  /// Cost: that of the device that takes longest for its share. Lists stay whole.
  public func prepare(
    _ vectors: Vectors, in lists: RowLists, metric: Metric
  ) throws(TesseraError) -> VectorSet {
    try Shapes.prepare(vectors, in: lists)
    let shards = shards(of: lists)
    do throws(TesseraError) {
      let sets = try Self.each(of: shards.count) { index throws(TesseraError) in
        let shard = shards[index]
        return try shard.device.prepare(
          vectors.rows(shard.rows), in: lists.lists(shard.lists, rows: shard.rows), metric: metric)
      }
      return ShardedVectorSet(
        vectors, in: lists, metric: metric,
        shards: zip(shards, sets).map { (device: $0.device, set: $1, lists: $0.lists) })
    } catch {
      // A device counts the rows of its share.
      guard error.code == .nonFinite else { throw error }
      throw Shapes.nonFinite("prepare: vectors", rows: vectors.nonFiniteRows(limit: 6))
    }
  }

  /// Cost: that of the device that takes longest, and O(queries * k * devices) to merge.
  public func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    try Shapes.nearest(queries, in: set, probing: probes, within: limit)
    guard let own = set as? ShardedVectorSet else {
      throw TesseraError(.wrongDevice, "nearest: the vectors were prepared on another device")
    }
    let found = try Self.each(of: own.shards.count) { index throws(TesseraError) in
      let shard = own.shards[index]
      return try shard.device.nearest(
        queries, in: shard.set, probing: probes?.within(shard.lists), within: limit,
        only: selector)
    }
    return found.dropFirst().reduce(found[0]) {
      $0.merged(with: $1, within: limit, order: set.metric.order)
    }
  }

  /// The devices with something to hold, and the rows each holds: a part of the only list, or whole
  /// lists where there are several.
  private func shards(
    of lists: RowLists
  ) -> [(device: any Device, rows: Range<Int>, lists: Range<Int32>)] {
    guard lists.count > 1 else {
      return shards(of: lists.ids.count).map { ($0.device, $0.rows, 0..<1) }
    }
    var first = 0
    let shards = shards(of: lists.ids.count)
    return shards.enumerated().compactMap { index, shard in
      // A list belongs to the device whose rows its last row is among.
      let end =
        index == shards.count - 1
        ? lists.count
        : (lists.starts.firstIndex { $0 > shard.rows.upperBound } ?? lists.starts.count) - 1
      defer { first = end }
      return first < end
        ? (shard.device, lists.starts[first]..<lists.starts[end], Int32(first)..<Int32(end)) : nil
    }
  }

  /// The devices with something to hold, and the rows each holds of `count`.
  private func shards(of count: Int) -> [(device: any Device, rows: Range<Int>)] {
    guard count > 0 else { return [(devices[0], 0..<0)] }
    var share = 0.0
    var start = 0
    return zip(devices, shares).enumerated().compactMap { index, shard in
      share += shard.1
      let end = index == devices.count - 1 ? count : min(count, Int(share * Double(count)))
      defer { start = end }
      return start < end ? (shard.0, start..<end) : nil
    }
  }

  /// The results of `work` for every index, all done at the same time.
  ///
  /// - Throws: The error of the first index that failed.
  private static func each<Value: Sendable>(
    of count: Int, _ work: @Sendable (Int) throws(TesseraError) -> Value
  ) throws(TesseraError) -> [Value] {
    let results = Mutex([Result<Value, TesseraError>?](repeating: nil, count: count))
    DispatchQueue.concurrentPerform(iterations: count) { index in
      let result = Result { () throws(TesseraError) in try work(index) }
      results.withLock { $0[index] = result }
    }
    var values: [Value] = []
    for case .some(let result) in results.withLock(\.self) { values.append(try result.get()) }
    return values
  }
}

/// Rows that are held by several devices.
private final class ShardedVectorSet: VectorSet, @unchecked Sendable {
  let shards: [(device: any Device, set: VectorSet, lists: Range<Int32>)]

  init(
    _ vectors: Vectors, in lists: RowLists, metric: Metric,
    shards: [(device: any Device, set: VectorSet, lists: Range<Int32>)]
  ) {
    self.shards = shards
    super.init(vectors, in: lists, metric: metric)
  }

  override var residentBytes: Int { shards.reduce(0) { $0 + $1.set.residentBytes } }
}

// MARK: Memory

extension ShardedDevice {
  /// Throws `.unsupported`: only searches are divided among devices.
  public func allocate(byteCount: Int) throws(TesseraError) -> Storage { throw noMemory }

  /// Throws `.unsupported`: only searches are divided among devices.
  public func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) { throw noMemory }

  /// Throws `.unsupported`: only searches are divided among devices.
  public func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) { throw noMemory }

  /// Waits for one device after the other.
  public func synchronize() throws(TesseraError) {
    for device in devices { try device.synchronize() }
  }

  private var noMemory: TesseraError {
    let names = devices.map(\.info.identifier).joined(separator: " or ")
    return TesseraError(
      .unsupported, "\(info.identifier) shares out searches only; choose one device: \(names)")
  }
}

extension DeviceInfo {
  /// Describes several devices together.
  fileprivate init(identifier: String, _ devices: [DeviceInfo], shares: [Double]) {
    let percents = shares.map { "\(Int(($0 * 100).rounded())) %" }
    // Devices that are processors of the host share its memory.
    let inHostMemory = devices.count { !$0.hasOwnMemory }
    let holdable = zip(devices, shares).map { device, share in
      Double(device.hasOwnMemory ? device.memoryBytes : device.memoryBytes / inHostMemory) / share
    }
    self.init(
      identifier: identifier, name: devices.map(\.name).joined(separator: " + "),
      kind: devices.allSatisfy(\.hasOwnMemory) ? devices[0].kind : .cpu,
      vendor: devices.map(\.vendor).joined(separator: " + "),
      driver: devices.map(\.driver).joined(separator: " + "),
      variant: zip(percents, devices).map { "\($0) \($1.identifier)" }.joined(separator: ", "),
      memoryBytes: Int(min(holdable.min() ?? 0, Double(Int.max / 2))),
      maxAllocationBytes: devices.map(\.maxAllocationBytes).min(),
      computeUnits: devices.reduce(0) { $0 + $1.computeUnits },
      hasFloat64: devices.allSatisfy(\.hasFloat64), accelerated: [.nearest])
  }

  private var hasOwnMemory: Bool { kind == .gpu || kind == .accelerator }
}
