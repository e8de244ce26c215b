internal import TesseraCompute
internal import TesseraQuantization

/// Rows in the order of lists on their way to codes: what is coded of them are their differences from their
/// lists' centroids, under the cosine those of their directions; without lists, the rows.
struct CodedRows {
  let rows: Vectors
  let lists: RowLists
  let centroids: Vectors?
  let metric: Metric
  /// Bytes that may be held; nil: as many as there are.
  var memoryLimit: Int?

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

  /// What is coded of some rows, which rise, in a file where memory is short.
  func collected(_ places: [Int]) throws(TesseraError) -> Vectors {
    let collected = try CollectedRows(
      .float32, count: places.count, dimension: rows.dimension, within: memoryLimit)
    for block in rows.blocks(of: places.count) { try collected.append(vectors(places[block])) }
    return try collected.rows()
  }

  /// The codes of all rows.
  func encoded(
    by quantizer: any Quantizer, on device: any Device, control: RunControl
  ) throws(TesseraError) -> StoredCodes {
    let codes = try CollectedRows(
      .uint8, count: rows.count, dimension: quantizer.codeByteCount, within: memoryLimit)
    // Differences and what encoders make of them are several times as many bytes.
    let step = max(1, min(1 << 24, memoryLimit.map { $0 / 32 } ?? .max) / rows.dimension)
    for first in stride(from: 0, to: rows.count, by: step) {
      let range = first..<min(first + step, rows.count)
      try control.report("codes", done: Double(first) / Double(rows.count))
      do throws(TesseraError) {
        try codes.append(
          StoredCodes.memory(encoded(range, by: quantizer, on: device)).vectors())
      } catch {
        throw naming(error, range, by: quantizer, on: device)
      }
    }
    if memoryLimit != nil { rows.evict() }
    return .rows(try codes.rows())
  }

  /// Says of an error about some rows which row it is: by its id, as rows lie in the order of lists here.
  private func naming(
    _ error: TesseraError, _ range: Range<Int>, by quantizer: any Quantizer,
    on device: any Device
  ) -> TesseraError {
    guard [.invalidArgument, .nonFinite].contains(error.code) else { return error }
    for row in range {
      do throws(TesseraError) {
        _ = try encoded(row..<row + 1, by: quantizer, on: device)
      } catch {
        return TesseraError(
          error.code, "the row with the id \(lists.ids[row]) cannot be coded: \(error.message)")
      }
    }
    return error
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
