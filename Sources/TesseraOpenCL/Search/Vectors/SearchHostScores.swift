internal import COpenCL
internal import TesseraCompute

/// The vectors of a search on the host, for canonical scores there.
struct SearchHostVectors {
  let queries: Vectors
  let rows: Vectors
  /// Where the rows lie; nil if row after row.
  var layout: PanelLayout?

  /// The row at a place.
  func row(at place: Int) -> Int? {
    if let layout { layout.row(at: place) } else { place < rows.count ? place : nil }
  }
}

extension OpenCLDevice {
  /// True if canonical scores can be computed here: in Float64, from Float32 numbers that are not
  /// flushed to zero on the way.
  var scoresCanonically: Bool {
    let single = context.number(CL_DEVICE_SINGLE_FP_CONFIG, absent: cl_device_fp_config(0))
    return info.hasFloat64 && loopLimit == .max
      && single & cl_device_fp_config(CL_FP_DENORM) != 0
  }
}

extension SearchRun {
  /// Does the work of `search_rescore` on the host: lists with more than `limit` entries come here,
  /// and go back with keys in place of entries.
  func scoreOnHost(listsAbove limit: Int) throws(TesseraError) {
    let counts = try device.context.read(queryCount, of: UInt32.self, from: lists.counts)
    guard counts.contains(where: { $0 > limit }) else { return }
    let vectors = try hostVectors()
    let wrong = TesseraError(
      .deviceFailure, "nearest: the device returned rows that are not there; update its driver")
    for query in 0..<queryCount where counts[query] > limit {
      guard counts[query] <= lists.capacity else { throw wrong }
      let start = query * lists.capacity
      var list = try device.context.read(
        Int(counts[query]), of: UInt64.self, from: lists.entries, from: start)
      let vector = vectors.queries.row(query)
      for index in list.indices {
        let place = list[index] & 0xFFFF_FFFF
        guard let row = vectors.row(at: Int(place)) else { throw wrong }
        let score = CanonicalScore.score(
          panels.metric, vector, vectors.rows.row(row))
        list[index] = UInt64(panels.metric.order.rank(score)) << 32 | place
      }
      try device.context.write(list, to: lists.entries, from: start)
    }
  }
}

extension ScoreOrder {
  /// Bits that order scores as they rank, the best first.
  func rank(_ score: Float) -> UInt32 { rank(ofBits: score.bitPattern) }

  func rank(ofBits bits: UInt32) -> UInt32 {
    let ascending = bits ^ (bits >> 31 != 0 ? 0xFFFF_FFFF : 0x8000_0000)
    return self == .smallestFirst ? ascending : ~ascending
  }
}
