import TesseraCompute

/// Measures ``DeviceProfile``s with small searches of generated rows, in a third of a second or so a
/// device plus the time a driver takes to build programs it has not seen.
///
/// Devices take turns, and the median of the rounds counts: other work on the machine slows all of
/// them alike, and a moment of it none. Rows lie in clusters, as real ones do; among rows without any
/// order a device that skips rows would look as slow as one that cannot.
struct Calibration {
  var rows = 8192
  var dimension = 128
  var clusterCount = 256
  /// Queries double from 16 until a search takes this long: a fast device needs more to be seen.
  var targetSeconds = 0.025
  var maxQueries = 1024
  var rounds = 5

  func profile(of device: any Device) throws(TesseraError) -> DeviceProfile {
    try profiles(of: [device])[0].get()
  }

  /// Returns the speeds of each device, or why it could not be measured.
  func profiles(of devices: [any Device]) -> [Result<DeviceProfile, TesseraError>] {
    var subjects = devices.map { device in
      Result { () throws(TesseraError) in try Subject(device, self) }
    }
    for _ in 0..<rounds {
      for index in subjects.indices {
        subjects[index] = subjects[index].flatMap { subject in
          Result { () throws(TesseraError) in try subject.measured() }
        }
      }
    }
    return subjects.map { $0.map { $0.profile } }
  }

  /// A device that is being measured.
  private struct Subject {
    let device: any Device
    let vectors: Vectors
    let queries: Vectors
    let few: VectorSet
    var overheads: [Double] = []
    var preparations: [Double] = []
    var searches: [Double] = []

    /// Builds programs and starts threads, and finds out how many queries make a search long enough.
    init(_ device: any Device, _ options: Calibration) throws(TesseraError) {
      self.device = device
      vectors = try options.clustered(options.rows, seed: 1)
      let queries = try options.clustered(options.maxQueries, seed: 2)
      few = try device.prepare(vectors.rows(0..<min(options.rows, 64)), metric: .innerProduct)
      _ = try device.nearest(queries.rows(0..<1), in: few, k: 10)
      let set = try device.prepare(vectors, metric: .innerProduct)
      var count = min(16, options.maxQueries)
      while true {
        let batch = queries.rows(0..<count)
        _ = try device.nearest(batch, in: set, k: 10)
        let seconds = try Self.seconds { () throws(TesseraError) in
          _ = try device.nearest(batch, in: set, k: 10)
        }
        guard seconds < options.targetSeconds, count < options.maxQueries else { break }
        count = min(count * 2, options.maxQueries)
      }
      self.queries = queries.rows(0..<count)
    }

    /// The same after one more round.
    func measured() throws(TesseraError) -> Subject {
      var after = self
      after.overheads.append(
        try Self.seconds { () throws(TesseraError) in
          _ = try device.nearest(queries.rows(0..<1), in: few, k: 10)
        })
      var set = few
      after.preparations.append(
        try Self.seconds { () throws(TesseraError) in
          set = try device.prepare(vectors, metric: .innerProduct)
          try device.synchronize()
        })
      after.searches.append(
        try Self.seconds { () throws(TesseraError) in
          _ = try device.nearest(queries, in: set, k: 10)
        })
      return after
    }

    var profile: DeviceProfile {
      let (overhead, search) = (Self.median(overheads), Self.median(searches))
      let products = Double(vectors.count) * Double(vectors.dimension) * Double(queries.count)
      let spread = ((searches.max() ?? 0) - (searches.min() ?? 0)) / max(search, 1e-9)
      // Timer noise must not make a rate infinite or negative.
      return DeviceProfile(
        overheadSeconds: overhead,
        preparedBytesPerSecond: Double(vectors.byteCount) / max(Self.median(preparations), 1e-9),
        productsPerSecond: products / max(search - overhead, search / 10, 1e-9), spread: spread)
    }

    private static func seconds(
      _ work: () throws(TesseraError) -> Void
    ) throws(TesseraError) -> Double {
      let start = ContinuousClock.now
      try work()
      return start.duration(to: .now) / .seconds(1)
    }

    private static func median(_ times: [Double]) -> Double {
      times.isEmpty ? 0 : times.sorted()[times.count / 2]
    }
  }

  /// Rows around centers that are the same for every seed.
  private func clustered(_ count: Int, seed: UInt64) throws(TesseraError) -> Vectors {
    var ofCenters = SplitMix64(seed: 0)
    let centers = (0..<clusterCount * dimension).map { _ in Float(ofCenters.nextUnit()) - 0.5 }
    var random = SplitMix64(seed: seed)
    let values = (0..<count).flatMap { _ in
      let start = random.nextIndex(below: clusterCount) * dimension
      return (0..<dimension).map { centers[start + $0] + (Float(random.nextUnit()) - 0.5) * 0.25 }
    }
    return try Vectors(values, dimension: dimension)
  }
}
