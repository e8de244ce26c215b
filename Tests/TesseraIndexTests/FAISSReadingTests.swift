import Foundation
import TesseraCompute
import TesseraHost
import TestSupport
import Testing

import TesseraIndex

@Suite("Files of FAISS")
struct FAISSReadingTests {
  @Test("are searched with the hits that FAISS finds", arguments: FAISSFixture.names)
  func hits(_ name: String) throws {
    let fixture = try FAISSFixture(name)
    let device = try Subject.cpu()
    let index = try IndexFile.open(fixture.path)
    #expect(index.specification.description == FAISSFixture.all[name])
    #expect(index.count == fixture.found.rows)
    let options = IndexSearch.Options(refineFactor: 12)
    let found = try IndexSearch(index, on: device, options: options).nearest(
      fixture.queries, k: fixture.found.k, effort: .all
    ).neighbors
    // FAISS fills up with -1 where there are fewer rows.
    let wanted = zip(fixture.found.ids, fixture.found.scores).filter { $0.0 != -1 }
    #expect(found.scores.count == wanted.count)
    for (score, want) in zip(found.scores, wanted) {
      #expect(abs(score - want.1) <= 1e-5 * max(1, abs(want.1)))
    }
    // Rows that score alike come in another order: the hits of a score are compared as sets, but for
    // those of the last score, of which FAISS may have taken others.
    for query in 0..<found.queryCount {
      let k = min(fixture.found.k, fixture.found.rows)
      let own = wanted[query * k..<(query + 1) * k]
      let last = own.last.map { $0.1 } ?? 0
      let isClear = { (score: Float) in abs(score - last) > 1e-4 * max(1, abs(last)) }
      #expect(
        Set(found[query].filter { isClear($0.score) }.map(\.id))
          == Set(own.filter { isClear($0.1) }.map { $0.0 }), "\(query)")
    }
  }

  @Test(
    "with parts that Tessera has no word for are refused by name",
    arguments: [
      ("whitened", "PCAW"), ("hadamard", "HRot"),
      ("itq", "Viqt"),
      ("hnsw", "IHNf"), ("rabitq-fast-scan", "Irfn"), ("ivf-rabitq-fast-scan", "Iwrn"),
      ("residual", "IxRq"),
      ("ivf-sq8-rows", "by_residual"), ("l1", "metric 2"), ("untrained", "not trained"),
      ("binary", "IBHf"),
    ])
  func refused(_ name: String, _ text: String) throws {
    let path = FAISSFixture.path("refused-\(name)")
    let error = refusal { try IndexFile.open(path) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    #expect(error?.message.hasPrefix(path) == true)
  }
}
