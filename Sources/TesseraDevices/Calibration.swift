import TesseraCompute

/// Measures a ``DeviceProfile`` with small searches of generated rows, in a fifth of a second or so
/// plus the time a driver takes to build programs it has not seen.
struct Calibration {
  var rows = 8192
  var dimension = 128
  /// Queries double from 16 until a search takes this long: a fast device needs more to be seen.
  var targetSeconds = 0.025
  var maxQueries = 1024

  func profile(of device: any Device) throws(TesseraError) -> DeviceProfile {
    let vectors = try randomVectors(rows, seed: 1)
    let queries = try randomVectors(maxQueries, seed: 2)

    let few = try device.prepare(vectors.rows(0..<min(rows, 64)), metric: .innerProduct)
    let one = queries.rows(0..<1)
    // The first call builds programs and starts threads.
    _ = try device.nearest(one, in: few, k: 10)
    let overhead = try fastest(of: 3) { () throws(TesseraError) in
      _ = try device.nearest(one, in: few, k: 10)
    }

    var set = few
    let prepare = try fastest(of: 2) { () throws(TesseraError) in
      set = try device.prepare(vectors, metric: .innerProduct)
      try device.synchronize()
    }

    var queryCount = min(16, maxQueries)
    var seconds = 0.0
    _ = try device.nearest(queries.rows(0..<queryCount), in: set, k: 10)
    while true {
      let batch = queries.rows(0..<queryCount)
      seconds = try fastest(of: 1) { () throws(TesseraError) in
        _ = try device.nearest(batch, in: set, k: 10)
      }
      guard seconds < targetSeconds, queryCount < maxQueries else { break }
      queryCount = min(queryCount * 2, maxQueries)
    }

    let products = Double(rows) * Double(dimension) * Double(queryCount)
    // Timer noise must not make a rate infinite or negative.
    return DeviceProfile(
      overheadSeconds: overhead,
      preparedBytesPerSecond: Double(vectors.byteCount) / max(prepare, 1e-9),
      productsPerSecond: products / max(seconds - overhead, seconds / 10, 1e-9))
  }

  private func randomVectors(_ count: Int, seed: UInt64) throws(TesseraError) -> Vectors {
    var random = SplitMix64(seed: seed)
    let values = (0..<count * dimension).map { _ in Float(random.nextUnit()) - 0.5 }
    return try Vectors(values, dimension: dimension)
  }

  /// The shortest time, because whatever else the machine does can only add.
  private func fastest(
    of runs: Int, _ work: () throws(TesseraError) -> Void
  ) throws(TesseraError) -> Double {
    var best = Double.infinity
    for _ in 0..<runs {
      let start = ContinuousClock.now
      try work()
      best = min(best, start.duration(to: .now) / .seconds(1))
    }
    return best
  }
}
