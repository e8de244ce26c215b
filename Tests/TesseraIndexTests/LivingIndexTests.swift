import TesseraCompute
import TesseraHost
import TesseraIndex
import TestSupport
import Testing

@Suite("Indexes that change")
struct LivingIndexTests {
  @Test("name the row that cannot be coded by its id")
  func uncodable() throws {
    let start = try Start(.squaredL2, "IVF24,RaBitQ4")
    let index = try LivingIndex(start.path, for: .writing)
    var values = (0..<start.input.rows.dimension).map { Float($0) }
    values[0] = 3e38
    try index.add(Vectors(values, dimension: values.count), ids: [987_654])
    let error = refusal { try index.compact(on: Subject.cpu()) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("id 987654") == true, "\(error?.message ?? "")")
    // It is there until it is removed, and then nothing is in the way.
    #expect(try index.remove([987_654]) == 1)
    #expect(try index.compact(on: Subject.cpu()))
  }

  static let specifications =
    ["Flat", "IVF24,Flat", "IVF24,SQ8", "IVF24,PQ6x4fs,RFlat", "IVF24,RaBitQ4", "PQ6x4"]
    + ["PCA8,IVF24,Flat", "PCA8,IVF24,Flat,RFlat", "L2norm,IVF24,SQ8"]

  /// An index of the first 1,000 rows of a case, and its file.
  struct Start {
    let input: IndexCase
    let folder: ScratchFolder
    let path: String

    init(_ metric: Metric, _ specification: String) throws {
      input = try IndexCase(metric)
      folder = try ScratchFolder()
      path = folder("an.index")
      let index = try Index.build(
        specification, input.rows.rows(0..<1000), metric: metric, ids: Array(input.ids[..<1000]),
        on: Subject.cpu()
      ).index
      try IndexFile.write(index, to: path)
    }

    /// The hits of an exact search of some rows.
    func exact(_ rows: [Int], k: Int) throws -> Neighbors {
      try exact(rows.map { (input.ids[$0], input.rows.row($0)) }, k: k)
    }

    func exact(_ rows: [(id: Int64, values: [Float])], k: Int) throws -> Neighbors {
      let device = ReferenceDevice.shared
      let set = try device.prepare(
        Vectors(rows.map(\.values)), in: RowLists(one: IDMap(rows.map(\.id))),
        metric: input.metric)
      return try device.nearest(input.queries, in: set, probing: nil, within: .k(k), only: nil)
    }
  }

  @Test(
    "find exactly the rows that are there, before and after compacting, and after opening again",
    arguments: Metric.allCases, ["Flat", "IVF24,Flat"])
  func exact(_ metric: Metric, _ specification: String) throws {
    let start = try Start(metric, specification)
    let input = start.input
    let device = try Subject.cpu()
    let index = try LivingIndex(start.path, for: .writing)
    let search = try LivingSearch(index, on: device)
    var there = Set(0..<1000)
    func expectAll(_ search: LivingSearch, _ what: String) throws {
      let report = try search.nearest(input.queries, k: 10, effort: .all)
      let truth = try start.exact(there.sorted(), k: 10)
      #expect(report.neighbors.difference(from: truth) == nil, "\(what)")
      #expect(report.certifiedShare == 1, "\(what)")
    }
    try expectAll(search, "at first")
    for (first, end) in [(1000, 1001), (1001, 1200), (1200, 1210), (1210, 1300)] {
      try index.add(input.rows.rows(first..<end), ids: Array(input.ids[first..<end]))
      there.formUnion(first..<end)
      try expectAll(search, "with \(end) rows")
      let gone = there.filter { $0 % 7 == first % 7 }
      #expect(try index.remove(gone.map { input.ids[$0] }) == gone.count)
      there.subtract(gone)
      try expectAll(search, "without \(gone.count) rows")
    }
    #expect(index.snapshot.count == there.count)
    // Rows that were removed come back under their ids.
    try index.add(input.rows.rows(0..<1), ids: [input.ids[0]])
    there.insert(0)
    try expectAll(LivingSearch(LivingIndex(start.path), on: device), "of another reader")
    #expect(try index.compact(on: device))
    try expectAll(search, "compacted")
    #expect(!index.snapshot.isChanged && index.snapshot.count == there.count)
    try index.verify()
    #expect(try !index.compact(on: device))
    try expectAll(LivingSearch(LivingIndex(start.path), on: device), "opened again")
  }

  @Test(
    "of every kind take rows, search them, and put them into lists and codes",
    arguments: Metric.allCases, specifications)
  func everyKind(_ metric: Metric, _ specification: String) throws {
    let start = try Start(metric, specification)
    let input = start.input
    let device = try Subject.cpu()
    let index = try LivingIndex(start.path, for: .writing)
    let kind = index.snapshot.base.specification.description
    try index.add(input.rows.rows(1000..<1400), ids: Array(input.ids[1000..<1400]))
    try index.remove(input.ids[..<200])
    let search = try LivingSearch(index, on: device)
    let truth = try start.exact(Array(200..<1400), k: 10)
    let before = try search.nearest(input.queries, k: 10, effort: .all).neighbors
    let gone = Set(input.ids[..<200])
    #expect(before.ids.count == 300 && gone.isDisjoint(with: before.ids))
    try index.compact(on: device)
    let after = try search.nearest(input.queries, k: 10, effort: .all).neighbors
    #expect(after.ids.count == 300 && gone.isDisjoint(with: after.ids))
    #expect(index.snapshot.base.specification.description == kind)
    // Rows that are added become codes, which lose a little; rows that are there stay as they were.
    let lossy = specification.contains("PQ") || specification.contains("RaBitQ")
    #expect(after.recall(of: truth) >= before.recall(of: truth) - (lossy ? 0.3 : 0.05))
    if specification.hasSuffix("Flat"),
      !specification.hasPrefix("PCA8,IVF24,Flat") || specification.hasSuffix("RFlat")
    {
      #expect(after.recall(of: truth) > 0.9)
    }
  }

  @Test(
    "compact to the same bytes on every device", arguments: ["IVF24,Flat", "IVF24,PQ6x4fs,RFlat"])
  func sameBytes(_ specification: String) throws {
    var files: [[UInt8]] = []
    for subject in Subject.present {
      let start = try Start(.squaredL2, specification)
      let index = try LivingIndex(start.path, for: .writing)
      try index.add(
        start.input.rows.rows(1000..<1300), ids: Array(start.input.ids[1000..<1300]))
      try index.remove(start.input.ids[100..<200])
      try index.compact(on: subject.device)
      files.append(try start.folder.bytes("an.index"))
      #expect(files[0] == files[files.count - 1], "\(subject)")
    }
  }

  @Test("give k rows where k are there, whatever was removed")
  func removedRowsCostNoHits() throws {
    let start = try Start(.squaredL2, "IVF24,Flat")
    let index = try LivingIndex(start.path, for: .writing)
    let device = try Subject.cpu()
    let search = try LivingSearch(index, on: device)
    // The rows nearest to the first query, among them all of the lists that are nearest to it.
    let near = try search.nearest(start.input.queries.rows(0..<1), k: 400, effort: .all).neighbors
    try index.remove(near.ids)
    for probes in [1, 2, 5] {
      for k in [1, 10, 600] {
        let found = try search.nearest(start.input.queries, k: k, effort: .probes(probes)).neighbors
        #expect(Set(found.ids).isDisjoint(with: near.ids))
        #expect((0..<30).allSatisfy { found[$0].count == min(k, 600) }, "\(probes), \(k)")
      }
    }
    try index.remove(.range(.min..<(.max)))
    #expect(index.snapshot.count == 0)
    #expect(try search.nearest(start.input.queries, k: 3).neighbors.ids.isEmpty)
    try index.compact(on: device)
    #expect(try search.nearest(start.input.queries, k: 3).neighbors.ids.isEmpty)
    try index.add(start.input.rows.rows(5..<7))
    #expect(try search.nearest(start.input.queries, k: 3).neighbors.ids.count == 60)
  }

  @Test("search the selected of the rows that are there")
  func selected() throws {
    let start = try Start(.squaredL2, "IVF24,Flat")
    let input = start.input
    let index = try LivingIndex(start.path, for: .writing)
    try index.add(input.rows.rows(1000..<1500), ids: Array(input.ids[1000..<1500]))
    let gone = (0..<1500).filter { $0 % 3 == 0 }
    try index.remove(gone.map { input.ids[$0] })
    let wanted = (0..<1500).filter { $0 % 2 == 0 }
    let selector = try IDSelector.ids(wanted.map { input.ids[$0] })
    for subject in Subject.present {
      let search = try LivingSearch(index, on: subject.device)
      let found = try search.nearest(input.queries, k: 8, effort: .all, only: selector).neighbors
      let truth = try start.exact(wanted.filter { $0 % 3 != 0 }, k: 8)
      #expect(found.difference(from: truth) == nil, "\(subject)")
    }
    #expect(index.snapshot.count(of: selector) == wanted.filter { $0 % 3 != 0 }.count)
  }

  @Test("refuse what they cannot hold, and are as they were")
  func refusals() throws {
    let start = try Start(.squaredL2, "IVF24,Flat")
    let input = start.input
    let index = try LivingIndex(start.path, for: .writing)
    let before = try start.folder.bytes("an.index.journal")
    let rows = input.rows.rows(1000..<1002)
    let known = input.ids[17]
    let cases: [(TesseraError.Code, String, () throws(TesseraError) -> Void)] = [
      (
        .invalidArgument, "id \(known) already",
        { () throws(TesseraError) in
          try index.add(rows, ids: [9_000_001, known])
        }
      ),
      (
        .invalidArgument, "both have the id 5",
        { () throws(TesseraError) in
          try index.add(rows, ids: [5, 5])
        }
      ),
      (
        .invalidShape, "1 ids for 2 rows",
        { () throws(TesseraError) in
          try index.add(rows, ids: [9_000_001])
        }
      ),
      (
        .invalidShape, "dimensions",
        { () throws(TesseraError) in
          try index.add(Vectors([1, 2], dimension: 2))
        }
      ),
      (
        .nonFinite, "row 1",
        { () throws(TesseraError) in
          try index.add(Vectors([Float](repeating: 0, count: 23) + [.nan], dimension: 12))
        }
      ),
      (
        .invalidArgument, "no row has the id 9000002",
        { () throws(TesseraError) in
          try index.update(rows, ids: [known, 9_000_002])
        }
      ),
      (
        .invalidArgument, "no row has the id 9000002",
        { () throws(TesseraError) in
          try index.remove([known, 9_000_002], requiringAll: true)
        }
      ),
    ]
    for (code, says, change) in cases {
      let error = refusal(change)
      #expect(
        error?.code == code && error?.message.contains(says) == true, "\(says): \(error as Any)")
    }
    #expect(try start.folder.bytes("an.index.journal") == before)
    #expect(!index.snapshot.isChanged)
    // Others may read, and not write.
    let reader = try LivingIndex(start.path)
    #expect(refusal { try reader.add(rows, ids: [1, 2]) }?.code == .invalidArgument)
    #expect(refusal { try LivingIndex(start.path, for: .writing) }?.code == .busy)
    #expect(try index.remove([known, 9_000_002]) == 1)
    try reader.refresh()
    #expect(!reader.snapshot.contains(known) && reader.snapshot.removedCount == 1)
    // An index with changes is not opened as if it had none, nor replaced.
    #expect(refusal { try IndexFile.open(start.path) }?.code == .unsupported)
    let code = refusal { try IndexFile.write(index.snapshot.base, to: start.path) }?.code
    #expect(code == .cannotCreate)
  }

  @Test("give ids that nobody had, and forget none of them when they are compacted")
  func ids() throws {
    let start = try Start(.squaredL2, "Flat")
    let device = try Subject.cpu()
    let highest = try #require(start.input.ids[..<1000].max())
    do {
      let index = try LivingIndex(start.path, for: .writing)
      #expect(
        try index.add(start.input.rows.rows(0..<3)) == [highest + 1, highest + 2, highest + 3])
      try index.remove([highest + 2, highest + 3])
      try index.compact(on: device)
      try index.update(start.input.rows.rows(7..<8), ids: [highest + 1])
    }
    let index = try LivingIndex(start.path, for: .writing)
    #expect(try index.add(start.input.rows.rows(3..<4)) == [highest + 4])
    let all = try start.exact(
      (0..<1000).map { (start.input.ids[$0], start.input.rows.row($0)) }
        + [(highest + 1, start.input.rows.row(7)), (highest + 4, start.input.rows.row(3))], k: 5)
    let found = try LivingSearch(index, on: device).nearest(start.input.queries, k: 5).neighbors
    #expect(found.difference(from: all) == nil)
    #expect(refusal { try index.add(start.input.rows.rows(0..<1), ids: [.max]) } == nil)
    #expect(refusal { try index.add(start.input.rows.rows(0..<1)) }?.code == .invalidArgument)
  }

  @Test("keep the type of their rows, and refuse numbers it does not have")
  func elements() throws {
    let folder = try ScratchFolder()
    let bytes = (0..<400).map { UInt8(truncatingIfNeeded: $0 * 37) }
    let rows = try bytes.withUnsafeBytes {
      try Vectors(copying: $0, element: .uint8, dimension: 4)
    }
    let device = try Subject.cpu()
    let path = folder("bytes.index")
    try IndexFile.write(
      Index.build("IVF4,Flat", rows, metric: .squaredL2, on: device).index, to: path)
    let index = try LivingIndex(path, for: .writing)
    let halves = try Vectors([0, 1, 2, 0.5], dimension: 4)
    #expect(refusal { try index.add(halves) }?.code == .invalidArgument)
    try index.add(Vectors([0, 1, 2, 255], dimension: 4))
    try index.compact(on: device)
    #expect(try index.snapshot.base.reconstruct(100, on: device) == [0, 1, 2, 255])
    // 101 rows of 4 bytes.
    let size = try folder.bytes("bytes.index").count
    try index.add(rows.rows(0..<8))
    try index.compact(on: device)
    #expect(try folder.bytes("bytes.index").count - size < 8 * (4 + 8) + 200)
  }

  @Test(
    "say when added rows are far from those that centroids or codes were made for",
    arguments: ["IVF24,Flat", "IVF24,SQ8", "PQ6x4,RFlat"])
  func drift(_ specification: String) throws {
    let start = try Start(.squaredL2, specification)
    let device = try Subject.cpu()
    let index = try LivingIndex(start.path, for: .writing)
    #expect(try index.snapshot.drift(on: device) == nil)
    try index.add(start.input.rows.rows(1000..<1500), ids: Array(start.input.ids[1000..<1500]))
    let near = try #require(try index.snapshot.drift(on: device))
    #expect(!near.needsRetrain && near.ratio > 0.5, "\(near)")
    let far = try Vectors(
      (0..<500).map { start.input.rows.row($0).map { 3 * $0 + 5 } })
    try index.add(far)
    let other = try #require(try index.snapshot.drift(on: device))
    #expect(other.needsRetrain && other.ratio > near.ratio, "\(other)")
    // Compacting does not make it forgotten.
    try index.compact(on: device)
    #expect(try #require(try index.snapshot.drift(on: device)).needsRetrain)
  }
}
