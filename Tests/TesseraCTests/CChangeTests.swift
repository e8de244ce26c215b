import CTessera
import Synchronization
import Tessera
import TesseraHost
import Testing

extension CInterface {
  /// Indexes that change, and shards, through the C interface.
  @Suite struct CChangeTests {
    private let asked = CFixture.numbers(5 * CFixture.dimension, seed: 8)
    private let more = CFixture.numbers(60 * CFixture.dimension, seed: 9)

    private func nearest(_ search: OpaquePointer?, k: Int, probes: Int64 = 0) throws -> [Int64] {
      var options = tessera_search_options()
      options.size = MemoryLayout<tessera_search_options>.size
      options.probes = probes
      if probes == 0 { options.recall = 1 }
      var ids = [Int64](repeating: 99, count: 5 * k)
      var scores = [Float](repeating: 99, count: 5 * k)
      try ok(
        asked.rows {
          tessera_search_nearest(search, $0, Int64(k), &options, nil, &ids, &scores, nil)
        })
      return ids
    }

    /// What an exact search of these rows finds.
    private func truth(_ rows: [(id: Int64, row: [Float])], k: Int) throws -> [Int64] {
      let index = try Index.build(
        "Flat", Vectors(rows.flatMap(\.row), dimension: 8), metric: .squaredL2,
        ids: rows.map(\.id), on: ReferenceDevice.shared
      ).index
      return try IndexSearch(index, on: ReferenceDevice.shared).nearest(
        Vectors(asked, dimension: 8), k: k
      ).neighbors.ids
    }

    private func described(_ living: OpaquePointer?) throws -> tessera_living_info {
      var info = tessera_living_info()
      info.size = MemoryLayout<tessera_living_info>.size
      try ok(tessera_living_describe(living, &info))
      return info
    }

    private func row(_ values: [Float], _ number: Int) -> [Float] {
      Array(values[number * 8..<number * 8 + 8])
    }

    /// Changes an index in every way, and compares each state with an exact search of what there should be.
    private func change(
      _ living: OpaquePointer?, _ search: OpaquePointer?, _ fixture: CFixture
    ) throws {
      var rows = (0..<300).map { (id: Int64($0), row: row(fixture.values, $0)) }
      #expect(try nearest(search, k: 7) == truth(rows, k: 7))

      var given = [Int64](repeating: 0, count: 60)
      try ok(more.rows { tessera_living_add(living, $0, nil, 0, &given) })
      #expect(given == (300..<360).map { Int64($0) })
      rows += (0..<60).map { (id: Int64(300 + $0), row: row(more, $0)) }
      #expect(try nearest(search, k: 7) == truth(rows, k: 7))

      let best = try truth(rows, k: 1)
      var removed: Int64 = 0
      try ok(tessera_living_remove(living, best + [-5, .max], Int64(best.count + 2), &removed))
      rows.removeAll { best.contains($0.id) }
      #expect(removed == Int64(Set(best).count))
      #expect(try nearest(search, k: 7) == truth(rows, k: 7))

      var filter: OpaquePointer?
      try ok(tessera_filter_range(100, 150, &filter))
      defer { tessera_free(filter) }
      try ok(tessera_living_remove_selected(living, filter, &removed))
      #expect(removed == Int64(rows.count { (100..<150).contains($0.id) }))
      rows.removeAll { (100..<150).contains($0.id) }

      let ids = rows.prefix(5).map(\.id)
      try ok(asked.rows { tessera_living_update(living, $0, ids, 5) })
      for place in 0..<5 { rows[place].row = row(asked, place) }
      #expect(try nearest(search, k: 7) == truth(rows, k: 7))
      var values = [Float](repeating: 0, count: 16)
      try ok(tessera_living_reconstruct(living, [ids[1], 299], 2, fixture.device, &values))
      #expect(Array(values.prefix(8)) == row(asked, 1))
      // As it is kept: of codes that is not quite what was given.
      #expect(zip(values.suffix(8), row(fixture.values, 299)).allSatisfy { abs($0 - $1) < 0.01 })

      var info = try described(living)
      #expect(info.count == Int64(rows.count) && info.next_id == 360 && info.is_writable == 1)
      #expect(info.added_count > 0 && info.removed_count > 0)
      var whole: OpaquePointer?
      try ok(tessera_living_index(living, fixture.device, nil, &whole))
      try ok(tessera_living_compact(living, fixture.device, nil))
      defer { tessera_free(whole) }
      info = try described(living)
      #expect(info.count == Int64(rows.count) && info.added_count == 0 && info.removed_count == 0)
      #expect(try nearest(search, k: 7) == truth(rows, k: 7))
      var fixed: OpaquePointer?
      try ok(tessera_search_index(whole, fixture.device, &fixed))
      defer { tessera_free(fixed) }
      #expect(try nearest(fixed, k: 7, probes: 2) == nearest(search, k: 7, probes: 2))
      try ok(more.rows { tessera_living_add(living, $0, nil, 0, &given) })
      #expect(given.first == 360)
      try ok(tessera_living_verify(living))
    }

    @Test func anIndexInAFileChanges() throws {
      let fixture = try CFixture()
      let path = "/tmp/tessera-c-\(UInt64.random(in: 0 ... .max)).index"
      defer {
        unlink(path)
        unlink(path + ".journal")
      }
      var (index, living, search, reader):
        (
          OpaquePointer?, OpaquePointer?, OpaquePointer?, OpaquePointer?
        )
      try ok(
        tessera_index_build(
          "IVF8,Flat", fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &index))
      try ok(tessera_index_save(index, path))
      tessera_free(index)
      try ok(tessera_living_open(path, UInt32(TESSERA_WRITE), &living))
      try ok(tessera_living_open(path, 0, &reader))
      try ok(tessera_search_living(living, fixture.device, &search))
      try change(living, search, fixture)
      #expect(try described(living).journal_bytes > 0)
      // A reader sees what was changed when it asks.
      #expect(try described(reader).count == 300 && described(reader).is_writable == 0)
      try ok(tessera_living_refresh(reader))
      #expect(try described(reader).count == described(living).count)
      // The file is another's to write once all that was made of it is freed.
      let found = try nearest(search, k: 9)
      for handle in [living, search, reader] { tessera_free(handle) }
      try ok(tessera_living_open(path, UInt32(TESSERA_WRITE), &living))
      try ok(tessera_search_living(living, fixture.device, &search))
      #expect(try nearest(search, k: 9) == found)
      // What was changed is no index that is read without its journal.
      #expect(tessera_index_open(path, &index) == tessera_status(TESSERA_UNSUPPORTED))
      for handle in [living, search] { tessera_free(handle) }
    }

    @Test(arguments: ["IVF8,Flat", "Flat", "IVF4,SQ8,RFlat"])
    func anIndexInMemoryChanges(_ specification: String) throws {
      let fixture = try CFixture()
      var (index, living, search): (OpaquePointer?, OpaquePointer?, OpaquePointer?)
      try ok(
        tessera_index_build(
          specification, fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &index))
      try ok(tessera_living_create(index, &living))
      try ok(tessera_search_living(living, fixture.device, &search))
      defer { for handle in [index, living, search] { tessera_free(handle) } }
      try change(living, search, fixture)
      // The index it was made of is as it was.
      var info = tessera_index_info()
      info.size = MemoryLayout<tessera_index_info>.size
      try ok(tessera_index_describe(index, &info))
      #expect(info.count == 300)
    }

    @Test(arguments: ["IVF8,Flat", "Flat", "IVF4,PQ4x4", "SQ8", "PCA4,IVF4,Flat", "IVF4,SQ8,RFlat"])
    func aTrainedIndexTakesRows(_ specification: String) throws {
      let fixture = try CFixture()
      var (trained, whole, living): (OpaquePointer?, OpaquePointer?, OpaquePointer?)
      try ok(
        tessera_index_train(specification, fixture.vectors, 0, nil, fixture.device, nil, &trained))
      try ok(
        tessera_index_build(
          specification, fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &whole))
      try ok(tessera_living_create(trained, &living))
      defer { for handle in [trained, whole, living] { tessera_free(handle) } }
      #expect(try described(living).count == 0)
      try ok(fixture.values.rows { tessera_living_add(living, $0, nil, 0, nil) })
      try ok(tessera_living_compact(living, fixture.device, nil))
      // Rows that were added find the places that building gives them.
      var (one, other): (OpaquePointer?, OpaquePointer?)
      try ok(tessera_search_index(whole, fixture.device, &one))
      try ok(tessera_search_living(living, fixture.device, &other))
      defer { for handle in [one, other] { tessera_free(handle) } }
      for probes: Int64 in [0, 1, 3] {
        #expect(try nearest(one, k: 6, probes: probes) == nearest(other, k: 6, probes: probes))
      }
    }

    @Test func newIDsFollowTheOrderOfTheOld() throws {
      let fixture = try CFixture()
      let ids = (0..<300).map { Int64(($0 * 7) % 300 * 10) }
      var (index, renumbered): (OpaquePointer?, OpaquePointer?)
      try ok(
        tessera_index_build(
          "IVF8,Flat", fixture.vectors, 0, ids, 300, nil, fixture.device, nil, &index))
      try ok(tessera_index_renumber(index, &renumbered))
      defer { for handle in [index, renumbered] { tessera_free(handle) } }
      var (old, new) = ([Float](repeating: 0, count: 16), [Float](repeating: 1, count: 16))
      try ok(tessera_index_reconstruct(index, [0, 2990], 2, fixture.device, &old))
      try ok(tessera_index_reconstruct(renumbered, [0, 299], 2, fixture.device, &new))
      #expect(old == new)
    }

    @Test func idsAtTheEndOfAllNumbersAreIDs() throws {
      let fixture = try CFixture()
      var (index, living, search, filter):
        (
          OpaquePointer?, OpaquePointer?, OpaquePointer?, OpaquePointer?
        )
      try ok(
        tessera_index_build("Flat", fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &index))
      try ok(tessera_living_create(index, &living))
      try ok(tessera_search_living(living, fixture.device, &search))
      try ok(tessera_filter_range(.max - 5, .max, &filter))
      defer { for handle in [index, living, search, filter] { tessera_free(handle) } }
      let two = Array(asked.prefix(16))
      try ok(two.rows { tessera_living_add(living, $0, [.max - 1, .max], 2, nil) })
      var options = tessera_search_options()
      options.size = MemoryLayout<tessera_search_options>.size
      options.filter = filter
      var ids = [Int64](repeating: 0, count: 4)
      var scores = [Float](repeating: 0, count: 4)
      try ok(
        two.rows { tessera_search_nearest(search, $0, 2, &options, nil, &ids, &scores, nil) })
      #expect(ids == [.max - 1, -1, .max - 1, -1])
      var removed: Int64 = 0
      try ok(tessera_living_remove_selected(living, filter, &removed))
      #expect(removed == 1)
      try ok(tessera_living_compact(living, fixture.device, nil))
      #expect(try described(living).count == 301)
    }

    @Test func searchesGoOnWhileAnIndexChanges() async throws {
      let fixture = try CFixture()
      var (index, living, search): (OpaquePointer?, OpaquePointer?, OpaquePointer?)
      try ok(
        tessera_index_build(
          "IVF8,Flat", fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &index))
      try ok(tessera_living_create(index, &living))
      try ok(tessera_search_living(living, fixture.device, &search))
      defer { for handle in [index, living, search] { tessera_free(handle) } }
      let handle = UInt(bitPattern: search)
      let asked = asked
      let isDone = Atomic(false)
      let rounds = Atomic(0)
      let threads = (0..<2).map { _ in CThread() }
      for thread in threads {
        try thread.start {
          var ids = [Int64](repeating: 0, count: 15)
          var scores = [Float](repeating: 0, count: 15)
          repeat {
            let status = asked.rows {
              tessera_search_nearest(
                OpaquePointer(bitPattern: handle), $0, 3, nil, nil, &ids, &scores, nil)
            }
            // Rows of all rounds are the queries themselves: each state has all five or none.
            let hits = (0..<5).count { ids[$0 * 3] >= 300 }
            #expect(status == 0 && (hits == 0 || hits == 5))
            rounds.add(1, ordering: .relaxed)
          } while !isDone.load(ordering: .relaxed)
        }
      }
      for round in 0..<20 {
        var given = [Int64](repeating: 0, count: 5)
        try ok(asked.rows { tessera_living_add(living, $0, nil, 0, &given) })
        if round % 5 == 4 { try ok(tessera_living_compact(living, fixture.device, nil)) }
        try ok(tessera_living_remove(living, given, 5, nil))
      }
      isDone.store(true, ordering: .relaxed)
      for thread in threads { thread.join() }
      #expect(rounds.load(ordering: .relaxed) >= 2)
    }

    @Test(arguments: [Metric.squaredL2, .innerProduct])
    func shardsMergedInAnyGroupingAreTheWhole(_ metric: Metric) throws {
      let fixture = try CFixture()
      // Rows that repeat, so that ids have to break ties in and between shards.
      let values = Array(fixture.values.prefix(40 * 8)) + Array(fixture.values.prefix(40 * 8))
      let number = tessera_metric(metric == .squaredL2 ? TESSERA_L2 : TESSERA_INNER_PRODUCT)
      let k = 6
      func search(_ rows: Range<Int>) throws -> (ids: [Int64], scores: [Float]) {
        var (vectors, search): (OpaquePointer?, OpaquePointer?)
        try ok(
          Array(values[rows.lowerBound * 8..<rows.upperBound * 8]).rows {
            tessera_vectors_copy($0, &vectors)
          })
        try ok(
          tessera_search_shard(
            vectors, Int64(rows.lowerBound), number, fixture.device, &search))
        defer { for handle in [vectors, search] { tessera_free(handle) } }
        var ids = [Int64](repeating: 99, count: 5 * k)
        var scores = [Float](repeating: 99, count: 5 * k)
        try ok(
          asked.rows { tessera_search_nearest(search, $0, Int64(k), nil, nil, &ids, &scores, nil) })
        return (ids, scores)
      }
      func merge(_ parts: [(ids: [Int64], scores: [Float])]) throws -> (
        ids: [Int64], scores: [Float]
      ) {
        var ids = [Int64](repeating: 99, count: 5 * k)
        var scores = [Float](repeating: 99, count: 5 * k)
        try ok(
          tessera_merge_top_k(
            parts.flatMap(\.ids), parts.flatMap(\.scores), Int64(parts.count), 5, Int64(k), number,
            Int64(k), &ids, &scores))
        return (ids, scores)
      }
      let want = try search(0..<80)
      var random = SplitMix64(seed: 3)
      for _ in 0..<30 {
        // Shards may be empty, and shorter than k.
        let cuts = (0..<4).map { _ in Int(random.next() % 81) }.sorted()
        var parts = try zip([0] + cuts, cuts + [80]).map { try search($0.0..<$0.1) }
        while parts.count > 1 {
          parts.swapAt(0, Int(random.next() % UInt64(parts.count)))
          let some = 2 + Int(random.next() % UInt64(parts.count - 1))
          parts = [try merge(Array(parts[..<some]))] + parts[some...]
        }
        #expect(parts[0].ids == want.ids && parts[0].scores == want.scores)
      }
    }
  }
}
