public import CTessera
import Tessera

/// Stands behind a `tessera_search`.
final class CSearch: CThing {
  static let kind = "search"
  private let source: Source
  private let device: CDevice
  let order: ScoreOrder

  private enum Source {
    case fixed(IndexSearch)
    case living(LivingSearch)
  }

  init(_ index: Index, _ device: CDevice) throws(TesseraError) {
    source = .fixed(try IndexSearch(index, on: device.device))
    self.device = device
    order = index.metric.order
  }

  init(_ living: LivingIndex, _ device: CDevice) throws(TesseraError) {
    source = .living(try LivingSearch(living, on: device.device))
    self.device = device
    order = living.snapshot.base.metric.order
  }

  /// What a search found, and what it did.
  struct Found {
    let neighbors: Neighbors
    var report = tessera_search_report()

    init(_ done: IndexSearch.Report) {
      neighbors = done.neighbors
      report.prepare_seconds = done.prepareSeconds
      report.search_seconds = done.searchSeconds
      report.certified_share = done.certifiedShare
      report.lists_per_query = done.listsPerQuery
      report.rows_per_query = done.rowsPerQuery
      withUnsafeMutableBytes(of: &report.device) { $0.write(done.device.identifier) }
    }
  }

  /// Finds hits as many as `limit` says.
  func find(
    _ queries: Vectors, _ limit: Limit, _ options: tessera_search_options,
    _ control: OpaquePointer?
  ) throws(TesseraError) -> Found {
    let control = try CControl.of(control, device)
    let filter = try options.filter.map { handle throws(TesseraError) in
      try Handles.get(handle, CFilter.self).selector
    }
    let effort = try effort(options)
    switch source {
    case .fixed(let search):
      return Found(
        try search.nearest(
          queries, within: limit, effort: effort, only: filter, control: control))
    case .living(let search):
      return Found(
        try search.nearest(
          queries, within: limit, effort: effort, only: filter, control: control))
    }
  }

  private func effort(
    _ options: tessera_search_options
  ) throws(TesseraError) -> IndexSearch.Effort {
    guard options.probes >= 0, options.recall >= 0, options.recall <= 1 else {
      throw TesseraError(
        .invalidArgument,
        "search: \(options.probes) probes and a recall of \(options.recall) mean nothing")
    }
    guard options.probes == 0 || options.recall == 0 else {
      throw TesseraError(.invalidArgument, "search: give either probes or a recall")
    }
    if options.probes > 0 { return .probes(Int(options.probes)) }
    return options.recall == 1 ? .all : .recall(options.recall == 0 ? 0.95 : options.recall)
  }
}

/// Makes vectors ready to be searched.
@c @implementation
public func tessera_search_vectors(
  _ vectors: OpaquePointer?, _ metric: tessera_metric, _ device: OpaquePointer?,
  _ search: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(search) { () throws(TesseraError) in
    let rows = try Handles.get(vectors, CVectors.self).vectors
    let index =
      if let bits = bitMetric(metric) { try Index(whole: rows, metric: bits) } else {
        Index(whole: rows, metric: try TesseraC.metric(metric))
      }
    return try CSearch(index, Handles.get(device))
  }
}

/// Makes vectors that are a part of a set ready to be searched.
@c @implementation
public func tessera_search_shard(
  _ vectors: OpaquePointer?, _ first_id: Int64, _ metric: tessera_metric, _ device: OpaquePointer?,
  _ search: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(search) { () throws(TesseraError) in
    let rows = try Handles.get(vectors, CVectors.self).vectors
    let index =
      if let bits = bitMetric(metric) {
        try Index(shard: rows, firstID: first_id, metric: bits)
      } else {
        try Index(shard: rows, firstID: first_id, metric: try TesseraC.metric(metric))
      }
    return try CSearch(index, Handles.get(device))
  }
}

/// Makes an index ready to be searched.
@c @implementation
public func tessera_search_index(
  _ index: OpaquePointer?, _ device: OpaquePointer?,
  _ search: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(search) { () throws(TesseraError) in
    try CSearch(Handles.get(index, CIndex.self).index, Handles.get(device))
  }
}

/// Makes an index that changes ready to be searched.
@c @implementation
public func tessera_search_living(
  _ living: OpaquePointer?, _ device: OpaquePointer?,
  _ search: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(search) { () throws(TesseraError) in
    try CSearch(Handles.get(living, CLiving.self).index, Handles.get(device))
  }
}

/// Makes codes ready to be searched.
@c @implementation
public func tessera_search_codes(
  _ quantizer: OpaquePointer?, _ codes: UnsafePointer<UInt8>?, _ count: Int64,
  _ metric: tessera_metric, _ device: OpaquePointer?,
  _ search: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(search) { () throws(TesseraError) in
    let quantizer = try Handles.get(quantizer, CQuantizer.self).quantizer
    return try CSearch(
      Index(
        TesseraC.codes(codes, count, of: quantizer), of: quantizer, metric: TesseraC.metric(metric)),
      Handles.get(device))
  }
}

/// Finds the k nearest rows to every query.
@c @implementation
public func tessera_search_nearest(
  _ search: OpaquePointer?, _ queries: UnsafePointer<tessera_rows>?, _ k: Int64,
  _ options: UnsafePointer<tessera_search_options>?, _ control: OpaquePointer?,
  _ ids: UnsafeMutablePointer<Int64>?, _ scores: UnsafeMutablePointer<Float>?,
  _ report: UnsafeMutablePointer<tessera_search_report>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let search: CSearch = try Handles.get(search)
    let queries = try TesseraC.vectors(queries, "search: queries")
    guard k >= 1 else {
      throw TesseraError(.invalidArgument, "search: k is \(k), it must be at least 1")
    }
    let count = Int64(queries.count)
    let idTarget = try buffer(ids, count, by: k, "search: ids")
    let scoreTarget = try buffer(scores, count, by: k, "search: scores")
    try requireSize(report, "search: report")
    let found = try search.find(
      queries, .k(Int(k)),
      TesseraC.options(options, or: tessera_search_options(), "search: options"), control)
    put(found.neighbors, k: Int(k), search.order, ids: idTarget, scores: scoreTarget)
    fill(report, found.report)
  }
}

/// Writes k hits of each query to memory of the caller, padded where there are fewer.
private func put(
  _ hits: Neighbors, k: Int, _ order: ScoreOrder, ids: UnsafeMutableBufferPointer<Int64>,
  scores: UnsafeMutableBufferPointer<Float>
) {
  for query in 0..<hits.queryCount {
    let own = hits.starts[query]..<hits.starts[query + 1]
    let row = query * k
    for (place, hit) in own.enumerated() {
      ids[row + place] = hits.ids[hit]
      scores[row + place] = hits.scores[hit]
    }
    for place in own.count..<k {
      ids[row + place] = -1
      scores[row + place] = order.worst
    }
  }
}

extension ScoreOrder {
  /// The score of what is missing.
  fileprivate var worst: Float { self == .smallestFirst ? .infinity : -.infinity }
}

/// Merges the hits of several searches of the same queries.
@c @implementation
public func tessera_merge_top_k(
  _ ids: UnsafePointer<Int64>?, _ scores: UnsafePointer<Float>?, _ part_count: Int64,
  _ query_count: Int64, _ width: Int64, _ metric: tessera_metric, _ k: Int64,
  _ best_ids: UnsafeMutablePointer<Int64>?, _ best_scores: UnsafeMutablePointer<Float>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let order = try TesseraC.order(of: metric)
    guard k >= 1, width >= 1 else {
      throw TesseraError(
        .invalidArgument, "merge: k is \(k) and the width \(width), they must be at least 1")
    }
    _ = try byteCount(query_count, by: width, of: 8, "merge: hits of a part")
    let ids = try array(ids, part_count, by: query_count * width, "merge: ids")
    let scores = try array(scores, part_count, by: query_count * width, "merge: scores")
    let idTarget = try buffer(best_ids, query_count, by: k, "merge: the best ids")
    let scoreTarget = try buffer(best_scores, query_count, by: k, "merge: the best scores")
    try requireRoom(12 * idTarget.count, "merge: the best hits")
    guard query_count > 0 else { return }
    var parts: [Neighbors] = []
    for part in 0..<Int(part_count) {
      var starts = [0]
      var places: [Int] = []
      for query in 0..<Int(query_count) {
        let first = (part * Int(query_count) + query) * Int(width)
        // What is padded is no hit.
        places += (first..<first + Int(width)).lazy.filter {
          ids[$0] != -1 || scores[$0] != order.worst
        }
        starts.append(places.count)
      }
      parts.append(
        Neighbors(
          starts: starts, ids: places.map { ids[$0] }, scores: places.map { scores[$0] },
          statistics: SearchStatistics(certified: true, candidates: 0, rescored: 0)))
    }
    let none = Neighbors.none(queryCount: Int(query_count))
    let merged = try Neighbors.mergingTopK(parts + [none], k: Int(k), order: order)
    put(merged, k: Int(k), order, ids: idTarget, scores: scoreTarget)
  }
}

/// Stands behind a `tessera_hits`.
final class CHits: CThing {
  static let kind = "set of hits"
  let neighbors: Neighbors

  init(_ neighbors: Neighbors) { self.neighbors = neighbors }
}

/// Finds all rows whose score is better than a given one.
@c @implementation
public func tessera_search_within(
  _ search: OpaquePointer?, _ queries: UnsafePointer<tessera_rows>?, _ score: Float,
  _ options: UnsafePointer<tessera_search_options>?, _ control: OpaquePointer?,
  _ hits: UnsafeMutablePointer<OpaquePointer?>?,
  _ report: UnsafeMutablePointer<tessera_search_report>?
) -> tessera_status {
  make(hits) { () throws(TesseraError) in
    let search: CSearch = try Handles.get(search)
    let queries = try TesseraC.vectors(queries, "search: queries")
    try requireSize(report, "search: report")
    let found = try search.find(
      queries, .score(score),
      TesseraC.options(options, or: tessera_search_options(), "search: options"), control)
    fill(report, found.report)
    return CHits(found.neighbors)
  }
}

/// Tells how many hits there are.
@c @implementation
public func tessera_hits_count(
  _ hits: OpaquePointer?, _ query_count: UnsafeMutablePointer<Int64>?,
  _ hit_count: UnsafeMutablePointer<Int64>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let found = try Handles.get(hits, CHits.self).neighbors
    query_count?.pointee = Int64(found.queryCount)
    hit_count?.pointee = Int64(found.ids.count)
  }
}

/// Copies hits.
@c @implementation
public func tessera_hits_copy(
  _ hits: OpaquePointer?, _ starts: UnsafeMutablePointer<Int64>?,
  _ ids: UnsafeMutablePointer<Int64>?, _ scores: UnsafeMutablePointer<Float>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let found = try Handles.get(hits, CHits.self).neighbors
    copy(found.starts.map { Int64($0) }, to: starts)
    copy(found.ids, to: ids)
    copy(found.scores, to: scores)
  }
}
