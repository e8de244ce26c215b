public import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

/// Tells how far rows that were added are from what the index was trained on.
///
/// The distance of a row is that from the nearest centroid, squared, of rows of unit length under the
/// cosine; without lists it is the squared error of the row's code. It is the mean of at most 1,024 rows.
public struct IndexDrift: Sendable, Hashable {
  /// The mean distance of rows that were there when the index was trained.
  public let trained: Double
  /// The mean distance of rows that were added; of all rows where none were added since the index was
  /// compacted.
  public let added: Double

  /// How many times as far added rows are.
  public var ratio: Double {
    trained > 0 ? added / trained : (added > 0 ? .infinity : 1)
  }

  /// True where added rows are at least 1.5 times as far: an index that is built anew finds more in as
  /// many lists, and its codes lose less.
  public var needsRetrain: Bool { ratio >= 1.5 }
}

extension IndexSnapshot {
  /// Measures how far added rows are from what the index was trained on. Returns nil for an index without
  /// lists and codes, for one of codes alone that was never compacted and keeps no rows to compare with,
  /// and where nothing was added.
  ///
  /// - Throws: What the device throws.
  public func drift(on device: any Device) throws(TesseraError) -> IndexDrift? {
    var known = base.history.spread
    if known == nil, !segments.isEmpty { known = try base.spread(on: device) }
    guard let trained = known else { return nil }
    guard !segments.isEmpty else {
      guard let added = try base.spread(on: device) else { return nil }
      return IndexDrift(trained: trained, added: added)
    }
    let all = try Self.joined(segments).rows.rows
    let sample = try all.gathered(Index.sample(of: all.count))
    let rows = try base.transformed(sample, on: device, "drift")
    guard let added = try base.spread(of: rows, on: device) else { return nil }
    return IndexDrift(trained: trained, added: added)
  }
}

extension Index {
  /// At most 1,024 places, evenly spread.
  fileprivate static func sample(of count: Int) -> [Int] {
    let some = min(count, 1024)
    return (0..<some).map { $0 * count / some }
  }

  /// The mean distance of this index's rows from what it was trained on, as far as it can be told.
  func spread(on device: any Device) throws(TesseraError) -> Double? {
    guard count > 0 else { return nil }
    let places = Self.sample(of: count)
    if let originals {
      let rows = try transforms.apply(to: originals.gathered(places), on: device, "drift")
      return try spread(of: rows, on: device)
    }
    switch content {
    case .rows(let rows): return try spread(of: rows.gathered(places), on: device)
    case .bits(let rows):
      return try spread(of: rows.vectors.gathered(places).expandedBits(), on: device)
    case .codes:
      // What is left of rows are their codes, which are no measure of what codes lose.
      guard coarse != nil else { return nil }
      var values: [Float] = []
      for place in places { values += try decoded(place..<place + 1, on: device).row(0) }
      return try spread(of: Vectors(values, dimension: keptDimension), on: device)
    }
  }

  /// The mean distance of transformed rows.
  fileprivate func spread(of rows: Vectors, on device: any Device) throws(TesseraError) -> Double? {
    if let coarse {
      let scores = try coarse.nearest(rows, metric, on: device).scores
      let sum = scores.reduce(0.0) { $0 + (metric == .cosine ? 2 - 2 * Double($1) : Double($1)) }
      return sum / Double(max(1, rows.count))
    }
    guard case .codes(_, let quantizer) = content else { return nil }
    let values = rows.widened()
    let decoded = try quantizer.decode(quantizer.encode(rows, on: device), on: device)
    let sum = zip(values, decoded).reduce(0.0) {
      $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
    }
    return sum / Double(max(1, rows.count))
  }
}
