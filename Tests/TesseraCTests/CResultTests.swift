import CTessera
import Synchronization
import Tessera
import TesseraHost
import Testing

extension CInterface {
  /// What comes back through the C interface is what Swift gives.
  @Suite struct CResultTests {
    private let all = CFixture.numbers(CFixture.rows * CFixture.dimension, seed: 7)
    private let asked = CFixture.numbers(5 * CFixture.dimension, seed: 8)

    private func nearest(
      _ search: OpaquePointer?, k: Int, _ options: tessera_search_options? = nil,
      control: OpaquePointer? = nil
    ) throws -> (ids: [Int64], scores: [Float]) {
      var ids = [Int64](repeating: 99, count: 5 * k)
      var scores = [Float](repeating: 99, count: 5 * k)
      var options = options ?? tessera_search_options()
      options.size = MemoryLayout<tessera_search_options>.size
      var report = tessera_search_report()
      report.size = MemoryLayout<tessera_search_report>.size
      try ok(
        asked.rows {
          tessera_search_nearest(search, $0, Int64(k), &options, control, &ids, &scores, &report)
        })
      #expect(report.size == MemoryLayout<tessera_search_report>.size)
      #expect(report.certified_share == 1)
      return (ids, scores)
    }

    @Test(arguments: [Metric.squaredL2, .innerProduct, .cosine])
    func flatSearchIsThatOfSwift(_ metric: Metric) throws {
      let fixture = try CFixture()
      let numbers: [Metric: Int] = [
        .squaredL2: TESSERA_L2, .innerProduct: TESSERA_INNER_PRODUCT, .cosine: TESSERA_COSINE,
      ]
      let number = tessera_metric(try #require(numbers[metric]))
      var search: OpaquePointer?
      try ok(tessera_search_vectors(fixture.vectors, number, fixture.device, &search))
      defer { tessera_free(search) }
      let found = try nearest(search, k: 4)
      let want = try IndexSearch(
        Vectors(all, dimension: 8), metric: metric, on: ReferenceDevice.shared
      ).nearest(Vectors(asked, dimension: 8), k: 4).neighbors
      #expect(found.ids == want.ids && found.scores == want.scores)
    }

    @Test func whatIsMissingIsPadded() throws {
      let fixture = try CFixture()
      var (search, filter): (OpaquePointer?, OpaquePointer?)
      try ok(tessera_search_vectors(fixture.vectors, 0, fixture.device, &search))
      try ok(tessera_filter_ids([3, 1], 2, &filter))
      defer {
        tessera_free(search)
        tessera_free(filter)
      }
      var options = tessera_search_options()
      options.filter = filter
      let found = try nearest(search, k: 3, options)
      for query in 0..<5 {
        let ids = found.ids[query * 3..<query * 3 + 3]
        #expect(Set(ids.prefix(2)) == [1, 3] && ids.last == -1)
        #expect(found.scores[query * 3 + 2] == .infinity)
      }
    }

    @Test func filtersOfOneMeaningGiveOneResult() throws {
      let fixture = try CFixture()
      var (search, range, ids, bitmap):
        (OpaquePointer?, OpaquePointer?, OpaquePointer?, OpaquePointer?)
      try ok(tessera_search_vectors(fixture.vectors, 1, fixture.device, &search))
      try ok(tessera_filter_range(64, 128, &range))
      try ok(tessera_filter_ids(Array(64..<128), 64, &ids))
      try ok(tessera_filter_bitmap([.max], 1, 64, &bitmap))
      defer { for handle in [search, range, ids, bitmap] { tessera_free(handle) } }
      let found = try [range, ids, bitmap].map { filter in
        var options = tessera_search_options()
        options.filter = filter
        return try nearest(search, k: 6, options).ids
      }
      #expect(found[0] == found[1] && found[1] == found[2])
      #expect(found[0].allSatisfy { (64..<128).contains($0) })
    }

    @Test func rowsWithinAScoreAreThoseThatNearestRanks() throws {
      let fixture = try CFixture()
      var (search, hits): (OpaquePointer?, OpaquePointer?)
      try ok(tessera_search_vectors(fixture.vectors, 0, fixture.device, &search))
      let best = try nearest(search, k: 7)
      let limit = best.scores[6]
      try ok(asked.rows { tessera_search_within(search, $0, limit, nil, nil, &hits, nil) })
      defer {
        tessera_free(search)
        tessera_free(hits)
      }
      var (queries, count): (Int64, Int64) = (0, 0)
      try ok(tessera_hits_count(hits, &queries, &count))
      var starts = [Int64](repeating: 0, count: Int(queries) + 1)
      var ids = [Int64](repeating: 0, count: Int(count))
      try ok(tessera_hits_copy(hits, &starts, &ids, nil))
      #expect(queries == 5 && starts.last == count)
      #expect(Array(ids[0..<Int(starts[1])]) == Array(best.ids[0..<6]))
    }

    @Test(arguments: [0, 1, 2, 3])
    func rowsMayLieAnywhere(_ shift: Int) throws {
      let fixture = try CFixture()
      // Three bytes between rows, and the first at any address.
      let stride = 35
      var bytes = [UInt8](repeating: 0xAA, count: CFixture.rows * stride + 8)
      all.withUnsafeBytes { source in
        for row in 0..<CFixture.rows {
          bytes.replaceSubrange(
            row * stride + shift..<row * stride + shift + 32, with: source[row * 32..<row * 32 + 32]
          )
        }
      }
      let found = try bytes.withUnsafeBytes { bytes in
        var rows = tessera_rows(
          data: bytes.baseAddress! + shift, element: 0, count: 300, dimension: 8,
          stride: Int64(stride))
        var (vectors, search): (OpaquePointer?, OpaquePointer?)
        try ok(tessera_vectors_wrap(&rows, nil, nil, &vectors))
        try ok(tessera_search_vectors(vectors, 1, fixture.device, &search))
        defer {
          tessera_free(search)
          tessera_free(vectors)
        }
        return try nearest(search, k: 5)
      }
      let want = try IndexSearch(
        Vectors(all, dimension: 8), metric: .innerProduct, on: ReferenceDevice.shared
      ).nearest(Vectors(asked, dimension: 8), k: 5).neighbors
      #expect(found.ids == want.ids && found.scores == want.scores)
    }

    @Test func memoryIsReleasedOnceWhenNothingNeedsItAnyMore() throws {
      let fixture = try CFixture()
      let count = UnsafeMutablePointer<Int>.allocate(capacity: 1)
      count.pointee = 0
      defer { count.deallocate() }
      var (vectors, search): (OpaquePointer?, OpaquePointer?)
      try all.withUnsafeBytes { bytes in
        var rows = tessera_rows(
          data: bytes.baseAddress, element: 0, count: 300, dimension: 8, stride: 0)
        try ok(
          tessera_vectors_wrap(
            &rows, { $0?.assumingMemoryBound(to: Int.self).pointee += 1 }, count, &vectors))
        try ok(tessera_search_vectors(vectors, 1, fixture.device, &search))
        tessera_free(vectors)
        #expect(count.pointee == 0)
        _ = try nearest(search, k: 2)
        tessera_free(search)
        #expect(count.pointee == 1)
      }
    }

    @Test func indexesAreThoseOfSwiftAndComeBackFromFiles() throws {
      let fixture = try CFixture()
      let path = "/tmp/tessera-c-\(UInt64.random(in: 0 ... .max)).index"
      defer { unlink(path) }
      var (index, again, search): (OpaquePointer?, OpaquePointer?, OpaquePointer?)
      try ok(
        tessera_index_build(
          "IVF8,Flat", fixture.vectors, 1, nil, 0, nil, fixture.device, nil, &index))
      try ok(tessera_index_save(index, path))
      try ok(tessera_index_open(path, &again))
      var info = tessera_index_info()
      info.size = MemoryLayout<tessera_index_info>.size
      try ok(tessera_index_describe(again, &info))
      #expect(
        info.count == 300 && info.list_count == 8 && info.metric == 1 && info.is_measured == 1)
      var row = [Float](repeating: 0, count: 8)
      try ok(tessera_index_reconstruct(again, [17], 1, fixture.device, &row))
      #expect(row == Array(all[17 * 8..<18 * 8]))
      try ok(tessera_search_index(again, fixture.device, &search))
      defer { for handle in [index, again, search] { tessera_free(handle) } }
      var options = tessera_search_options()
      options.recall = 1
      let found = try nearest(search, k: 4, options)
      let want = try IndexSearch(
        Vectors(all, dimension: 8), metric: .innerProduct, on: ReferenceDevice.shared
      ).nearest(Vectors(asked, dimension: 8), k: 4).neighbors
      #expect(found.ids == want.ids && found.scores == want.scores)
    }

    @Test func clustersAreThoseOfSwift() throws {
      let fixture = try CFixture()
      var centroids = [Float](repeating: 0, count: 6 * 8)
      var labels = [Int32](repeating: 0, count: 300)
      var counts = [Int64](repeating: 0, count: 6)
      try ok(
        all.rows {
          tessera_kmeans($0, 6, nil, fixture.device, nil, &centroids, &labels, &counts, nil)
        }
      )
      let want = try KMeans(.init(clusterCount: 6)).cluster(
        Vectors(all, dimension: 8), on: ReferenceDevice.shared)
      #expect(centroids == want.centroids && labels == want.labels)
      #expect(counts == want.counts.map { Int64($0) })
    }

    @Test func quantizersAreThoseOfSwift() throws {
      let fixture = try CFixture()
      var quantizer: OpaquePointer?
      try ok(
        all.rows { tessera_quantizer_train("PQ4x4", $0, fixture.device, nil, &quantizer, nil) })
      defer { tessera_free(quantizer) }
      var info = tessera_quantizer_info()
      info.size = MemoryLayout<tessera_quantizer_info>.size
      try ok(tessera_quantizer_describe(quantizer, &info))
      var codes = [UInt8](repeating: 0, count: 300 * Int(info.code_bytes))
      var decoded = [Float](repeating: 0, count: 300 * 8)
      try ok(all.rows { tessera_quantizer_encode(quantizer, $0, fixture.device, nil, &codes) })
      try ok(tessera_quantizer_decode(quantizer, codes, 300, fixture.device, nil, &decoded))
      let vectors = try Vectors(all, dimension: 8)
      let want = try QuantizerFactory.recipe("PQ4x4").train(vectors, on: ReferenceDevice.shared)
        .quantizer
      let wantCodes = try want.encode(vectors, on: ReferenceDevice.shared)
      #expect(codes == wantCodes.bytes)
      #expect(decoded == (try want.decode(wantCodes, on: ReferenceDevice.shared)))
    }

    @Test func aListenerHearsOfProgressAndEndsTheCall() throws {
      let fixture = try CFixture()
      var options = tessera_control_options()
      options.size = MemoryLayout<tessera_control_options>.size
      options.progress = { _, _, _, context in
        context?.assumingMemoryBound(to: Int.self).pointee += 1
        return 1
      }
      let count = UnsafeMutablePointer<Int>.allocate(capacity: 1)
      count.pointee = 0
      defer { count.deallocate() }
      options.context = UnsafeMutableRawPointer(count)
      var control: OpaquePointer?
      try ok(tessera_control_create(&options, &control))
      defer { tessera_free(control) }
      let status = all.rows {
        tessera_kmeans($0, 6, nil, fixture.device, control, nil, nil, nil, nil)
      }
      #expect(status == tessera_status(TESSERA_CANCELLED) && count.pointee == 1)
      // It stays raised.
      #expect(
        all.rows { tessera_kmeans($0, 6, nil, fixture.device, control, nil, nil, nil, nil) }
          == tessera_status(TESSERA_CANCELLED))
    }

    @Test func whatIsFreedDuringACallStaysUntilItEnds() throws {
      let fixture = try CFixture()
      var options = tessera_control_options()
      options.size = MemoryLayout<tessera_control_options>.size
      options.progress = { _, _, _, context in
        let device = context?.assumingMemoryBound(to: OpaquePointer?.self)
        if let handle = device?.pointee {
          tessera_free(handle)
          device?.pointee = nil
        }
        return 0
      }
      let device = UnsafeMutablePointer<OpaquePointer?>.allocate(capacity: 1)
      defer { device.deallocate() }
      var control: OpaquePointer?
      try ok(tessera_device_open("cpu", nil, device))
      let opened = device.pointee
      options.context = UnsafeMutableRawPointer(device)
      try ok(tessera_control_create(&options, &control))
      defer { tessera_free(control) }
      var labels = [Int32](repeating: -1, count: 300)
      var want = labels
      try ok(all.rows { tessera_kmeans($0, 6, nil, opened, control, nil, &labels, nil, nil) })
      #expect(
        device.pointee == nil && tessera_free(opened) == tessera_status(TESSERA_INVALID_ARGUMENT))
      try ok(all.rows { tessera_kmeans($0, 6, nil, fixture.device, nil, nil, &want, nil, nil) })
      #expect(labels == want)
    }

    @Test func aDeadlineEndsTheCall() throws {
      let fixture = try CFixture()
      var options = tessera_control_options()
      options.size = MemoryLayout<tessera_control_options>.size
      options.seconds = 1e-9
      var (control, index): (OpaquePointer?, OpaquePointer?)
      try ok(tessera_control_create(&options, &control))
      defer { tessera_free(control) }
      #expect(
        tessera_index_build(
          "IVF8,Flat", fixture.vectors, 0, nil, 0, nil, fixture.device, control, &index)
          == tessera_status(TESSERA_DEADLINE_EXCEEDED))
      #expect(index == nil)
    }

    @Test func manyThreadsShareHandlesAndKeepTheirErrors() async throws {
      let fixture = try CFixture()
      var search: OpaquePointer?
      try ok(tessera_search_vectors(fixture.vectors, 1, fixture.device, &search))
      defer { tessera_free(search) }
      let want = try nearest(search, k: 3)
      let handle = UInt(bitPattern: search)
      let asked = asked
      let threads = (0..<8).map { _ in CThread() }
      for thread in threads {
        try thread.start {
          for round in 0..<50 {
            let search = OpaquePointer(bitPattern: handle)
            var ids = [Int64](repeating: 0, count: 15)
            var scores = [Float](repeating: 0, count: 15)
            let status = asked.rows {
              tessera_search_nearest(search, $0, 3, nil, nil, &ids, &scores, nil)
            }
            #expect(status == 0 && ids == want.ids && scores == want.scores)
            var filter: OpaquePointer?
            #expect(tessera_filter_range(Int64(round), 0 - 1, &filter) != 0)
            #expect(String(cString: tessera_last_error()).contains("from \(round) to"))
          }
        }
      }
      for thread in threads { thread.join() }
    }
  }
}

/// A thread of the system.
final class CThread: @unchecked Sendable {
  // Safe: written by `start` and read by `join`, which one thread calls.
  private var thread = pthread_t()
  private var body: (@Sendable () -> Void)?

  func start(_ body: @escaping @Sendable () -> Void) throws {
    self.body = body
    let context = Unmanaged.passUnretained(self).toOpaque()
    let status = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<CThread>.fromOpaque(context!).takeUnretainedValue().body?()
        return nil
      }, context)
    try #require(status == 0)
  }

  func join() { pthread_join(thread, nil) }
}
