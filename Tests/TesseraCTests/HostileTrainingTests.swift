import CTessera

extension CInterface.HostileCallTests {
  static func build(
    _ fixture: CFixture, _ specification: String?, metric: Int32 = 0,
    ids: [Int64]? = nil, count: Int64 = 0, change: (inout tessera_index_options) -> Void = { _ in }
  ) -> tessera_status {
    var options = tessera_index_options()
    options.size = MemoryLayout<tessera_index_options>.size
    change(&options)
    var index: OpaquePointer?
    defer { tessera_free(index) }
    return tessera_index_build(
      specification, fixture.vectors, metric, ids, count, &options, fixture.device, nil, &index)
  }

  static func kMeans(
    _ fixture: CFixture, k: Int64 = 3,
    change: (inout tessera_kmeans_options) -> Void = { _ in }
  ) -> tessera_status {
    var options = tessera_kmeans_options()
    options.size = MemoryLayout<tessera_kmeans_options>.size
    change(&options)
    return fixture.values.rows {
      tessera_kmeans($0, k, &options, fixture.device, nil, nil, nil, nil, nil)
    }
  }

  static func train(_ fixture: CFixture, _ specification: String?) -> tessera_status {
    var quantizer: OpaquePointer?
    defer { tessera_free(quantizer) }
    return fixture.values.rows {
      tessera_quantizer_train(specification, $0, fixture.device, nil, &quantizer, nil)
    }
  }

  nonisolated(unsafe) static let training: [Call] = [
    Call("no specification", TESSERA_INVALID_ARGUMENT) { build($0, nil) },
    Call("an empty specification", TESSERA_INVALID_ARGUMENT) { build($0, "") },
    Call("commas", TESSERA_INVALID_ARGUMENT) { build($0, ",,,,") },
    Call("too many lists for 32 bits", TESSERA_INVALID_ARGUMENT) {
      build($0, "IVF99999999999,Flat")
    },
    Call("more lists than rows", TESSERA_INVALID_SHAPE) { build($0, "IVF301,Flat") },
    Call("more subspaces than dimensions", TESSERA_INVALID_ARGUMENT) { build($0, "PQ999x8") },
    Call("33 bits", TESSERA_INVALID_ARGUMENT) { build($0, "PQ4x33") },
    Call("a graph", TESSERA_INVALID_ARGUMENT) { build($0, "HNSW32") },
    Call("ids that are NULL", TESSERA_INVALID_ARGUMENT) { build($0, "Flat", count: 300) },
    Call("too few ids", TESSERA_INVALID_SHAPE) { build($0, "Flat", ids: [1, 2], count: 2) },
    Call("a negative number of ids", TESSERA_INVALID_SHAPE) {
      build($0, "Flat", ids: [1], count: -1)
    },
    Call("ids that repeat", TESSERA_INVALID_ARGUMENT) {
      build($0, "Flat", ids: Array(repeating: 5, count: 300), count: 300)
    },
    Call("negative iterations", TESSERA_INVALID_ARGUMENT) {
      build($0, "Flat") { $0.iterations = -1 }
    },
    Call("a negative training limit", TESSERA_INVALID_ARGUMENT) {
      build($0, "Flat") { $0.training_limit = .min }
    },
    Call("a row that no index has", TESSERA_INVALID_ARGUMENT) { fixture in
      var index: OpaquePointer?
      _ = tessera_index_build(
        "Flat", fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &index)
      defer { tessera_free(index) }
      return tessera_index_reconstruct(index, [-1], 1, fixture.device, spareFloats)
    },
    Call("k-means without clusters", TESSERA_INVALID_ARGUMENT) { kMeans($0, k: 0) },
    Call("k-means with negative clusters", TESSERA_INVALID_SHAPE) { kMeans($0, k: .min) },
    Call("k-means with more clusters than points", TESSERA_INVALID_SHAPE) { kMeans($0, k: 301) },
    Call("k-means beyond memory", TESSERA_INVALID_SHAPE) { kMeans($0, k: .max) },
    Call("k-means by no algorithm", TESSERA_INVALID_ARGUMENT) { kMeans($0) { $0.algorithm = 9 } },
    Call("k-means from nowhere", TESSERA_INVALID_ARGUMENT) { kMeans($0) { $0.start = -1 } },
    Call("k-means by no metric", TESSERA_INVALID_ARGUMENT) { kMeans($0) { $0.metric = 7 } },
    Call("k-means with unknown flags", TESSERA_UNSUPPORTED) { kMeans($0) { $0.flags = 2 } },
    Call("k-means that only assigns, to nothing", TESSERA_INVALID_ARGUMENT) {
      kMeans($0) { $0.flags = 1 }
    },
    Call("k-means from centroids that are NULL", TESSERA_INVALID_ARGUMENT) {
      kMeans($0) {
        $0.start = Int32(TESSERA_GIVEN)
        $0.centroids = rows(count: 3, data: nil)
      }
    },
    Call("k-means with a tolerance that is no number", TESSERA_INVALID_ARGUMENT) {
      kMeans($0) { $0.tolerance = .nan }
    },
    Call("k-means with negative restarts", TESSERA_INVALID_ARGUMENT) {
      kMeans($0) { $0.restarts = -1 }
    },
    Call("exact k-means of 8 dimensions", TESSERA_INVALID_ARGUMENT) {
      kMeans($0) { $0.algorithm = Int32(TESSERA_EXACT_1D) }
    },
    Call("no quantizer", TESSERA_INVALID_ARGUMENT) { train($0, "ZZ9") },
    Call("NULL as a quantizer", TESSERA_INVALID_ARGUMENT) { train($0, nil) },
    Call("codes that are NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      var quantizer: OpaquePointer?
      _ = fixture.values.rows {
        tessera_quantizer_train("SQ8", $0, fixture.device, nil, &quantizer, nil)
      }
      defer { tessera_free(quantizer) }
      return tessera_quantizer_decode(quantizer, nil, 5, fixture.device, nil, spareFloats)
    },
    Call("codes of all memory", TESSERA_INVALID_SHAPE) { fixture in
      var (quantizer, search): (OpaquePointer?, OpaquePointer?)
      _ = fixture.values.rows {
        tessera_quantizer_train("PQ2x4", $0, fixture.device, nil, &quantizer, nil)
      }
      defer { tessera_free(quantizer) }
      return tessera_search_codes(quantizer, [0], .max, 0, fixture.device, &search)
    },
  ]
}
