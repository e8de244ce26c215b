public import CTessera
import Tessera

/// Stands behind a `tessera_search`.
final class CSearch: CThing {
  static let kind = "search"
  private let search: IndexSearch
  private let device: CDevice

  init(_ index: Index, _ device: CDevice) throws(TesseraError) {
    search = try IndexSearch(index, on: device.device)
    self.device = device
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

  var order: ScoreOrder { search.index.metric.order }

  /// Finds hits as many as `limit` says.
  func find(
    _ queries: Vectors, _ limit: Limit, _ options: tessera_search_options,
    _ control: OpaquePointer?
  ) throws(TesseraError) -> Found {
    let control = try CControl.of(control, device)
    let filter = try options.filter.map { handle throws(TesseraError) in
      try Handles.get(handle, CFilter.self).selector
    }
    return Found(
      try search.nearest(
        queries, within: limit, effort: effort(options), only: filter, control: control))
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
    let worst: Float = search.order == .smallestFirst ? .infinity : -.infinity
    let hits = found.neighbors
    for query in 0..<queries.count {
      let own = hits.starts[query]..<hits.starts[query + 1]
      let row = query * Int(k)
      for (place, hit) in own.enumerated() {
        idTarget[row + place] = hits.ids[hit]
        scoreTarget[row + place] = hits.scores[hit]
      }
      for place in own.count..<Int(k) {
        idTarget[row + place] = -1
        scoreTarget[row + place] = worst
      }
    }
    fill(report, found.report)
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
