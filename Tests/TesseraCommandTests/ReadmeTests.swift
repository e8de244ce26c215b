import Tessera
import Testing

@Suite("README")
struct ReadmeTests {
  @Test("the search example works as printed")
  func searchExample() throws {
    let shell = try Shell()
    for (rows, skip, name) in [(500, 0, "base.f16.npy"), (4, 500, "queries.f16.npy")] {
      let outcome = try shell.tessera(
        "generate", "--rows", "\(rows)", "--skip", "\(skip)", "--dimension", "16", "--element",
        "f2", name)
      #expect(outcome.status == 0)
    }
    let base = try VectorFile.open(shell.path("base.f16.npy"))
    let queries = try VectorFile.open(shell.path("queries.f16.npy"))

    let device = try Devices.choose(.auto)
    let search = try FlatSearch(base, metric: .innerProduct, on: device)
    let hits = try search.nearest(queries, k: 10).neighbors

    for query in 0..<3 {
      let best = query * hits.hitCount
      #expect(
        hits.scores[best]
          == CanonicalScore.score(
            .innerProduct, queries.row(query), base.row(Int(hits.ids[best]))))
    }
    #expect(hits.statistics.certified)
  }
}
