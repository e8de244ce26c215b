// The code of the articles in Sources/Tessera/Tessera.docc: DocumentationTests.swift compares both. Paths in
// the articles are what `folder` gets here, and `#expect` is left out there.
import TestSupport
import Tessera
import TesseraBenchmark
import TesseraCollections
import Testing

@Suite("Examples of the documentation")
struct ExampleTests {
  let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    var random = SplitMix64(seed: 8)
    for (name, rows) in [("base.npy", 600), ("queries.npy", 12)] {
      try VectorFile.write(
        Vectors((0..<rows * 16).map { _ in random.nextGaussian() }, dimension: 16),
        to: folder(name))
    }
  }

  @Test func offload() throws {
    let base = try VectorFile.open(folder("base.npy"))  // mapped, not read
    let queries = try VectorFile.open(folder("queries.npy"))

    let device = try Devices.choose(.auto)
    let search = try IndexSearch(base, metric: .innerProduct, on: device)
    let hits = try search.nearest(queries, k: 10).neighbors
    for hit in hits[0] { print(hit.id, hit.score) }  // of query 0, best first
    #expect(hits[0].count == 10 && hits.statistics.certified)

    let control = RunControl(fallback: try Devices.choose(.cpu), note: { print($0) })
    let safe = try search.nearest(queries, k: 10, control: control).neighbors
    #expect(safe.ids == hits.ids)

    let some = try search.nearest(queries, k: 10, only: .range(0..<100)).neighbors
    let near = try search.nearest(queries, within: .score(8)).neighbors
    #expect(some.ids.allSatisfy { $0 < 100 } && near.scores.allSatisfy { $0 > 8 })
  }

  @Test func index() throws {
    let base = try VectorFile.open(folder("base.npy"))
    let queries = try VectorFile.open(folder("queries.npy"))
    let device = try Devices.choose(.cpu)

    let index = try Index.build("IVF16,Flat", base, metric: .innerProduct, on: device).index
    try IndexFile.write(index, to: folder("words.index"))

    let words = try IndexFile.open(folder("words.index"))
    let found = try IndexSearch(words, on: device).nearest(queries, k: 10, effort: .recall(0.95))
    print(found.neighbors.ids, found.listsPerQuery, found.certifiedShare)
    #expect(found.neighbors.hitCount == 10)
  }

  @Test func tasks() async throws {
    let base = try VectorFile.open(folder("base.npy"))
    let queries = try VectorFile.open(folder("queries.npy"))
    let device = try Devices.choose(.cpu)
    let search = try IndexSearch(base, metric: .innerProduct, on: device)

    let report = try await search.nearest(queries, k: 10)
    #expect(report.neighbors.hitCount == 10)

    let call = LongCall { control throws(TesseraError) in
      try KMeans(.init(clusterCount: 16)).cluster(base, on: device, control: control)
    }
    for await step in call.progress { print(step.stage, step.done) }
    let clusters = try await call.value
    #expect(clusters.counts.count == 16)
  }

  @Test func benchmark() throws {
    let device = try Devices.choose(.cpu)
    var benchmark = Benchmark.quick
    benchmark.tasks = [.copy, .topK]
    let result = try benchmark.measure(device)
    for figure in result.measurements { print(figure.task, figure.size, figure.rate) }
    #expect(result.measurements.count == 2)
  }

  struct Note: Codable {
    var title: String
    var year: Int
  }

  @Test func collection() async throws {
    let device = try Devices.choose(.cpu)
    let notes = try await VectorCollection<Note>(.folder(folder("notes")), dimension: 4, on: device)
    try await notes.add([
      .init(id: "tea", vector: [1, 0, 0, 0], metadata: Note(title: "On tea", year: 1998)),
      .init(id: "rain", vector: [0, 1, 0, 0], metadata: Note(title: "Rain", year: 2024)),
    ])
    for hit in try await notes.search([0.9, 0.1, 0, 0], k: 10, where: { $0.year < 2000 }) {
      print(hit.id, hit.score, hit.metadata.title)
    }
    #expect(try await notes.search([0.9, 0.1, 0, 0], k: 10, where: { $0.year < 2000 }).count == 1)

    try await notes.update("rain", metadata: Note(title: "Rain again", year: 2025))
    try await notes.remove(["tea"])
    if let rain = try await notes.item("rain") { print(rain.vector, rain.metadata.title) }
    #expect(notes.count == 1)

    try await notes.compact()
    try await notes.rebuild("IVF1,Flat")
    #expect(notes.specification == "IVF1,Flat")
  }

  struct Letters: EmbeddingProvider {
    let dimension = 26
    let identity = "counts of letters, version 1"

    func embed(_ texts: [String]) async throws -> Vectors {
      try Vectors(
        texts.map { text in
          var counts = [Float](repeating: 0, count: 26)
          for letter in text.utf8 where (97...122).contains(letter) {
            counts[Int(letter) - 97] += 1
          }
          return counts
        })
    }
  }

  @Test func texts() async throws {
    let device = try Devices.choose(.cpu)
    let words = try await VectorCollection<String>(
      .folder(folder("words")), provider: Letters(), on: device)
    try await words.add(
      texts: ["listen", "apple"].map { .init(id: $0, text: $0, metadata: $0.uppercased()) })
    let hits = try await words.search(text: "silent", k: 1)
    #expect(hits.map(\.id) == ["listen"])
  }
}
