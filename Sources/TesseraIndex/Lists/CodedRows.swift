internal import TesseraCompute
internal import TesseraQuantization

/// Rows in the order of lists on their way to codes: what is coded of them are their differences from their
/// lists' centroids, under the cosine those of their directions; without lists, the rows.
struct CodedRows {
  let rows: Vectors
  let lists: RowLists
  let centroids: Vectors?
  let metric: Metric

  /// What is coded of some rows, which rise.
  func vectors(_ places: some Collection<Int>) throws(TesseraError) -> Vectors {
    let dimension = rows.dimension
    var values: [Float] = []
    values.reserveCapacity(places.count * dimension)
    var list = 0
    var centroid = centroids?.row(0)
    for place in places {
      var row = rows.row(place)
      guard let centroids else {
        values += row
        continue
      }
      if metric == .cosine { UnitLength.scale(&row, dimension: dimension) }
      values += row
      while lists[list].upperBound <= place {
        list += 1
        centroid = nil
      }
      let middle = centroid ?? centroids.row(list)
      centroid = middle
      let start = values.count - dimension
      for d in 0..<dimension { values[start + d] -= middle[d] }
    }
    return try Vectors(values, dimension: dimension)
  }

  /// The codes of all rows.
  func encoded(
    by quantizer: any Quantizer, on device: any Device, control: RunControl
  ) throws(TesseraError) -> Codes {
    var bytes: [UInt8] = []
    let step = max(1, (1 << 24) / rows.dimension)
    for first in stride(from: 0, to: rows.count, by: step) {
      let range = first..<min(first + step, rows.count)
      try control.report("codes", done: Double(first) / Double(rows.count))
      bytes += try encoded(range, by: quantizer, on: device).bytes
    }
    return try Codes(bytes, byteCount: quantizer.codeByteCount)
  }

  private func encoded(
    _ range: Range<Int>, by quantizer: any Quantizer, on device: any Device
  ) throws(TesseraError) -> Codes {
    let vectors = try vectors(range)
    guard let centroids, let scanned = quantizer as? any ScannedQuantizer else {
      return try quantizer.encode(vectors, on: device)
    }
    let places = (0..<lists.count).flatMap { list in
      [Int32](repeating: Int32(list), count: lists[list].clamped(to: range).count)
    }
    return try scanned.encode(
      vectors, around: RowCentroids(centroids, lists: places), on: device, control: RunControl())
  }
}
