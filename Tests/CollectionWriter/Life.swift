import Tessera
import TesseraCollections

/// What the items of the tests have with them.
struct Entry: Codable, Sendable, Hashable {
  var step: Int
  var label: String
}

/// What a collection holds after any number of changes, each of which follows from its number and from
/// what is there: a process that was killed is told by it how far it came.
struct Life {
  static let dimension = 8
  typealias Item = VectorCollection<Entry>.Item

  enum Change {
    case add([Item])
    case update([Item])
    case metadata(String, Entry)
    case remove([String])
    case compact
    case rebuild(String)
  }

  private(set) var items: [String: Item] = [:]
  /// The number of the next change.
  private(set) var step = 0

  init(steps: Int = 0) {
    for _ in 0..<steps { _ = next() }
  }

  /// Returns the next change, and makes it here.
  mutating func next() -> Change {
    defer { step += 1 }
    var random = SplitMix64(seed: 99, stream: UInt64(step))
    let ids = items.keys.sorted()
    if step % 17 == 16, ids.count >= 4 { return .rebuild(step % 2 == 0 ? "IVF2,Flat" : "Flat") }
    if step % 5 == 4, !ids.isEmpty { return .compact }
    func some(_ limit: Int, _ random: inout SplitMix64) -> [String] {
      let count = 1 + random.nextIndex(below: limit)
      return Array(Set((0..<count).map { _ in ids[random.nextIndex(below: ids.count)] })).sorted()
    }
    switch ids.count < 4 ? 0 : random.nextIndex(below: 10) {
    case 0..<5:
      let added = (0..<1 + random.nextIndex(below: 12)).map { place in
        item("\(step)-\(place)", &random)
      }
      for item in added { items[item.id] = item }
      return .add(added)
    case 5, 6:
      let updated = some(5, &random).map { item($0, &random) }
      for item in updated { items[item.id] = item }
      return .update(updated)
    case 7:
      let id = some(1, &random)[0]
      let entry = Entry(step: step, label: "renamed")
      items[id]?.metadata = entry
      return .metadata(id, entry)
    default:
      let removed = some(8, &random)
      for id in removed { items[id] = nil }
      return .remove(removed)
    }
  }

  private func item(_ id: String, _ random: inout SplitMix64) -> Item {
    let vector = (0..<Self.dimension).map { _ in random.nextGaussian() }
    return Item(
      id: id, vector: vector, metadata: Entry(step: step, label: step % 2 == 0 ? "even" : "odd"))
  }

  /// Makes a change in a collection.
  static func apply(_ change: Change, to collection: VectorCollection<Entry>) async throws {
    switch change {
    case .add(let items): try await collection.add(items)
    case .update(let items): try await collection.update(items)
    case .metadata(let id, let entry): try await collection.update(id, metadata: entry)
    case .remove(let ids): try await collection.remove(ids)
    case .compact: try await collection.compact()
    case .rebuild(let specification): try await collection.rebuild(specification)
    }
  }
}
