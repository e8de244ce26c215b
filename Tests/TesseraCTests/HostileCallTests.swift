import CTessera
import Testing

extension CInterface {
  /// Calls that no careful program makes. Each has to end with an error that says something, and the
  /// process has to live on.
  @Suite struct HostileCallTests {
    /// A hostile call: its name, the status it has to end with, and the call.
    struct Call: CustomTestStringConvertible {
      let name: String
      let status: Int
      let run: (CFixture) -> tessera_status
      var testDescription: String { name }

      init(_ name: String, _ status: Int, _ run: @escaping (CFixture) -> tessera_status) {
        self.name = name
        self.status = status
        self.run = run
      }
    }

    @Test func everyHostileCallIsAnError() throws {
      let fixture = try CFixture()
      let calls =
        Self.handles + Self.shapes + Self.structs + Self.options + Self.files + Self.training
        + Self.changes + Self.shards + Self.machines
      for call in calls {
        let before = tessera_handle_count()
        let status = call.run(fixture)
        #expect(
          status == tessera_status(call.status),
          "\(call.name): \(String(cString: tessera_status_name(status))): \(String(cString: tessera_last_error()))"
        )
        #expect(!String(cString: tessera_last_error()).isEmpty, "\(call.name)")
        #expect(tessera_handle_count() == before, "\(call.name) left a handle behind")
      }
    }

    /// Opens a search of the fixture's rows, and searches with what `change` makes of the arguments.
    static func search(
      _ fixture: CFixture, queries: tessera_rows? = nil, k: Int64 = 2,
      ids: UnsafeMutablePointer<Int64>? = spare, scores: UnsafeMutablePointer<Float>? = spareFloats,
      options: tessera_search_options? = nil,
      report: UnsafeMutablePointer<tessera_search_report>? = nil
    ) -> tessera_status {
      var search: OpaquePointer?
      guard tessera_search_vectors(fixture.vectors, 0, fixture.device, &search) == 0 else {
        return -1
      }
      defer { tessera_free(search) }
      return fixture.values.withUnsafeBytes { bytes in
        var rows =
          queries
          ?? tessera_rows(data: bytes.baseAddress, element: 0, count: 2, dimension: 8, stride: 0)
        if rows.data == marker { rows.data = bytes.baseAddress }
        guard var options else {
          return tessera_search_nearest(search, &rows, k, nil, nil, ids, scores, report)
        }
        return tessera_search_nearest(search, &rows, k, &options, nil, ids, scores, report)
      }
    }

    /// Stands for the fixture's own numbers.
    nonisolated(unsafe) static let marker = UnsafeRawPointer(bitPattern: 64)
    nonisolated(unsafe) static let spare = UnsafeMutablePointer<Int64>.allocate(capacity: 4096)
    nonisolated(unsafe) static let spareFloats = UnsafeMutablePointer<Float>.allocate(
      capacity: 4096)

    static func rows(
      _ element: Int32 = 0, count: Int64 = 2, dimension: Int64 = 8, stride: Int64 = 0,
      data: UnsafeRawPointer? = marker
    ) -> tessera_rows {
      tessera_rows(
        data: data, element: element, count: count, dimension: dimension, stride: stride)
    }

    static func searchOptions(
      size: Int = MemoryLayout<tessera_search_options>.size, filter: OpaquePointer? = nil,
      probes: Int64 = 0, recall: Double = 0
    ) -> tessera_search_options {
      tessera_search_options(size: size, filter: filter, probes: probes, recall: recall)
    }

    nonisolated(unsafe) static let handles: [Call] = [
      Call("free of rubbish", TESSERA_INVALID_ARGUMENT) { _ in
        tessera_free(OpaquePointer(bitPattern: 0xDEAD_BEEF))
      },
      Call("free twice", TESSERA_INVALID_ARGUMENT) { _ in
        var filter: OpaquePointer?
        _ = tessera_filter_range(0, 1, &filter)
        tessera_free(filter)
        return tessera_free(filter)
      },
      Call("use after free", TESSERA_INVALID_ARGUMENT) { fixture in
        var vectors: OpaquePointer?
        _ = fixture.values.rows { tessera_vectors_copy($0, &vectors) }
        tessera_free(vectors)
        var search: OpaquePointer?
        return tessera_search_vectors(vectors, 0, fixture.device, &search)
      },
      Call("another kind", TESSERA_INVALID_ARGUMENT) { fixture in
        var search: OpaquePointer?
        return tessera_search_vectors(fixture.device, 0, fixture.vectors, &search)
      },
      Call("NULL handle", TESSERA_INVALID_ARGUMENT) { fixture in
        var search: OpaquePointer?
        return tessera_search_vectors(nil, 0, fixture.device, &search)
      },
      Call("NULL place for a handle", TESSERA_INVALID_ARGUMENT) { fixture in
        tessera_search_vectors(fixture.vectors, 0, fixture.device, nil)
      },
      Call("cancel NULL", TESSERA_INVALID_ARGUMENT) { _ in tessera_control_cancel(nil) },
      Call("describe NULL", TESSERA_INVALID_ARGUMENT) { _ in tessera_device_describe(nil, nil) },
      Call("describe into NULL", TESSERA_INVALID_ARGUMENT) {
        tessera_device_describe($0.device, nil)
      },
      Call("devices without a place", TESSERA_INVALID_ARGUMENT) { _ in tessera_devices(nil, 0, nil)
      },
      Call("devices into NULL", TESSERA_INVALID_ARGUMENT) { _ in
        var count: Int64 = 0
        return tessera_devices(nil, 3, &count)
      },
      Call("hits of NULL", TESSERA_INVALID_ARGUMENT) { _ in tessera_hits_copy(nil, nil, nil, nil) },
      Call("count of hits of NULL", TESSERA_INVALID_ARGUMENT) { _ in
        tessera_hits_count(nil, nil, nil)
      },
      Call("a control that is a device", TESSERA_INVALID_ARGUMENT) { fixture in
        var index: OpaquePointer?
        return tessera_index_build(
          "Flat", fixture.vectors, 0, nil, 0, nil, fixture.device, fixture.device, &index)
      },
      Call("a filter that was freed", TESSERA_INVALID_ARGUMENT) {
        search($0, options: searchOptions(filter: OpaquePointer(bitPattern: 48)))
      },
    ]

    nonisolated(unsafe) static let shapes: [Call] = [
      Call("queries NULL", TESSERA_INVALID_ARGUMENT) { search($0, queries: rows(data: nil)) },
      Call("negative count", TESSERA_INVALID_SHAPE) { search($0, queries: rows(count: -1)) },
      Call("count beyond memory", TESSERA_INVALID_SHAPE) { search($0, queries: rows(count: .max)) },
      Call("count times stride beyond 64 bits", TESSERA_INVALID_SHAPE) {
        search($0, queries: rows(count: 1 << 40, stride: 1 << 40))
      },
      Call("memory beyond the end of addresses", TESSERA_INVALID_ARGUMENT) {
        search(
          $0, queries: rows(count: 1 << 20, data: UnsafeRawPointer(bitPattern: UInt.max - 1000)))
      },
      Call("dimension 0", TESSERA_INVALID_SHAPE) { search($0, queries: rows(dimension: 0)) },
      Call("negative dimension", TESSERA_INVALID_SHAPE) {
        search($0, queries: rows(dimension: -8))
      },
      Call("dimension too large", TESSERA_INVALID_SHAPE) {
        search($0, queries: rows(count: 0, dimension: .max))
      },
      Call("another dimension", TESSERA_INVALID_SHAPE) { search($0, queries: rows(dimension: 7)) },
      Call("stride too small", TESSERA_INVALID_SHAPE) { search($0, queries: rows(stride: 31)) },
      Call("negative stride", TESSERA_INVALID_SHAPE) { search($0, queries: rows(stride: -32)) },
      Call("no such element", TESSERA_INVALID_ARGUMENT) { search($0, queries: rows(5)) },
      Call("element -1", TESSERA_INVALID_ARGUMENT) { search($0, queries: rows(-1)) },
      Call("k 0", TESSERA_INVALID_ARGUMENT) { search($0, k: 0) },
      Call("k negative", TESSERA_INVALID_ARGUMENT) { search($0, k: .min) },
      Call("k beyond memory", TESSERA_INVALID_SHAPE) { search($0, k: .max) },
      Call("ids NULL", TESSERA_INVALID_ARGUMENT) { search($0, ids: nil) },
      Call("scores NULL", TESSERA_INVALID_ARGUMENT) { search($0, scores: nil) },
      Call("NaN in queries", TESSERA_NON_FINITE) { fixture in
        [Float](repeating: .nan, count: 16).withUnsafeBytes {
          search(fixture, queries: rows(data: $0.baseAddress))
        }
      },
      Call("infinity in rows", TESSERA_NON_FINITE) { fixture in
        var (vectors, search): (OpaquePointer?, OpaquePointer?)
        let numbers = [Float](repeating: .infinity, count: 16)
        _ = numbers.rows { tessera_vectors_copy($0, &vectors) }
        _ = tessera_search_vectors(vectors, 0, fixture.device, &search)
        defer {
          tessera_free(vectors)
          tessera_free(search)
        }
        return fixture.values.rows {
          var queries = $0.pointee
          queries.count = 1
          return tessera_search_nearest(search, &queries, 1, nil, nil, spare, spareFloats, nil)
        }
      },
      Call("rows NULL", TESSERA_INVALID_ARGUMENT) { _ in
        var vectors: OpaquePointer?
        return tessera_vectors_wrap(nil, nil, nil, &vectors)
      },
      Call("rows into NULL", TESSERA_INVALID_ARGUMENT) { tessera_vectors_rows($0.vectors, nil) },
      Call("no such metric", TESSERA_INVALID_ARGUMENT) { fixture in
        var search: OpaquePointer?
        return tessera_search_vectors(fixture.vectors, 5, fixture.device, &search)
      },
      Call("a metric of bits for numbers", TESSERA_INVALID_ARGUMENT) { fixture in
        var search: OpaquePointer?
        return tessera_search_vectors(
          fixture.vectors, tessera_metric(TESSERA_HAMMING), fixture.device, &search)
      },
      Call("metric far off", TESSERA_INVALID_ARGUMENT) { fixture in
        var search: OpaquePointer?
        return tessera_search_vectors(fixture.vectors, .min, fixture.device, &search)
      },
      Call("a range that ends before it begins", TESSERA_INVALID_ARGUMENT) { _ in
        var filter: OpaquePointer?
        return tessera_filter_range(.max, .min, &filter)
      },
      Call("ids NULL", TESSERA_INVALID_ARGUMENT) { _ in
        var filter: OpaquePointer?
        return tessera_filter_ids(nil, 3, &filter)
      },
      Call("a negative number of ids", TESSERA_INVALID_SHAPE) { _ in
        var filter: OpaquePointer?
        return tessera_filter_ids(spare, -3, &filter)
      },
      Call("ids far apart", TESSERA_INVALID_ARGUMENT) { _ in
        var filter: OpaquePointer?
        return tessera_filter_ids([.min, .max], 2, &filter)
      },
      Call("more words than memory", TESSERA_INVALID_SHAPE) { _ in
        var filter: OpaquePointer?
        return tessera_filter_bitmap([1], .max, 0, &filter)
      },
    ]

    nonisolated(unsafe) static let structs: [Call] = [
      Call("options of size 0", TESSERA_INVALID_ARGUMENT) {
        search($0, options: searchOptions(size: 0))
      },
      Call("options of half their size", TESSERA_INVALID_ARGUMENT) {
        search($0, options: searchOptions(size: 12))
      },
      Call("options of all memory", TESSERA_INVALID_ARGUMENT) {
        search($0, options: searchOptions(size: .max))
      },
      Call("fields of a later version", TESSERA_UNSUPPORTED) { fixture in
        var later = [UInt64](repeating: 0, count: 6)
        later[0] = 48
        later[5] = 1
        return later.withUnsafeMutableBytes { bytes in
          let options = bytes.bindMemory(to: tessera_search_options.self)
          var search: OpaquePointer?
          _ = tessera_search_vectors(fixture.vectors, 0, fixture.device, &search)
          defer { tessera_free(search) }
          return fixture.values.rows {
            tessera_search_nearest(
              search, $0, 1, options.baseAddress, nil, spare, spareFloats, nil)
          }
        }
      },
      Call("a report without a size", TESSERA_INVALID_ARGUMENT) { fixture in
        var report = tessera_search_report()
        return search(fixture, report: &report)
      },
    ]

    nonisolated(unsafe) static let options: [Call] = [
      Call("negative probes", TESSERA_INVALID_ARGUMENT) {
        search($0, options: searchOptions(probes: -1))
      },
      Call("recall above 1", TESSERA_INVALID_ARGUMENT) {
        search($0, options: searchOptions(recall: 1.5))
      },
      Call("recall NaN", TESSERA_INVALID_ARGUMENT) {
        search($0, options: searchOptions(recall: .nan))
      },
      Call("probes and recall", TESSERA_INVALID_ARGUMENT) {
        search($0, options: searchOptions(probes: 1, recall: 0.5))
      },
      Call("no such device", TESSERA_INVALID_ARGUMENT) { _ in
        var device: OpaquePointer?
        return tessera_device_open("toaster", nil, &device)
      },
      Call("a device number beyond all", TESSERA_INVALID_ARGUMENT) { _ in
        var device: OpaquePointer?
        return tessera_device_open("opencl:99999999999999999999", nil, &device)
      },
      Call("bytes that are no UTF-8", TESSERA_INVALID_ARGUMENT) { _ in
        var device: OpaquePointer?
        return tessera_device_open([-1, -2, 65, 0], nil, &device)
      },
      Call("negative threads", TESSERA_INVALID_ARGUMENT) { _ in
        var device: OpaquePointer?
        var options = tessera_device_options(
          size: MemoryLayout<tessera_device_options>.size, threads: -1, flags: 0)
        return tessera_device_open("cpu", &options, &device)
      },
      Call("unknown flags", TESSERA_UNSUPPORTED) { _ in
        var device: OpaquePointer?
        var options = tessera_device_options(
          size: MemoryLayout<tessera_device_options>.size, threads: 0, flags: .max)
        return tessera_device_open("cpu", &options, &device)
      },
      Call("opencl:all without leave to measure", TESSERA_UNSUPPORTED) { _ in
        var device: OpaquePointer?
        return tessera_device_open("opencl:all", nil, &device)
      },
      Call("a deadline in the past", TESSERA_INVALID_ARGUMENT) { _ in control(seconds: -1) },
      Call("a deadline that is no number", TESSERA_INVALID_ARGUMENT) { _ in control(seconds: .nan)
      },
    ]

    static func control(seconds: Double) -> tessera_status {
      var options = tessera_control_options()
      options.size = MemoryLayout<tessera_control_options>.size
      options.seconds = seconds
      var control: OpaquePointer?
      return tessera_control_create(&options, &control)
    }

    nonisolated(unsafe) static let files: [Call] = [
      Call("a path that is NULL", TESSERA_INVALID_ARGUMENT) { _ in
        var vectors: OpaquePointer?
        return tessera_vectors_open(nil, &vectors)
      },
      Call("a file that is not there", TESSERA_INPUT_NOT_FOUND) { _ in
        var vectors: OpaquePointer?
        return tessera_vectors_open("/nowhere/x.npy", &vectors)
      },
      Call("a file without an extension", TESSERA_INVALID_ARGUMENT) { _ in
        var vectors: OpaquePointer?
        return tessera_vectors_open("", &vectors)
      },
      Call("an index that is not there", TESSERA_INPUT_NOT_FOUND) { _ in
        var index: OpaquePointer?
        return tessera_index_open("/nowhere/x.index", &index)
      },
      Call("a quantizer that is not there", TESSERA_INPUT_NOT_FOUND) { _ in
        var quantizer: OpaquePointer?
        return tessera_quantizer_open("/nowhere/x", &quantizer)
      },
      Call("a conversion of nothing", TESSERA_INPUT_NOT_FOUND) {
        tessera_index_convert("/nowhere/x", "/nowhere/y", $0.device, nil)
      },
      Call("an index saved nowhere", TESSERA_CANNOT_CREATE) { fixture in
        var index: OpaquePointer?
        _ = tessera_index_build(
          "Flat", fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &index)
        defer { tessera_free(index) }
        return tessera_index_save(index, "/nowhere/x.index")
      },
    ]
  }
}
