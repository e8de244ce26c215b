import GRDB
import TestSupport
import Tessera
import Testing

@testable import TesseraCollections

/// The database of a collection, and the index that follows it.
@Suite("Stores of collections")
struct StoreTests {
  private func numbers(_ notes: Notes) throws -> [Int64] {
    try notes.store.read { try $0.numbers() }
  }

  @Test(
    "take back what the index has of a change that the database cannot commit",
    arguments: CollectionTests.kinds)
  func failedCommit(_ kind: String) async throws {
    let folder = try ScratchFolder()
    let notes = try await CollectionTests.open(CollectionTests.place(kind, folder))
    let items = CollectionTests.items(0..<10)
    try await notes.add(items)
    let before = try numbers(notes)
    let snapshot = notes.store.view.snapshot
    for kind in 0..<3 {
      let error = await refusal {
        try await notes.store.turns.run(RunControl()) { control throws(TesseraError) in
          try notes.store.change(control) { table in
            // Found out by the commit, when the index has changed.
            try table.database.execute(
              sql: """
                PRAGMA defer_foreign_keys = ON;
                INSERT INTO vectors (item, vector) VALUES (12345, x'00');
                """)
            let new = StoredItem(
              key: "new", metadata: "{}", vector: [Float](repeating: 1, count: 16))
            let changed = StoredItem(key: "3", metadata: "{}", vector: new.vector)
            switch kind {
            case 0: return (try table.add([new], control), ())
            case 1: return (try table.update([changed], control), ())
            default: return (try table.remove(["3", "4"], control).0, ())
            }
          }
        }
      }
      #expect(error?.code == .inputOutput && error?.message.contains("FOREIGN KEY") == true)
      #expect(try numbers(notes) == before)
      #expect(notes.store.view.index.snapshot.ids == before, "change \(kind)")
      // Searches never saw it.
      #expect(notes.store.view.snapshot.ids == snapshot.ids)
      let hits = try await notes.search(items[3].vector, k: 20)
      #expect(hits.count == 10 && hits[0].id == "3")
    }
    try await notes.add(CollectionTests.items(10..<12))
    #expect(notes.count == 12)
    #expect(try numbers(notes) == notes.store.view.index.snapshot.ids)
  }

  @Test("take back what the index has of a change that fails in the index")
  func failedIndex() async throws {
    let notes = try await CollectionTests.open(.memory)
    try await notes.add(CollectionTests.items(0..<10))
    let before = try numbers(notes)
    let error = await refusal {
      try await notes.store.turns.run(RunControl()) { control throws(TesseraError) in
        try notes.store.change(control) { table in
          var change = try table.remove(["3"], control).0
          // A number that is there already: the index removes one row, and then refuses this one.
          change.added = [before[5]]
          change.vectors = [[Float](repeating: 1, count: 16)]
          return (change, ())
        }
      }
    }
    #expect(error?.code == .invalidArgument)
    #expect(try numbers(notes) == before)
    #expect(notes.store.view.index.snapshot.ids == before)
    #expect(try await notes.item("3") == CollectionTests.items(3..<4)[0])
  }

  @Test("refuse a change that a full disk has no room for, and go on when there is some")
  func full() async throws {
    let folder = try ScratchFolder()
    let notes = try await CollectionTests.open(.folder(folder("notes")))
    try await notes.add(CollectionTests.items(0..<10))
    /// Lets the database grow to so many pages, as if the disk had no more.
    func allow(_ pages: Int) async throws {
      try await notes.store.turns.run(RunControl()) { control throws(TesseraError) in
        try notes.store.change(control) { table in
          try table.database.execute(sql: "PRAGMA max_page_count = \(pages)")
          return (IndexChange(), ())
        }
      }
    }
    try await allow(20)
    let many = CollectionTests.items(10..<3000)
    let error = await refusal { try await notes.add(many) }
    #expect(error?.code == .inputOutput && error?.message.contains("full") == true)
    #expect(error?.message.contains("collection.sqlite") == true)
    #expect(try numbers(notes) == notes.store.view.index.snapshot.ids && notes.count == 10)
    try await allow(1 << 20)
    try await notes.add(many)
    #expect(notes.count == 3000)
  }

  @Test("make changes durable, never give a number twice, and keep an item's own number")
  func numbers() async throws {
    let folder = try ScratchFolder()
    let notes = try await CollectionTests.open(.folder(folder("notes")))
    let items = CollectionTests.items(0..<3)
    try await notes.add(items)
    let first = try numbers(notes)
    try await notes.remove(["2"])
    try await notes.add([items[2]])
    try await notes.update([items[0]])
    try await notes.update("1", metadata: Note(title: "other", year: 1))
    let later = try numbers(notes)
    #expect(later.count == 3 && Set(later).isDisjoint(with: first))
    let (synchronous, items1) = try await notes.store.turns.run(RunControl()) {
      control throws(TesseraError) in
      try notes.store.change(control) { table in
        let synchronous = try Int.fetchOne(table.database, sql: "PRAGMA synchronous")
        let items = try Int64.fetchAll(
          table.database, sql: "SELECT number FROM items WHERE key IN ('0', '1') ORDER BY key")
        return (IndexChange(), (synchronous, items))
      }
    }
    // 2 is FULL: each commit is made durable.
    #expect(synchronous == 2 && items1 == [1, 2])
  }

  @Test("mend an index that holds what the database never committed, and lacks what it holds")
  func mended() async throws {
    let folder = try ScratchFolder()
    let place = CollectionPlace.folder(folder("notes"))
    let items = CollectionTests.items(0..<8)
    do { try await CollectionTests.open(place).add(Array(items[..<3])) }
    // Closing has put all of it into this file.
    let old = try folder.bytes("notes/collection.sqlite")
    do {
      let notes = try await CollectionTests.open(place)
      try await notes.add(Array(items[3..<5]))
      try await notes.remove(["0"])
      try await notes.update("1", metadata: Note(title: "never", year: 0))
    }
    #expect(try folder.names(in: "notes").count { $0.hasPrefix("collection.sqlite") } == 1)
    try folder.write(old, "notes/collection.sqlite")
    let notes = try await CollectionTests.open(place)
    #expect(notes.notes.isEmpty && notes.count == 3)
    for item in items[..<3] { #expect(try await notes.item(item.id) == item) }
    // The numbers of what was never committed are given again.
    try await notes.add(Array(items[5...]))
    let there = items[..<3] + items[5...]
    let hits = try await notes.search(Vectors(there.map(\.vector)), k: 1)
    #expect(hits.map { $0[0].id } == there.map(\.id) && notes.count == 6)
    #expect(try numbers(notes) == notes.store.view.index.snapshot.ids)
  }

  @Test("refuse a database of a newer version, and keep tables that others add")
  func versions() async throws {
    let folder = try ScratchFolder()
    let place = CollectionPlace.folder(folder("notes"))
    func execute(_ sql: String) throws {
      try DatabaseQueue(path: folder("notes/collection.sqlite")).write { try $0.execute(sql: sql) }
    }
    do {
      let notes = try await CollectionTests.open(place)
      try await notes.add(CollectionTests.items(0..<3))
    }
    try execute(
      """
      CREATE TABLE texts (
        item INTEGER PRIMARY KEY REFERENCES items (number) ON DELETE CASCADE, text TEXT NOT NULL);
      INSERT INTO texts SELECT number, 'text of ' || key FROM items;
      """)
    do {
      let notes = try await CollectionTests.open(place)
      try await notes.update("0", metadata: Note(title: "other", year: 1))
      try await notes.remove(["1"])
      let texts = try notes.store.read {
        try String.fetchAll($0.database, sql: "SELECT text FROM texts ORDER BY text")
      }
      #expect(texts == ["text of 0", "text of 2"])
    }
    try execute("INSERT INTO grdb_migrations (identifier) VALUES ('99')")
    let error = await refusal { _ = try await CollectionTests.open(place) }
    #expect(error?.code == .unsupported && error?.message.contains("newer version") == true)
    try execute("DELETE FROM grdb_migrations WHERE identifier = '99'; DELETE FROM settings")
    try execute("INSERT INTO settings VALUES ('dimension', '0')")
    let damaged = await refusal { _ = try await CollectionTests.open(place) }
    #expect(damaged?.code == .malformedFile, "\(damaged as Any)")
  }
}
