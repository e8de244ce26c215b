public import CTessera
import Tessera

// What many machines need: parts of k-means as bytes that are merged, and balls that rule shards out.

/// Stands behind a `tessera_bytes`.
///
/// Safe to share: the memory is written once, before anybody else knows it.
final class CBytes: CThing, @unchecked Sendable {
  static let kind = "run of bytes"
  let memory: UnsafeRawBufferPointer

  init(_ bytes: [UInt8]) {
    let copy = UnsafeMutableRawBufferPointer.allocate(
      byteCount: bytes.count, alignment: MemoryLayout<UInt64>.alignment)
    copy.copyBytes(from: bytes)
    memory = UnsafeRawBufferPointer(copy)
  }

  deinit { memory.deallocate() }
}

/// Tells where bytes are.
@c @implementation
public func tessera_bytes_get(
  _ bytes: OpaquePointer?, _ data: UnsafeMutablePointer<UnsafeRawPointer?>?,
  _ size: UnsafeMutablePointer<Int64>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let bytes = try Handles.get(bytes, CBytes.self)
    try required(data, "the place for the address").pointee = bytes.memory.baseAddress
    try required(size, "the place for the size").pointee = Int64(bytes.memory.count)
  }
}

// MARK: k-means

/// Names the rows that centroids start from.
@c @implementation
public func tessera_kmeans_start_rows(
  _ row_count: Int64, _ k: Int64, _ options: UnsafePointer<tessera_kmeans_options>?,
  _ rows: UnsafeMutablePointer<Int64>?, _ capacity: Int64, _ count: UnsafeMutablePointer<Int64>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let count = try required(count, "the place for the number of rows")
    let target = try buffer(rows, capacity, "k-means: rows to start from")
    try requireRoom(byteCount(k, by: 8, of: 32, "k-means: rows to start from"), "k-means: rows")
    let named = try kMeans(options, k, weightCount: nil).startRows(of: Int(row_count))
    count.pointee = Int64(named.count)
    for (place, row) in named.prefix(target.count).enumerated() { target[place] = Int64(row) }
  }
}

/// Makes the centroids to start from.
@c @implementation
public func tessera_kmeans_start_centroids(
  _ rows: UnsafePointer<tessera_rows>?, _ row_count: Int64, _ k: Int64,
  _ options: UnsafePointer<tessera_kmeans_options>?, _ device: OpaquePointer?,
  _ control: OpaquePointer?, _ centroids: UnsafeMutablePointer<Float>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let rows = try TesseraC.vectors(rows, "k-means: rows to start from")
    let device: CDevice = try Handles.get(device)
    _ = try buffer(centroids, k, by: Int64(rows.dimension), "k-means: centroids")
    let made = try kMeans(options, k, weightCount: rows.count).start(
      from: rows, of: Int(row_count), on: device.device, control: CControl.of(control, device))
    copy(made, to: centroids)
  }
}

/// Tells what rows say about centroids.
@c @implementation
public func tessera_kmeans_partial(
  _ rows: UnsafePointer<tessera_rows>?, _ first_row: Int64,
  _ centroids: UnsafePointer<tessera_rows>?, _ options: UnsafePointer<tessera_kmeans_options>?,
  _ device: OpaquePointer?, _ control: OpaquePointer?,
  _ partial: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(partial) { () throws(TesseraError) in
    let rows = try TesseraC.vectors(rows, "k-means: rows")
    let centroids = try TesseraC.vectors(centroids, "k-means: centroids")
    let device: CDevice = try Handles.get(device)
    let made = try kMeans(options, Int64(centroids.count), weightCount: rows.count).partial(
      rows, firstRow: Int(first_row), centroids: centroids, on: device.device,
      control: CControl.of(control, device))
    return CBytes(made.bytes)
  }
}

/// Merges partial results.
@c @implementation
public func tessera_kmeans_merge(
  _ partials: UnsafePointer<UnsafeRawPointer?>?, _ sizes: UnsafePointer<Int64>?,
  _ partial_count: Int64, _ merged: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(merged) { () throws(TesseraError) in
    let addresses = try array(partials, partial_count, "k-means: partial results")
    let sizes = try array(sizes, partial_count, "k-means: sizes of partial results")
    var parts: [KMeansPartial] = []
    for (address, size) in zip(addresses, sizes) { parts.append(try partial(address, size)) }
    return CBytes(try KMeansPartial.merging(parts).bytes)
  }
}

/// Returns the centroids that follow.
@c @implementation
public func tessera_kmeans_step(
  _ bytes: UnsafeRawPointer?, _ size: Int64, _ row_count: Int64,
  _ centroids: UnsafePointer<tessera_rows>?, _ next: UnsafeMutablePointer<Float>?,
  _ counts: UnsafeMutablePointer<Int64>?,
  _ report: UnsafeMutablePointer<tessera_kmeans_step_report>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let centroids = try TesseraC.vectors(centroids, "k-means: centroids")
    try requireSize(report, "k-means: report")
    let step = try partial(bytes, size).step(ofAll: Int(row_count), from: centroids)
    copy(step.centroids, to: next)
    copy(step.counts.map { Int64($0) }, to: counts)
    var result = tessera_kmeans_step_report()
    result.objective = step.objective
    result.repaired = step.isRepair ? 1 : 0
    result.converged = step.converged ? 1 : 0
    fill(report, result)
  }
}

private func partial(_ bytes: UnsafeRawPointer?, _ size: Int64) throws(TesseraError)
  -> KMeansPartial
{
  try KMeansPartial(
    bytes: array(
      bytes?.assumingMemoryBound(to: UInt8.self), size, "k-means: a partial result"))
}

private func kMeans(
  _ options: UnsafePointer<tessera_kmeans_options>?, _ k: Int64, weightCount: Int?
) throws(TesseraError) -> KMeans {
  KMeans(
    try kMeansOptions(kMeansOptions(options), k, weightCount: weightCount))
}

// MARK: Shards

/// Measures the ball of rows.
@c @implementation
public func tessera_shard_ball(
  _ rows: UnsafePointer<tessera_rows>?, _ metric: tessera_metric, _ control: OpaquePointer?,
  _ center: UnsafeMutablePointer<Float>?, _ radius: UnsafeMutablePointer<Float>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let rows = try TesseraC.vectors(rows, "shard: rows")
    let center = try required(center, "the place for the center")
    let radius = try required(radius, "the place for the radius")
    let ball = try ShardBall(
      of: rows, metric: TesseraC.metric(metric), control: CControl.of(control))
    copy(ball.center, to: center)
    copy([ball.radius], to: radius)
  }
}

/// Bounds the scores of the rows in balls.
@c @implementation
public func tessera_shard_bounds(
  _ centers: UnsafePointer<tessera_rows>?, _ radii: UnsafePointer<Float>?,
  _ metric: tessera_metric, _ queries: UnsafePointer<tessera_rows>?,
  _ bounds: UnsafeMutablePointer<Float>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let centers = try TesseraC.vectors(centers, "shard: centers")
    let radii = try array(radii, Int64(centers.count), "shard: radii")
    let queries = try TesseraC.vectors(queries, "shard: queries")
    let metric = try TesseraC.metric(metric)
    _ = try buffer(bounds, Int64(queries.count), by: Int64(centers.count), "shard: bounds")
    var balls: [ShardBall] = []
    for (shard, radius) in radii.enumerated() {
      balls.append(try ShardBall(metric: metric, center: centers.row(shard), radius: radius))
    }
    copy(try ShardBall.bounds(balls, of: queries), to: bounds)
  }
}

/// Tells which shards may hold a better row.
@c @implementation
public func tessera_shards_left(
  _ bounds: UnsafePointer<Float>?, _ searched: UnsafePointer<UInt8>?, _ query_count: Int64,
  _ shard_count: Int64, _ scores: UnsafePointer<Float>?, _ k: Int64, _ metric: tessera_metric,
  _ left: UnsafeMutablePointer<UInt8>?, _ left_count: UnsafeMutablePointer<Int64>?
) -> tessera_status {
  call { () throws(TesseraError) in
    guard k >= 1 else {
      throw TesseraError(.invalidArgument, "shard: k is \(k), it must be at least 1")
    }
    let order = try TesseraC.order(of: metric)
    let bounds = try array(bounds, query_count, by: shard_count, "shard: bounds")
    let scores = try array(scores, query_count, by: k, "shard: scores")
    let searched = try searched.map { searched throws(TesseraError) in
      try array(searched, query_count, by: shard_count, "shard: flags").map { $0 != 0 }
    }
    let target = try buffer(left, query_count, by: shard_count, "shard: shards that are left")
    guard !bounds.contains(where: \.isNaN), !scores.contains(where: \.isNaN) else {
      throw TesseraError(.nonFinite, "shard: a bound or a score is not a number")
    }
    // What is padded has the worst score, which rules nothing out.
    let last = (0..<Int(query_count)).map { scores[($0 + 1) * Int(k) - 1] }
    let hits = Neighbors(
      queryCount: last.count, hitCount: 1, ids: last.map { _ in 0 }, scores: last,
      statistics: SearchStatistics(certified: true, candidates: 0, rescored: 0))
    let found = try ShardBall.left(bounds, after: hits, k: 1, order: order, searched: searched)
    for (place, isLeft) in found.enumerated() { target[place] = isLeft ? 1 : 0 }
    left_count?.pointee = Int64(found.count { $0 })
  }
}
