import TestSupport
import Tessera
import Testing

@testable import TesseraCollections

/// What the items of these tests have with them.
struct Note: Codable, Sendable, Hashable {
  var title: String
  var year: Int
}

typealias Notes = VectorCollection<Note>

@Suite("Collections")
struct CollectionTests {
  static let dimension = 16

  /// Items with ids `0`, `1`, ..., and years from 1990.
  static func items(_ range: Range<Int>, seed: UInt64 = 1) -> [Notes.Item] {
    range.map { place in
      var random = SplitMix64(seed: seed, stream: UInt64(place))
      return Notes.Item(
        id: "\(place)", vector: (0..<dimension).map { _ in random.nextGaussian() },
        metadata: Note(title: "note \(place)", year: 1990 + place % 30))
    }
  }

  static func open(_ place: CollectionPlace, metric: Metric = .squaredL2) async throws -> Notes {
    try await Notes(place, dimension: dimension, metric: metric, on: Devices.choose(.cpu))
  }

  /// Each kind of place, and a folder for the one that needs it.
  static let kinds = ["memory", "folder"]

  static func place(_ kind: String, _ folder: ScratchFolder) -> CollectionPlace {
    kind == "memory" ? .memory : .folder(folder("notes"))
  }

  @Test(
    "find exactly the items that are there, through all changes", arguments: kinds, Metric.allCases)
  func life(_ kind: String, _ metric: Metric) async throws {
    let folder = try ScratchFolder()
    let notes = try await Self.open(Self.place(kind, folder), metric: metric)
    #expect(try await notes.search(Self.items(0..<1)[0].vector, k: 5).isEmpty)
    #expect(notes.count == 0 && notes.specification == "Flat")
    var there: [String: Notes.Item] = [:]
    let queries = Self.items(0..<20, seed: 7).map(\.vector)
    func expectAll(_ what: String, where predicate: (@Sendable (Note) -> Bool)? = nil) async throws
    {
      #expect(notes.count == there.count, "\(what)")
      let found = try await notes.search(
        Vectors(queries), k: 7, where: predicate, effort: .all)
      for (query, hits) in zip(queries, found) {
        let truth = there.values.filter { predicate?($0.metadata) ?? true }
          .map { (id: $0.id, score: CanonicalScore.score(metric, query, $0.vector)) }
          .sorted { metric.order.ranks($0.score, ahead: $1.score) }
          .prefix(7)
        // Scores of these vectors do not tie.
        #expect(hits.map(\.id) == truth.map(\.id), "\(what)")
        #expect(hits.map(\.score) == truth.map(\.score), "\(what)")
        #expect(hits.allSatisfy { there[$0.id]?.metadata == $0.metadata }, "\(what)")
      }
    }
    func put(_ items: [Notes.Item]) { for item in items { there[item.id] = item } }

    try await notes.add(Self.items(0..<100))
    put(Self.items(0..<100))
    try await expectAll("added")
    try await expectAll("some years") { $0.year < 1995 }
    try await expectAll("one note") { $0.title == "note 17" }
    try await expectAll("no note") { $0.year < 0 }
    let moved = Self.items(10..<20, seed: 3)
    try await notes.update(moved)
    put(moved)
    try await expectAll("updated")
    try await notes.update("40", metadata: Note(title: "other", year: 1800))
    there["40"]?.metadata = Note(title: "other", year: 1800)
    try await expectAll("metadata") { $0.year == 1800 }
    #expect(try await notes.remove(["3", "4", "none", "4"]) == 2)
    there["3"] = nil
    there["4"] = nil
    try await expectAll("removed")
    try await expectAll("removed, some years") { $0.year < 1995 }
    try await notes.compact()
    try await expectAll("compacted")
    try await notes.add(Self.items(3..<5, seed: 9))
    put(Self.items(3..<5, seed: 9))
    try await notes.rebuild("IVF4,Flat")
    #expect(notes.specification == "IVF4,Flat")
    try await expectAll("with lists") { $0.year % 2 == 0 }
    try await notes.add(Self.items(200..<230))
    put(Self.items(200..<230))
    try await expectAll("with lists and more")
    #expect(Set(try await notes.ids()) == Set(there.keys))
    #expect(try await notes.ids { $0.year == 1800 } == ["40"])
    #expect(try await notes.item("40") == there["40"])
    #expect(try await notes.item("none") == nil)
  }

  @Test("are the same when they are opened again, and when their index is lost or damaged")
  func reopened() async throws {
    let folder = try ScratchFolder()
    let place = CollectionPlace.folder(folder("notes"))
    let items = Self.items(0..<50)
    func expectItems(_ what: String, notes found: Int = 0) async throws {
      let notes = try await Self.open(place)
      #expect(notes.notes.count == found, "\(what): \(notes.notes)")
      for item in items { #expect(try await notes.item(item.id) == item, "\(what)") }
      let hits = try await notes.search(Vectors(items.map(\.vector)), k: 1)
      #expect(hits.map { $0.map(\.id) } == items.map { [$0.id] }, "\(what)")
    }
    do {
      let notes = try await Self.open(place)
      try await notes.add(Array(items[..<30]))
      try await notes.compact()
      try await notes.add(Array(items[30...]))
    }
    try await expectItems("opened again")
    let name = try #require(try folder.names(in: "notes").first { $0.hasSuffix(".index") })
    // The journal has gone: what it held comes from the database.
    try folder.remove("notes/\(name).journal")
    try await expectItems("without the journal")
    try folder.remove("notes/\(name)")
    try await expectItems("without the index", notes: 1)
    let next = try #require(try folder.names(in: "notes").first { $0.hasSuffix(".index") })
    #expect(next != name)
    var bytes = try folder.bytes("notes/\(next)")
    bytes[20] ^= 1
    try folder.write(bytes, "notes/\(next)")
    try await expectItems("with a damaged index", notes: 1)
    try await expectItems("mended")
    #expect(try folder.names(in: "notes").count { $0.hasSuffix(".index") } == 1)
  }

  @Test("refuse what cannot be, and are as they were then")
  func refusals() async throws {
    let folder = try ScratchFolder()
    let notes = try await Self.open(.folder(folder("notes")))
    let items = Self.items(0..<5)
    try await notes.add(items)
    func expect(
      _ code: TesseraError.Code, _ words: String, _ body: () async throws -> Void
    ) async {
      let error = await refusal(body)
      #expect(error?.code == code && error?.message.contains(words) == true, "\(error as Any)")
    }
    let fresh = Self.items(5..<7)
    await expect(.invalidArgument, "id 2 already") { try await notes.add(fresh + [items[2]]) }
    await expect(.invalidArgument, "id 5 already") { try await notes.add([fresh[0], fresh[0]]) }
    await expect(.invalidArgument, "id 5;") { try await notes.update([items[1], fresh[0]]) }
    await expect(.invalidArgument, "given twice") { try await notes.update([items[1], items[1]]) }
    await expect(.invalidArgument, "no item has the id 9") {
      try await notes.update("9", metadata: Note(title: "", year: 0))
    }
    var short = fresh[0]
    short.vector.removeLast()
    await expect(.invalidShape, "item 5 has 15 dimensions") { try await notes.add([short]) }
    var wrong = fresh[0]
    wrong.vector[3] = .nan
    await expect(.nonFinite, "item 5 holds NaN") { try await notes.add([fresh[1], wrong]) }
    await expect(.invalidShape, "15 dimensions") { _ = try await notes.search(short.vector) }
    await expect(.invalidArgument, "0") { _ = try await notes.search(items[0].vector, k: 0) }
    await expect(.invalidShape, "as many rows as lists") { try await notes.rebuild("IVF9,Flat") }
    await expect(.invalidArgument, "NoSuch") { try await notes.rebuild("NoSuch") }
    await expect(.unsupported, "without a provider") { _ = try await notes.search(text: "a") }
    await expect(.busy, "has opened the collection") {
      _ = try await Self.open(.folder(folder("notes")))
    }
    #expect(notes.count == 5)
    #expect(Set(try await notes.ids()) == ["0", "1", "2", "3", "4"])
    let hits = try await notes.search(items[2].vector, k: 10)
    #expect(hits.count == 5 && hits[0].id == "2")
    await expect(.invalidShape, "0 is no number") {
      _ = try await Notes(.memory, dimension: 0, on: Devices.choose(.cpu))
    }
  }

  @Test("refuse other vectors, other metadata and other folders than theirs")
  func otherForms() async throws {
    let folder = try ScratchFolder()
    let place = CollectionPlace.folder(folder("notes"))
    do {
      let notes = try await Self.open(place)
      try await notes.add(Self.items(0..<3))
    }
    let device = try Devices.choose(.cpu)
    func expect(
      _ code: TesseraError.Code, _ what: String, _ body: () async throws -> Void
    ) async {
      let error = await refusal(body)
      #expect(error?.code == code, "\(what): \(error as Any)")
    }
    await expect(.invalidArgument, "another dimension") {
      _ = try await Notes(place, dimension: 3, metric: .squaredL2, on: device)
    }
    await expect(.invalidArgument, "another metric") {
      _ = try await Notes(place, dimension: 16, metric: .cosine, on: device)
    }
    do {
      let numbers = try await VectorCollection<Int>(
        place, dimension: 16, metric: .squaredL2, on: device)
      await expect(.malformedFile, "other metadata") { _ = try await numbers.item("1") }
      await expect(.malformedFile, "other metadata") {
        _ = try await numbers.search(Self.items(0..<1)[0].vector)
      }
    }
    try folder.write("text", "file")
    try folder.write("text", "other/file")
    for name in ["file", "other", "none/notes"] {
      await expect(.cannotCreate, name) { _ = try await Self.open(.folder(folder(name))) }
    }
    try folder.write([UInt8](repeating: 7, count: 4096), "damaged/collection.sqlite")
    await expect(.malformedFile, "damaged") { _ = try await Self.open(.folder(folder("damaged"))) }
    struct Fraction: Codable, Sendable { var value: Double }
    let fractions = try await VectorCollection<Fraction>(.memory, dimension: 1, on: device)
    let error = await refusal {
      try await fractions.add([.init(id: "a", vector: [1], metadata: Fraction(value: .nan))])
    }
    #expect(error?.code == .invalidArgument && error?.message.contains("item a") == true)
    #expect(fractions.count == 0)
  }

  @Test("give items without an id one of their own")
  func newIDs() async throws {
    let names = try await VectorCollection<String>(.memory, dimension: 2, on: Devices.choose(.cpu))
    try await names.add([
      .init(vector: [1, 0], metadata: "east"), .init(vector: [0, 1], metadata: "north"),
    ])
    let hits = try await names.search([0.9, 0.1], k: 1)
    #expect(hits[0].metadata == "east")
    #expect(try await names.item(hits[0].id)?.vector == [1, 0])
  }
}

/// The error that `body` throws, or nil if it throws none or one of another kind.
func refusal(_ body: () async throws -> Void) async -> TesseraError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? TesseraError
  }
}
