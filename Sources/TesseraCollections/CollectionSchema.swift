internal import GRDB
internal import TesseraCompute
internal import TesseraHost

/// What is the same for all vectors of a collection.
struct CollectionForm: Sendable, Hashable {
  /// Numbers of a vector.
  var dimension: Int
  var metric: Metric
  /// The identity of the provider that makes vectors of texts; nil where vectors are given.
  var provider: String?
}

/// The tables of a collection, and how older versions become this one.
///
/// `items` has the keys that a user gives and metadata as JSON. `vectors` has the vectors of items; its
/// numbers are the ids of the index. A number is never given twice, and what belongs to it never changes:
/// an item that changes gets a vector with a new number. So the index is right if it has the same numbers
/// as the table. Other tables may refer to `items.number`, which an item keeps as long as it is there.
enum CollectionSchema {
  /// Each version adds to those before: never change one that was released.
  private static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1") { database in
      try database.execute(
        sql: """
          CREATE TABLE settings (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
          CREATE TABLE items (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            key TEXT NOT NULL UNIQUE,
            metadata TEXT NOT NULL
          );
          CREATE TABLE vectors (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            item INTEGER NOT NULL REFERENCES items (number) ON DELETE CASCADE,
            vector BLOB NOT NULL
          );
          CREATE INDEX vectorsOfItems ON vectors (item);
          """)
    }
    return migrator
  }

  /// Makes the tables, or brings those of an older version up to this one.
  ///
  /// - Throws: `.unsupported` for tables of a newer version.
  static func prepare(_ database: any DatabaseWriter, path: String) throws {
    let migrator = migrator
    guard try !database.read(migrator.hasBeenSuperseded) else {
      throw TesseraError(
        .unsupported, "\(path.printable): was made by a newer version of this program; use that one"
      )
    }
    try migrator.migrate(database)
  }

  /// Reads what a collection is of, and the number of its index; nil for one that was just made.
  ///
  /// - Throws: `.malformedFile`.
  static func settings(
    _ database: Database, path: String
  ) throws -> (form: CollectionForm, index: Int)? {
    let rows = try Row.fetchAll(database, sql: "SELECT name, value FROM settings")
    guard !rows.isEmpty else { return nil }
    var values: [String: String] = [:]
    for row in rows { values[row[0]] = row[1] as String }
    guard let dimension = values["dimension"].flatMap({ Int($0) }), dimension > 0,
      let metric = values["metric"].flatMap({ Metric(rawValue: $0) }),
      let index = values["index"].flatMap({ Int($0) })
    else {
      throw TesseraError(
        .malformedFile, "\(path.printable): its settings are not those of a collection")
    }
    let form = CollectionForm(
      dimension: dimension, metric: metric, provider: values["provider"])
    return (form, index)
  }

  /// Keeps what a new collection is of.
  static func store(_ form: CollectionForm, index: Int, _ database: Database) throws {
    try set("dimension", String(form.dimension), database)
    try set("metric", form.metric.rawValue, database)
    if let provider = form.provider { try set("provider", provider, database) }
    try set("index", String(index), database)
  }

  /// Changes one setting.
  static func set(_ name: String, _ value: String, _ database: Database) throws {
    try database.execute(
      sql: "INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)",
      arguments: [name, value])
  }
}
