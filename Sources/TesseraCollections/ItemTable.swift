internal import Foundation
internal import GRDB
internal import TesseraCompute
internal import TesseraHost

/// An item as the database keeps it.
struct StoredItem: Sendable {
  let key: String
  /// JSON.
  let metadata: String
  let vector: [Float]
}

/// What a change of the database means for the index.
struct IndexChange: Sendable {
  /// Numbers of vectors that are gone.
  var removed: [Int64] = []
  /// Numbers of vectors that are new, and these.
  var added: [Int64] = []
  var vectors: [[Float]] = []
}

/// The items in the database of a collection.
struct ItemTable {
  let database: Database

  /// Adds items.
  ///
  /// - Throws: `.invalidArgument` for a key that is there already.
  func add(_ items: [StoredItem], _ control: RunControl) throws -> IndexChange {
    let item = try database.makeStatement(
      sql: "INSERT INTO items (key, metadata) VALUES (?, ?) ON CONFLICT (key) DO NOTHING")
    let vector = try database.makeStatement(
      sql: "INSERT INTO vectors (item, vector) VALUES (?, ?)")
    var change = IndexChange()
    for (place, new) in items.enumerated() {
      try Self.check(place, of: items.count, "add", control)
      try item.execute(arguments: [new.key, new.metadata])
      guard database.changesCount == 1 else {
        throw TesseraError(
          .invalidArgument,
          "add: an item has the id \(new.key.printable) already; update it, or choose another id")
      }
      try vector.execute(arguments: [database.lastInsertedRowID, new.vector.stored])
      change.added.append(database.lastInsertedRowID)
      change.vectors.append(new.vector)
    }
    return change
  }

  /// Gives items that are there other vectors and metadata.
  ///
  /// - Throws: `.invalidArgument` for a key that no item has, or that is given twice.
  func update(_ items: [StoredItem], _ control: RunControl) throws -> IndexChange {
    let vector = try database.makeStatement(
      sql: "INSERT INTO vectors (item, vector) VALUES (?, ?)")
    var change = IndexChange()
    var seen = Set<String>()
    for (place, new) in items.enumerated() {
      try Self.check(place, of: items.count, "update", control)
      guard seen.insert(new.key).inserted else {
        throw TesseraError(
          .invalidArgument, "update: the id \(new.key.printable) is given twice")
      }
      guard let number = try number(of: new.key) else { throw Self.unknown(new.key, "update") }
      try database.cachedStatement(sql: "UPDATE items SET metadata = ? WHERE number = ?")
        .execute(arguments: [new.metadata, number])
      change.removed += try vectors(of: number)
      try database.cachedStatement(sql: "DELETE FROM vectors WHERE item = ?")
        .execute(arguments: [number])
      try vector.execute(arguments: [number, new.vector.stored])
      change.added.append(database.lastInsertedRowID)
      change.vectors.append(new.vector)
    }
    return change
  }

  /// Removes items; a key that no item has counts for nothing. Returns how many were there, too.
  func remove(_ keys: [String], _ control: RunControl) throws -> (IndexChange, count: Int) {
    var change = IndexChange()
    var count = 0
    for (place, key) in keys.enumerated() {
      try Self.check(place, of: keys.count, "remove", control)
      guard let number = try number(of: key) else { continue }
      change.removed += try vectors(of: number)
      // Vectors, and what other tables keep of the item, go with it.
      try database.cachedStatement(sql: "DELETE FROM items WHERE number = ?")
        .execute(arguments: [number])
      count += 1
    }
    return (change, count)
  }

  /// Returns an item by its key.
  ///
  /// - Throws: `.malformedFile` for a vector of another length.
  func item(_ key: String, dimension: Int) throws -> StoredItem? {
    let row = try Row.fetchOne(
      database.cachedStatement(
        sql: """
          SELECT items.metadata, vectors.vector, vectors.number FROM items
          JOIN vectors ON vectors.item = items.number WHERE items.key = ?
          """), arguments: [key])
    return try row.map { row in
      StoredItem(
        key: key, metadata: row[0], vector: try Self.vector(row[1], dimension, number: row[2]))
    }
  }

  /// Calls `body` with the key and the metadata of items by the numbers of their vectors; with those of
  /// all for nil. Numbers that are gone are left out.
  func each(
    _ numbers: [Int64]?, _ control: RunControl, _ body: (Int64, String, String) throws -> Void
  ) throws {
    let query =
      "SELECT vectors.number, items.key, items.metadata FROM vectors "
      + "JOIN items ON items.number = vectors.item"
    guard let numbers else {
      let rows = try Row.fetchCursor(database, sql: query)
      while let row = try rows.next() {
        try control.stop.check()
        try body(row[0], row[1], row[2])
      }
      return
    }
    let statement = try database.cachedStatement(sql: query + " WHERE vectors.number = ?")
    for number in numbers {
      try control.stop.check()
      if let row = try Row.fetchOne(statement, arguments: [number]) {
        try body(row[0], row[1], row[2])
      }
    }
  }

  /// True if there are no items.
  var isEmpty: Bool {
    get throws { try Int.fetchOne(database, sql: "SELECT 1 FROM items LIMIT 1") == nil }
  }

  /// Returns the numbers of all vectors, rising.
  func numbers() throws -> [Int64] {
    try Int64.fetchAll(database, sql: "SELECT number FROM vectors ORDER BY number")
  }

  /// Returns vectors by their numbers, one after the other.
  ///
  /// - Throws: `.malformedFile` for a vector of another length.
  func vectors(
    _ numbers: some Collection<Int64>, dimension: Int, _ control: RunControl
  ) throws -> [Float] {
    let statement = try database.cachedStatement(
      sql: "SELECT vector FROM vectors WHERE number = ?")
    var values: [Float] = []
    values.reserveCapacity(numbers.count * dimension)
    for number in numbers {
      try control.stop.check()
      let data = try Data.fetchOne(statement, arguments: [number]) ?? Data()
      values += try Self.vector(data, dimension, number: number)
    }
    return values
  }

  private func number(of key: String) throws -> Int64? {
    try Int64.fetchOne(
      database.cachedStatement(sql: "SELECT number FROM items WHERE key = ?"), arguments: [key])
  }

  private func vectors(of item: Int64) throws -> [Int64] {
    try Int64.fetchAll(
      database.cachedStatement(sql: "SELECT number FROM vectors WHERE item = ?"),
      arguments: [item])
  }

  private static func check(
    _ place: Int, of count: Int, _ stage: String, _ control: RunControl
  ) throws {
    guard place % 256 == 0 else { return }
    // What the index does with them comes after.
    try control.report(stage, done: 0.5 * Double(place) / Double(count))
  }

  static func unknown(_ key: String, _ operation: String) -> TesseraError {
    TesseraError(
      .invalidArgument, "\(operation): no item has the id \(key.printable); add it first")
  }

  private static func vector(_ data: Data, _ dimension: Int, number: Int64) throws -> [Float] {
    guard data.count == dimension * MemoryLayout<Float>.stride else {
      throw TesseraError(
        .malformedFile,
        "collection: vector \(number) has \(data.count) bytes, \(dimension) numbers have "
          + "\(dimension * MemoryLayout<Float>.stride); put back a copy of the collection's folder")
    }
    return unsafe [Float](unsafeUninitializedCapacity: dimension) { values, count in
      count = unsafe data.copyBytes(to: values) / MemoryLayout<Float>.stride
    }
  }
}

extension [Float] {
  /// The bytes that the database keeps: little-endian, as every machine that this runs on has them.
  fileprivate var stored: Data { unsafe withUnsafeBytes { unsafe Data($0) } }
}
