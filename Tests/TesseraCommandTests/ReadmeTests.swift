import Foundation
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
    let search = try IndexSearch(base, metric: .innerProduct, on: device)
    let hits = try search.nearest(queries, k: 10).neighbors

    for hit in hits[0] {
      #expect(
        hit.score == CanonicalScore.score(.innerProduct, queries.row(0), base.row(Int(hit.id))))
    }
    #expect(hits.statistics.certified)

    let some = try search.nearest(queries, k: 10, only: .range(0..<100)).neighbors
    #expect(some.ids.allSatisfy { $0 < 100 } && some.hitCount == 10)
  }

  @Test("the quantizer example works as printed, on fewer dimensions")
  func quantizerExample() throws {
    var random = SplitMix64(seed: 1)
    let base = try Vectors((0..<300 * 16).map { _ in Float(random.nextUnit()) }, dimension: 16)
    let device = try Devices.choose(.cpu)

    let recipe = try QuantizerFactory.recipe("OPQ4,PQ4x4")
    let training = try recipe.train(base, on: device)
    let codes = try training.quantizer.encode(base, on: device)
    #expect(codes.byteCount == 2 && training.meanSquaredError < 1)
  }

  @Test("the commands work as printed, one after the other")
  func commands() throws {
    let readme = try String(
      contentsOf: URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../README.md"), encoding: .utf8)
    let section = try #require(readme.range(of: "\n## Command line\n")).upperBound
    let end = try #require(readme[section...].range(of: "\n## ")).lowerBound
    let lines = readme[section..<end].split(separator: "\n")
      .filter { $0.hasPrefix("    tessera ") }
    #expect(lines.count > 6)
    let shell = try Shell()
    for line in lines where !line.hasPrefix("    tessera demo") {
      let outcome = try shell.bash(
        "\"$TESSERA\" " + line.trimmingPrefix("    tessera "))
      #expect(outcome.status == 0, "\(line): \(outcome.errors)")
    }
  }
}
