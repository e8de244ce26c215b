internal import GRDB
internal import TesseraCompute
internal import TesseraHost
internal import TesseraIndex

/// Opens the index of a collection, and makes it hold what the database holds.
struct IndexOpening {
  let form: CollectionForm
  /// Nil where the collection is in memory.
  let folder: CollectionFolder?
  let database: any DatabaseWriter
  /// The database's name in messages.
  let path: String
  let device: any Device

  /// Opens the index `number`. One that is not there or damaged is built anew from the vectors in the
  /// database, under the next number. Returns the number of the index that is in use, and what may
  /// surprise.
  func open(
    _ number: Int, _ control: RunControl
  ) throws(TesseraError) -> (index: LivingIndex, number: Int, notes: [String]) {
    guard let folder else { return (LivingIndex(inMemory: try emptyIndex), number, []) }
    let file = folder.index(number)
    do throws(TesseraError) {
      let index = try LivingIndex(file, for: .writing)
      let base = index.snapshot.base
      guard base.dimension == form.dimension, base.metric == form.metric, base.bits == nil else {
        throw TesseraError(.malformedFile, "\(file.printable): is of other vectors")
      }
      let notes = index.notes
      try follow(index, control)
      return (index, number, notes)
    } catch {
      guard [.inputNotFound, .malformedFile].contains(error.code) else { throw error }
      let isNew = try DatabaseFailure.translated(path) {
        try database.read { try ItemTable(database: $0).isEmpty }
      }
      let index = try build("Flat", number + 1, control)
      try DatabaseFailure.translated(path) {
        try database.write { try CollectionSchema.set("index", String(number + 1), $0) }
      }
      let note =
        "\(error.message); all vectors were put into a new index, without lists"
      return (index, number + 1, isNew ? [] : [note])
    }
  }

  /// Makes the index hold the vectors that the database holds: what a process that was killed did to
  /// one of them only is taken back, or done.
  func follow(_ index: LivingIndex, _ control: RunControl) throws(TesseraError) {
    let wanted = try DatabaseFailure.translated(path) {
      try database.read { try ItemTable(database: $0).numbers() }
    }
    let there = index.snapshot.ids
    let surplus = there.filter { !wanted.hasSorted($0) }
    if !surplus.isEmpty { try index.remove(surplus) }
    let missing = wanted.filter { !there.hasSorted($0) }
    let length = max(1, (8 << 20) / (4 * form.dimension))
    for start in stride(from: 0, to: missing.count, by: length) {
      let block = missing[start..<min(start + length, missing.count)]
      try control.report("open", done: Double(start) / Double(missing.count))
      try index.add(vectors(block, control), ids: Array(block))
    }
  }

  /// Builds an index of all vectors in the database, and opens it as `number`.
  ///
  /// - Throws: What ``Index/build(_:_:metric:ids:options:on:control:)`` throws, `.inputOutput`.
  func build(
    _ specification: String, _ number: Int, _ control: RunControl
  ) throws(TesseraError) -> LivingIndex {
    let ids = try DatabaseFailure.translated(path) {
      try database.read { try ItemTable(database: $0).numbers() }
    }
    let index =
      ids.isEmpty && specification == "Flat"
      ? try emptyIndex
      : try Index.build(
        specification, vectors(ids[...], control), metric: form.metric, ids: ids, on: device,
        control: control
      ).index
    guard let folder else { return LivingIndex(inMemory: index) }
    // What an attempt that did not come to its end has left.
    folder.removeIndexes(but: number - 1)
    let file = folder.index(number)
    try IndexFile.write(index, to: file)
    return try LivingIndex(file, for: .writing)
  }

  private var emptyIndex: Index {
    get throws(TesseraError) {
      Index(whole: try Vectors([], dimension: form.dimension), metric: form.metric)
    }
  }

  private func vectors(
    _ numbers: ArraySlice<Int64>, _ control: RunControl
  ) throws(TesseraError) -> Vectors {
    let values = try DatabaseFailure.translated(path) {
      try database.read {
        try ItemTable(database: $0).vectors(numbers, dimension: form.dimension, control)
      }
    }
    return try Vectors(values, dimension: form.dimension)
  }
}
