import CTessera
import TesseraHost

extension CInterface.HostileCallTests {
  /// Makes an index in memory of the fixture's rows, and does `body` to it.
  static func living(
    _ fixture: CFixture, _ specification: String = "IVF4,Flat",
    _ body: (OpaquePointer?) -> tessera_status
  ) -> tessera_status {
    var (index, living): (OpaquePointer?, OpaquePointer?)
    _ = tessera_index_build(
      specification, fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &index)
    guard tessera_living_create(index, &living) == 0 else { return -1 }
    defer {
      tessera_free(index)
      tessera_free(living)
    }
    return body(living)
  }

  /// Adds the fixture's first rows as `change` makes of the arguments.
  static func add(
    _ fixture: CFixture, _ rows: tessera_rows = rows(), ids: [Int64]? = nil, count: Int64? = nil
  ) -> tessera_status {
    living(fixture) { living in
      lend(fixture, rows) {
        tessera_living_add(living, $0, ids, count ?? Int64(ids?.count ?? 0), nil)
      }
    }
  }

  static func lend(
    _ fixture: CFixture, _ rows: tessera_rows,
    _ body: (UnsafePointer<tessera_rows>) -> tessera_status
  ) -> tessera_status {
    fixture.values.withUnsafeBytes { bytes in
      var rows = rows
      if rows.data == marker { rows.data = bytes.baseAddress }
      return body(&rows)
    }
  }

  /// Writes an index of the fixture's rows to a file, and does `body` to its path.
  static func file(_ fixture: CFixture, _ body: (String) -> tessera_status) -> tessera_status {
    let path = "/tmp/tessera-hostile-\(UInt64.random(in: 0 ... .max)).index"
    var index: OpaquePointer?
    _ = tessera_index_build("Flat", fixture.vectors, 0, nil, 0, nil, fixture.device, nil, &index)
    defer {
      tessera_free(index)
      unlink(path)
      unlink(path + ".journal")
    }
    guard tessera_index_save(index, path) == 0 else { return -1 }
    return body(path)
  }

  nonisolated(unsafe) static let changes: [Call] = [
    Call("a path that is NULL, to change", TESSERA_INVALID_ARGUMENT) { _ in
      var living: OpaquePointer?
      return tessera_living_open(nil, 0, &living)
    },
    Call("an index that is not there, to change", TESSERA_INPUT_NOT_FOUND) { _ in
      var living: OpaquePointer?
      return tessera_living_open("/nowhere/x.index", UInt32(TESSERA_WRITE), &living)
    },
    Call("a folder, to change", TESSERA_INPUT_NOT_FOUND) { _ in
      var living: OpaquePointer?
      return tessera_living_open("/tmp", UInt32(TESSERA_WRITE), &living)
    },
    Call("unknown flags of opening", TESSERA_UNSUPPORTED) { _ in
      var living: OpaquePointer?
      return tessera_living_open("/tmp/x", .max, &living)
    },
    Call("a second writer", TESSERA_BUSY) { fixture in
      file(fixture) { path in
        var (one, other): (OpaquePointer?, OpaquePointer?)
        _ = tessera_living_open(path, UInt32(TESSERA_WRITE), &one)
        defer { tessera_free(one) }
        return tessera_living_open(path, UInt32(TESSERA_WRITE), &other)
      }
    },
    Call("a change of what was opened for reading", TESSERA_INVALID_ARGUMENT) { fixture in
      file(fixture) { path in
        var living: OpaquePointer?
        _ = tessera_living_open(path, 0, &living)
        defer { tessera_free(living) }
        return lend(fixture, rows()) { tessera_living_add(living, $0, nil, 0, nil) }
      }
    },
    Call("compacting what was opened for reading", TESSERA_INVALID_ARGUMENT) { fixture in
      file(fixture) { path in
        var living: OpaquePointer?
        _ = tessera_living_open(path, 0, &living)
        defer { tessera_free(living) }
        return tessera_living_compact(living, fixture.device, nil)
      }
    },
    Call("an index that is NULL", TESSERA_INVALID_ARGUMENT) { _ in
      var living: OpaquePointer?
      return tessera_living_create(nil, &living)
    },
    Call("an index that is none", TESSERA_INVALID_ARGUMENT) { fixture in
      var living: OpaquePointer?
      return tessera_living_create(fixture.vectors, &living)
    },
    Call("NULL place for a changing index", TESSERA_INVALID_ARGUMENT) { _ in
      tessera_living_create(nil, nil)
    },
    Call("adding to NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      lend(fixture, rows()) { tessera_living_add(nil, $0, nil, 0, nil) }
    },
    Call("adding NULL", TESSERA_INVALID_ARGUMENT) {
      living($0) { tessera_living_add($0, nil, nil, 0, nil) }
    },
    Call("adding rows that are NULL", TESSERA_INVALID_ARGUMENT) { add($0, rows(data: nil)) },
    Call("adding a negative number of rows", TESSERA_INVALID_SHAPE) { add($0, rows(count: -1)) },
    Call("adding rows beyond memory", TESSERA_INVALID_SHAPE) { add($0, rows(count: .max)) },
    Call("adding rows of another dimension", TESSERA_INVALID_SHAPE) {
      add($0, rows(dimension: 7))
    },
    Call("adding no such element", TESSERA_INVALID_ARGUMENT) { add($0, rows(9)) },
    Call("adding NaN", TESSERA_NON_FINITE) { fixture in
      [Float](repeating: .nan, count: 16).withUnsafeBytes {
        add(fixture, rows(data: $0.baseAddress))
      }
    },
    Call("adding with ids that are NULL", TESSERA_INVALID_ARGUMENT) { add($0, count: 2) },
    Call("adding with too few ids", TESSERA_INVALID_SHAPE) { add($0, ids: [1000]) },
    Call("adding a negative number of ids", TESSERA_INVALID_SHAPE) {
      add($0, ids: [1000], count: -1)
    },
    Call("adding more ids than memory", TESSERA_INVALID_SHAPE) {
      add($0, ids: [1000], count: .max)
    },
    Call("adding an id twice", TESSERA_INVALID_ARGUMENT) { add($0, ids: [1000, 1000]) },
    Call("adding an id that is there", TESSERA_INVALID_ARGUMENT) { add($0, ids: [1000, 299]) },
    Call("adding after the last id", TESSERA_INVALID_ARGUMENT) { fixture in
      living(fixture) { living in
        lend(fixture, rows()) {
          _ = tessera_living_add(living, $0, [.max - 1, .max], 2, nil)
          return tessera_living_add(living, $0, nil, 0, nil)
        }
      }
    },
    Call("updating NULL", TESSERA_INVALID_ARGUMENT) { _ in
      tessera_living_update(nil, nil, nil, 0)
    },
    Call("updating without ids", TESSERA_INVALID_SHAPE) { fixture in
      living(fixture) { living in
        lend(fixture, rows()) { tessera_living_update(living, $0, nil, 0) }
      }
    },
    Call("updating ids that are NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      living(fixture) { living in
        lend(fixture, rows()) { tessera_living_update(living, $0, nil, 2) }
      }
    },
    Call("updating an id that is not there", TESSERA_INVALID_ARGUMENT) { fixture in
      living(fixture) { living in
        lend(fixture, rows()) { tessera_living_update(living, $0, [0, .min], 2) }
      }
    },
    Call("removing from NULL", TESSERA_INVALID_ARGUMENT) { _ in
      tessera_living_remove(nil, [0], 1, nil)
    },
    Call("removing ids that are NULL", TESSERA_INVALID_ARGUMENT) {
      living($0) { tessera_living_remove($0, nil, 3, nil) }
    },
    Call("removing a negative number", TESSERA_INVALID_SHAPE) {
      living($0) { tessera_living_remove($0, [1], -1, nil) }
    },
    Call("removing by no filter", TESSERA_INVALID_ARGUMENT) {
      living($0) { tessera_living_remove_selected($0, nil, nil) }
    },
    Call("removing by a device", TESSERA_INVALID_ARGUMENT) { fixture in
      living(fixture) { tessera_living_remove_selected($0, fixture.device, nil) }
    },
    Call("compacting NULL", TESSERA_INVALID_ARGUMENT) {
      tessera_living_compact(nil, $0.device, nil)
    },
    Call("compacting on NULL", TESSERA_INVALID_ARGUMENT) {
      living($0) { tessera_living_compact($0, nil, nil) }
    },
    Call("compacting by a control that was cancelled", TESSERA_CANCELLED) { fixture in
      living(fixture) { living in
        var control: OpaquePointer?
        _ = tessera_control_create(nil, &control)
        _ = tessera_control_cancel(control)
        defer { tessera_free(control) }
        _ = tessera_living_remove(living, [1], 1, nil)
        return tessera_living_compact(living, fixture.device, control)
      }
    },
    Call("refreshing NULL", TESSERA_INVALID_ARGUMENT) { _ in tessera_living_refresh(nil) },
    Call("verifying NULL", TESSERA_INVALID_ARGUMENT) { _ in tessera_living_verify(nil) },
    Call("verifying a damaged journal", TESSERA_MALFORMED_FILE) { fixture in
      file(fixture) { path in
        var (writer, living): (OpaquePointer?, OpaquePointer?)
        _ = tessera_living_open(path, UInt32(TESSERA_WRITE), &writer)
        _ = tessera_living_remove(writer, [1], 1, nil)
        tessera_free(writer)
        let journal = open(path + ".journal", O_WRONLY | O_APPEND)
        _ = write(journal, "rubbish", 7)
        close(journal)
        _ = tessera_living_open(path, 0, &living)
        defer { tessera_free(living) }
        return tessera_living_verify(living)
      }
    },
    Call("an index of NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      var index: OpaquePointer?
      return tessera_living_index(nil, fixture.device, nil, &index)
    },
    Call("an index of a changing one, into NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      living(fixture) { tessera_living_index($0, fixture.device, nil, nil) }
    },
    Call("a description of NULL", TESSERA_INVALID_ARGUMENT) { _ in
      var info = tessera_living_info()
      info.size = MemoryLayout<tessera_living_info>.size
      return tessera_living_describe(nil, &info)
    },
    Call("a description into NULL", TESSERA_INVALID_ARGUMENT) {
      living($0) { tessera_living_describe($0, nil) }
    },
    Call("a description without a size", TESSERA_INVALID_ARGUMENT) {
      living($0) {
        var info = tessera_living_info()
        return tessera_living_describe($0, &info)
      }
    },
    Call("a row that was removed", TESSERA_INVALID_ARGUMENT) { fixture in
      living(fixture) { living in
        _ = tessera_living_remove(living, [5], 1, nil)
        return tessera_living_reconstruct(living, [5], 1, fixture.device, spareFloats)
      }
    },
    Call("rows into NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      living(fixture) { tessera_living_reconstruct($0, [5], 1, fixture.device, nil) }
    },
    Call("a search of NULL that changes", TESSERA_INVALID_ARGUMENT) {
      var search: OpaquePointer?
      return tessera_search_living(nil, $0.device, &search)
    },
    Call("a search of an index as one that changes", TESSERA_INVALID_ARGUMENT) { fixture in
      var search: OpaquePointer?
      return tessera_search_living(fixture.vectors, fixture.device, &search)
    },
    Call("training of NULL", TESSERA_INVALID_ARGUMENT) { fixture in
      var index: OpaquePointer?
      return tessera_index_train(nil, fixture.vectors, 0, nil, fixture.device, nil, &index)
    },
    Call("training of more lists than rows", TESSERA_INVALID_SHAPE) { fixture in
      var index: OpaquePointer?
      return tessera_index_train(
        "IVF301,Flat", fixture.vectors, 0, nil, fixture.device, nil, &index)
    },
    Call("new ids for NULL", TESSERA_INVALID_ARGUMENT) { _ in
      var index: OpaquePointer?
      return tessera_index_renumber(nil, &index)
    },
  ]

  static func merge(
    ids: [Int64]? = [1, 2, 3, 4], scores: [Float]? = [4, 3, 2, 1], parts: Int64 = 2,
    queries: Int64 = 1, width: Int64 = 2, metric: Int32 = 0, k: Int64 = 2,
    best: UnsafeMutablePointer<Int64>? = spare
  ) -> tessera_status {
    tessera_merge_top_k(ids, scores, parts, queries, width, metric, k, best, spareFloats)
  }

  nonisolated(unsafe) static let shards: [Call] = [
    Call("a shard of NULL", TESSERA_INVALID_ARGUMENT) {
      var search: OpaquePointer?
      return tessera_search_shard(nil, 0, 0, $0.device, &search)
    },
    Call("a shard with negative ids", TESSERA_INVALID_ARGUMENT) {
      var search: OpaquePointer?
      return tessera_search_shard($0.vectors, -1, 0, $0.device, &search)
    },
    Call("a shard beyond all ids", TESSERA_INVALID_ARGUMENT) {
      var search: OpaquePointer?
      return tessera_search_shard($0.vectors, .max - 299, 0, $0.device, &search)
    },
    Call("a merge of ids that are NULL", TESSERA_INVALID_ARGUMENT) { _ in merge(ids: nil) },
    Call("a merge of scores that are NULL", TESSERA_INVALID_ARGUMENT) { _ in merge(scores: nil) },
    Call("a merge into NULL", TESSERA_INVALID_ARGUMENT) { _ in merge(best: nil) },
    Call("a merge for k 0", TESSERA_INVALID_ARGUMENT) { _ in merge(k: 0) },
    Call("a merge for k beyond memory", TESSERA_INVALID_SHAPE) { _ in merge(k: .max) },
    Call("a merge of hits without width", TESSERA_INVALID_ARGUMENT) { _ in
      merge(parts: .max, queries: .max, width: 0)
    },
    Call("a merge of parts beyond memory", TESSERA_INVALID_SHAPE) { _ in merge(parts: .max) },
    Call("a merge of negative parts", TESSERA_INVALID_SHAPE) { _ in merge(parts: -1) },
    Call("a merge of queries beyond memory", TESSERA_INVALID_SHAPE) { _ in
      merge(queries: .max, width: .max)
    },
    Call("a merge of negative queries", TESSERA_INVALID_SHAPE) { _ in merge(queries: -1) },
    Call("a merge by no metric", TESSERA_INVALID_ARGUMENT) { _ in merge(metric: 9) },
    Call("a merge of what is no number", TESSERA_NON_FINITE) { _ in
      merge(scores: [4, .nan, 2, 1])
    },
  ]
}
