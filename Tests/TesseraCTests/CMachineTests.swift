import CTessera
import Tessera
import Testing

extension CInterface {
  /// k-means of parts, and shards that are left out, through the C interface.
  @Suite struct CMachineTests {
    private let all = CFixture.numbers(CFixture.rows * CFixture.dimension, seed: 7)
    private let asked = CFixture.numbers(5 * CFixture.dimension, seed: 8)
    private static let k = 4
    private static let chunkRows = 64

    private static func options(
      _ metric: Int = TESSERA_L2, chunkRows: Int = chunkRows
    ) -> tessera_kmeans_options {
      var options = tessera_kmeans_options()
      options.size = MemoryLayout<tessera_kmeans_options>.size
      options.metric = tessera_metric(metric)
      options.chunk_rows = Int64(chunkRows)
      return options
    }

    /// Returns some rows of the fixture.
    private func rows(_ range: Range<Int>) -> [Float] {
      Array(all[range.lowerBound * CFixture.dimension..<range.upperBound * CFixture.dimension])
    }

    static func copy(_ bytes: OpaquePointer?) throws -> [UInt8] {
      var (data, size): (UnsafeRawPointer?, Int64) = (nil, 0)
      try ok(tessera_bytes_get(bytes, &data, &size))
      return [UInt8](UnsafeRawBufferPointer(start: data, count: Int(size)))
    }

    static func merge(_ parts: [[UInt8]]) throws -> [UInt8] {
      let joined = parts.flatMap(\.self)
      var merged: OpaquePointer?
      try ok(
        joined.withUnsafeBytes { bytes in
          var place = 0
          let addresses = parts.map { part in
            defer { place += part.count }
            return bytes.baseAddress.map { $0 + place }
          }
          return tessera_kmeans_merge(
            addresses, parts.map { Int64($0.count) }, Int64(parts.count), &merged)
        })
      defer { tessera_free(merged) }
      return try copy(merged)
    }

    @Test(arguments: [TESSERA_L2, TESSERA_INNER_PRODUCT, TESSERA_COSINE])
    func partsOfKMeansAreTheWhole(_ metric: Int) throws {
      let fixture = try CFixture()
      var options = Self.options(metric)
      let (k, width) = (Self.k, CFixture.dimension)
      var want = [Float](repeating: 0, count: k * width)
      var counts = [Int64](repeating: 0, count: k)
      var report = tessera_kmeans_report()
      report.size = MemoryLayout<tessera_kmeans_report>.size
      try ok(
        all.rows {
          tessera_kmeans(
            $0, Int64(k), &options, fixture.device, nil, &want, nil, &counts, &report)
        })

      var count: Int64 = 0
      try ok(tessera_kmeans_start_rows(300, Int64(k), &options, nil, 0, &count))
      var numbers = [Int64](repeating: -1, count: Int(count))
      try ok(tessera_kmeans_start_rows(300, Int64(k), &options, &numbers, count, &count))
      #expect(numbers == Array(0..<300))
      var centroids = [Float](repeating: 0, count: k * width)
      try ok(
        all.rows {
          tessera_kmeans_start_centroids(
            $0, 300, Int64(k), &options, fixture.device, nil, &centroids)
        })
      var updates: Int64 = 0
      var step = tessera_kmeans_step_report()
      step.size = MemoryLayout<tessera_kmeans_step_report>.size
      var own = [Int64](repeating: 0, count: k)
      while true {
        var parts: [[UInt8]] = []
        for range in [256..<300, 0..<128, 128..<256] {
          var partial: OpaquePointer?
          try ok(
            rows(range).rows { rows in
              centroids.rows {
                tessera_kmeans_partial(
                  rows, Int64(range.lowerBound), $0, &options, fixture.device, nil, &partial)
              }
            })
          defer { tessera_free(partial) }
          parts.append(try Self.copy(partial))
        }
        let merged = try Self.merge(parts)
        #expect(try Self.merge([parts[1], Self.merge([parts[2], parts[0]])]) == merged)
        var next = [Float](repeating: 0, count: k * width)
        try ok(
          centroids.rows {
            tessera_kmeans_step(merged, Int64(merged.count), 300, $0, &next, &own, &step)
          })
        guard step.repaired == 1 || (updates < 20 && step.converged == 0) else { break }
        updates += step.repaired == 1 ? 0 : 1
        centroids = next
      }
      #expect(centroids == want && own == counts && step.objective == report.objective)
      #expect(updates == report.iterations && step.converged == report.converged)
    }

    @Test func optionsOfTheFirstVersionAreUnderstood() throws {
      let fixture = try CFixture()
      var options = Self.options()
      // What lies behind the struct of that version is not looked at.
      options.size = try #require(
        MemoryLayout<tessera_kmeans_options>.offset(of: \.chunk_rows))
      options.chunk_rows = -1
      try ok(
        all.rows { tessera_kmeans($0, 3, &options, fixture.device, nil, nil, nil, nil, nil) })
    }

    @Test(arguments: [TESSERA_L2, TESSERA_INNER_PRODUCT, TESSERA_COSINE])
    func shardsAreLeftOutAsInSwift(_ metric: Int) throws {
      let width = CFixture.dimension
      let metrics: [Int: Metric] = [
        TESSERA_L2: .squaredL2, TESSERA_INNER_PRODUCT: .innerProduct, TESSERA_COSINE: .cosine,
      ]
      let swift = try #require(metrics[metric])
      let ranges = [0..<100, 100..<101, 101..<300]
      var (centers, radii): ([Float], [Float]) = ([], [])
      var balls: [ShardBall] = []
      for range in ranges {
        var center = [Float](repeating: 0, count: width)
        var radius: Float = -1
        try ok(
          rows(range).rows {
            tessera_shard_ball($0, tessera_metric(metric), nil, &center, &radius)
          })
        balls.append(try ShardBall(of: Vectors(rows(range), dimension: width), metric: swift))
        #expect(balls.last?.center == center && balls.last?.radius == radius)
        centers += center
        radii.append(radius)
      }
      var bounds = [Float](repeating: 0, count: 15)
      try ok(
        centers.rows { centers in
          asked.rows {
            tessera_shard_bounds(centers, radii, tessera_metric(metric), $0, &bounds)
          }
        })
      #expect(try bounds == ShardBall.bounds(balls, of: Vectors(asked, dimension: width)))

      let hits = try IndexSearch(
        Vectors(all, dimension: width), metric: swift, on: ReferenceDevice.shared
      ).nearest(Vectors(asked, dimension: width), k: 2).neighbors
      let searched = [UInt8](repeating: 0, count: 15).indices.map { UInt8($0 % 2) }
      var left = [UInt8](repeating: 9, count: 15)
      var count: Int64 = -1
      try ok(
        tessera_shards_left(
          bounds, searched, 5, 3, hits.scores, 2, tessera_metric(metric), &left, &count))
      let want = try ShardBall.left(
        bounds, after: hits, k: 2, order: swift.order, searched: searched.map { $0 != 0 })
      #expect(left == want.map { $0 ? 1 : 0 } && count == want.count { $0 })
      // Hits that are not there rule nothing out.
      let worst: Float = swift.order == .smallestFirst ? .infinity : -.infinity
      try ok(
        tessera_shards_left(
          bounds, nil, 5, 3, [Float](repeating: worst, count: 10), 2, tessera_metric(metric),
          &left, nil))
      #expect(left == [UInt8](repeating: 1, count: 15))
    }
  }
}

extension CInterface.HostileCallTests {
  static func partial(
    _ fixture: CFixture, first: Int64 = 0, centroids: tessera_rows? = nil, rows count: Int64 = 128,
    change: (inout tessera_kmeans_options) -> Void = { _ in }
  ) -> tessera_status {
    var options = tessera_kmeans_options()
    options.size = MemoryLayout<tessera_kmeans_options>.size
    options.chunk_rows = 64
    change(&options)
    var partial: OpaquePointer?
    defer { tessera_free(partial) }
    return fixture.values.rows {
      var given = $0.pointee
      given.count = count
      var few = centroids ?? $0.pointee
      if centroids == nil { few.count = 3 }
      return tessera_kmeans_partial(&given, first, &few, &options, fixture.device, nil, &partial)
    }
  }

  static func start(
    _ fixture: CFixture, rows: Int64 = 300, k: Int64 = 3,
    change: (inout tessera_kmeans_options) -> Void = { _ in }
  ) -> tessera_status {
    var options = tessera_kmeans_options()
    options.size = MemoryLayout<tessera_kmeans_options>.size
    change(&options)
    return fixture.values.rows {
      tessera_kmeans_start_centroids($0, rows, k, &options, fixture.device, nil, spareFloats)
    }
  }

  static func startRows(
    _ rows: Int64, k: Int64, capacity: Int64 = 0, count: UnsafeMutablePointer<Int64>? = spare
  ) -> tessera_status {
    tessera_kmeans_start_rows(rows, k, nil, nil, capacity, count)
  }

  static func merge(
    bytes: [UInt8]?, size: Int64? = nil, parts: Int64 = 1
  ) -> tessera_status {
    var merged: OpaquePointer?
    defer { tessera_free(merged) }
    guard let bytes else { return tessera_kmeans_merge([nil], [size ?? 8], parts, &merged) }
    return bytes.withUnsafeBytes {
      tessera_kmeans_merge([$0.baseAddress], [size ?? Int64(bytes.count)], parts, &merged)
    }
  }

  static func bounds(
    centers: tessera_rows, radii: [Float]? = [1, 1], metric: Int = TESSERA_L2,
    into target: UnsafeMutablePointer<Float>? = spareFloats
  ) -> tessera_status {
    [Float](repeating: 1, count: 16).withUnsafeBytes { bytes in
      var (centers, queries) = (centers, rows())
      if centers.data == marker { centers.data = bytes.baseAddress }
      queries.data = bytes.baseAddress
      return tessera_shard_bounds(&centers, radii, tessera_metric(metric), &queries, target)
    }
  }

  static func left(
    bounds: [Float]? = [1, 2], searched: [UInt8]? = nil, queries: Int64 = 1, shards: Int64 = 2,
    scores: [Float]? = [3], k: Int64 = 1, metric: Int32 = 0
  ) -> tessera_status {
    tessera_shards_left(
      bounds, searched, queries, shards, scores, k, metric, spareBytes, nil)
  }

  nonisolated(unsafe) static let spareBytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)

  nonisolated(unsafe) static let machines: [Call] = [
    Call("no bytes", TESSERA_INVALID_ARGUMENT) { _ in tessera_bytes_get(nil, nil, nil) },
    Call("bytes that are a device", TESSERA_INVALID_ARGUMENT) {
      var (data, size): (UnsafeRawPointer?, Int64) = (nil, 0)
      return tessera_bytes_get($0.device, &data, &size)
    },
    Call("a start of nothing", TESSERA_INVALID_SHAPE) { _ in startRows(0, k: 3) },
    Call("a start of negative rows", TESSERA_INVALID_SHAPE) { _ in startRows(.min, k: 3) },
    Call("a start of no clusters", TESSERA_INVALID_ARGUMENT) { _ in startRows(9, k: 0) },
    Call("a start of negative clusters", TESSERA_INVALID_SHAPE) { _ in startRows(9, k: .min) },
    Call("a start of all memory", TESSERA_INVALID_SHAPE) { _ in startRows(.max, k: .max) },
    Call("a start of too many clusters", TESSERA_INVALID_SHAPE) { _ in
      startRows(.max, k: 1 << 40)
    },
    Call("a start into NULL", TESSERA_INVALID_ARGUMENT) { _ in startRows(9, k: 3, count: nil) },
    Call("rows to start from into NULL", TESSERA_INVALID_ARGUMENT) { _ in
      startRows(9, k: 3, capacity: 9)
    },
    Call("a start from too few rows", TESSERA_INVALID_SHAPE) { start($0, rows: 301) },
    Call("a start without clusters", TESSERA_INVALID_ARGUMENT) { start($0, k: 0) },
    Call("a start beyond memory", TESSERA_INVALID_SHAPE) { start($0, k: .max) },
    Call("a start by k-means||", TESSERA_UNSUPPORTED) {
      start($0) { $0.start = Int32(TESSERA_PARALLEL) }
    },
    Call("a part without chunks", TESSERA_INVALID_ARGUMENT) { partial($0) { $0.chunk_rows = 0 } },
    Call("a part of negative chunks", TESSERA_INVALID_ARGUMENT) {
      partial($0) { $0.chunk_rows = .min }
    },
    Call("a part of the largest chunks", TESSERA_INVALID_ARGUMENT) {
      partial($0) { $0.chunk_rows = .max }
    },
    Call("a part from the middle of a chunk", TESSERA_INVALID_ARGUMENT) { partial($0, first: 3) },
    Call("a part before all rows", TESSERA_INVALID_ARGUMENT) { partial($0, first: -64) },
    Call("a part behind all rows", TESSERA_INVALID_ARGUMENT) { partial($0, first: .max - 63) },
    Call("a part of no rows", TESSERA_INVALID_SHAPE) { partial($0, rows: 0) },
    Call("a part without centroids", TESSERA_INVALID_ARGUMENT) {
      partial($0, centroids: rows(data: nil))
    },
    Call("a part of 0 centroids", TESSERA_INVALID_SHAPE) {
      partial($0, centroids: rows(count: 0))
    },
    Call("a part of mini-batches", TESSERA_INVALID_ARGUMENT) {
      partial($0) { $0.algorithm = Int32(TESSERA_MINI_BATCH) }
    },
    Call("a part by Hamming distances", TESSERA_INVALID_ARGUMENT) {
      partial($0) { $0.metric = tessera_metric(TESSERA_HAMMING) }
    },
    Call("a merge of nothing", TESSERA_INVALID_ARGUMENT) { _ in merge(bytes: [], parts: 0) },
    Call("a merge of NULL", TESSERA_INVALID_ARGUMENT) { _ in merge(bytes: nil) },
    Call("a merge of no bytes", TESSERA_INVALID_ARGUMENT) { _ in merge(bytes: []) },
    Call("a merge of a negative size", TESSERA_INVALID_SHAPE) { _ in merge(bytes: [1], size: -1) },
    Call("a merge of all memory", TESSERA_INVALID_SHAPE) { _ in merge(bytes: [1], size: .max) },
    Call("a merge of other bytes", TESSERA_INVALID_ARGUMENT) { _ in
      merge(bytes: Array("TKMEANS1".utf8) + [UInt8](repeating: 0, count: 100))
    },
    Call("a step of other bytes", TESSERA_INVALID_ARGUMENT) { fixture in
      fixture.values.rows { tessera_kmeans_step([1, 2, 3] as [UInt8], 3, 9, $0, nil, nil, nil) }
    },
    Call("a step of NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      fixture.values.rows { tessera_kmeans_step(nil, 3, 9, $0, nil, nil, nil) }
    },
    Call("a step into a report without a size", TESSERA_INVALID_ARGUMENT) { fixture in
      var report = tessera_kmeans_step_report()
      return fixture.values.rows { tessera_kmeans_step(nil, 0, 9, $0, nil, nil, &report) }
    },
    Call("a ball of NULL", TESSERA_INVALID_ARGUMENT) { _ in
      tessera_shard_ball(nil, 0, nil, spareFloats, spareFloats)
    },
    Call("a ball into NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      fixture.values.rows { tessera_shard_ball($0, 0, nil, nil, spareFloats) }
    },
    Call("a ball of bits", TESSERA_INVALID_ARGUMENT) { fixture in
      fixture.values.rows {
        tessera_shard_ball(
          $0, tessera_metric(TESSERA_JACCARD), nil, spareFloats, spareFloats + 100)
      }
    },
    Call("a ball of infinity", TESSERA_NON_FINITE) { _ in
      [Float](repeating: .infinity, count: 8).rows {
        tessera_shard_ball($0, 0, nil, spareFloats, spareFloats + 100)
      }
    },
    Call("bounds of NULL", TESSERA_INVALID_ARGUMENT) { _ in bounds(centers: rows(data: nil)) },
    Call("bounds without radii", TESSERA_INVALID_ARGUMENT) { _ in
      bounds(centers: rows(), radii: nil)
    },
    Call("bounds of a negative radius", TESSERA_INVALID_ARGUMENT) { _ in
      bounds(centers: rows(), radii: [1, -1])
    },
    Call("bounds of a radius that is no number", TESSERA_NON_FINITE) { _ in
      bounds(centers: rows(), radii: [.nan, 1])
    },
    Call("bounds of another dimension", TESSERA_INVALID_SHAPE) { _ in
      bounds(centers: rows(dimension: 7))
    },
    Call("bounds by no metric", TESSERA_INVALID_ARGUMENT) { _ in
      bounds(centers: rows(), metric: 99)
    },
    Call("bounds into NULL", TESSERA_INVALID_ARGUMENT) { _ in bounds(centers: rows(), into: nil) },
    Call("shards left of NULL", TESSERA_INVALID_ARGUMENT) { _ in left(bounds: nil) },
    Call("shards left after NULL", TESSERA_INVALID_ARGUMENT) { _ in left(scores: nil) },
    Call("shards left for k 0", TESSERA_INVALID_ARGUMENT) { _ in left(k: 0) },
    Call("shards left of all memory", TESSERA_INVALID_SHAPE) { _ in left(shards: .max) },
    Call("shards left for negative queries", TESSERA_INVALID_SHAPE) { _ in left(queries: -1) },
    Call("shards left by no metric", TESSERA_INVALID_ARGUMENT) { _ in left(metric: -5) },
    Call("shards left by what is no number", TESSERA_NON_FINITE) { _ in left(scores: [.nan]) },
  ]
}
