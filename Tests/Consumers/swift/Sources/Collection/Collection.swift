// Keeps the rows of a file in a collection, and finds what a search of the file finds.
import Foundation
import Tessera
import TesseraCollections

struct Row: Codable { var number: Int }

@main
struct Collection {
  static func main() async throws {
    guard CommandLine.arguments.count == 4 else { exit(64) }
    let base = try VectorFile.open(CommandLine.arguments[1])
    let queries = try VectorFile.open(CommandLine.arguments[2])
    let place = CollectionPlace.folder(CommandLine.arguments[3])
    try await fill(place, with: base)
    try await search(place, base, queries)
    try await watch(base)
  }

  static func fail(_ words: String) -> Never {
    print("collection: \(words)")
    exit(70)
  }

  static func open(_ place: CollectionPlace, _ base: Vectors) async throws -> VectorCollection<Row>
  {
    try await VectorCollection<Row>(
      place, dimension: base.dimension, metric: .innerProduct, on: Devices.choose(.cpu))
  }

  static func fill(_ place: CollectionPlace, with base: Vectors) async throws {
    let rows = try await open(place, base)
    try await rows.add(
      (0..<base.count).map {
        .init(id: "row \($0)", vector: base.row($0), metadata: Row(number: $0))
      })
    guard try await rows.remove(["row 0", "row 1"]) == 2 else { fail("two were to be removed") }
  }

  static func search(
    _ place: CollectionPlace, _ base: Vectors, _ queries: Vectors
  ) async throws {
    let rows = try await open(place, base)
    guard rows.count == base.count - 2, rows.notes.isEmpty else { fail("again: \(rows.notes)") }
    let search = try IndexSearch(base, metric: .innerProduct, on: Devices.choose(.cpu))
    let expected = try await search.nearest(queries, k: 5, only: .range(2..<100)).neighbors
    let found = try await rows.search(queries, k: 5) { $0.number < 100 }
    for query in 0..<queries.count {
      guard
        found[query].map({ Int64($0.metadata.number) }) == expected[query].map(\.id),
        found[query].map(\.score) == expected[query].map(\.score)
      else { fail("query \(query) finds \(found[query])") }
    }
  }

  /// A long call, and how far it is.
  static func watch(_ base: Vectors) async throws {
    let device = try Devices.choose(.cpu)
    let call = LongCall { control throws(TesseraError) in
      try KMeans(.init(clusterCount: 8)).cluster(base, on: device, control: control)
    }
    var last = 0.0
    for await step in call.progress { last = step.done }
    let clusters = try await call.value
    guard last > 0, clusters.labels.count == base.count else { fail("k-means told \(last)") }
  }
}
