import Foundation
import TesseraCompute
import TesseraHost
import TestSupport
import Testing

@testable import TesseraIndex

@Suite("Files for FAISS")
struct FAISSWritingTests {
  @Test("are the same bytes when they are written again", arguments: FAISSFixture.names)
  func again(_ name: String) throws {
    let fixture = try FAISSFixture(name)
    let folder = try ScratchFolder()
    let path = folder("again.faiss")
    try FAISSFile.open(fixture.path).write(to: path)
    #expect(try Data(contentsOf: URL(filePath: path)) == fixture.bytes)
  }

  /// Of what Tessera has no word for these have nothing but FAISS's defaults, so the index alone gives
  /// FAISS's own bytes.
  @Test(
    "of an index are those that FAISS writes of the same rows",
    arguments: [
      "flat-l2", "flat-ip", "flat-empty", "map-flat", "ivf-flat-l2", "ivf-flat-ip", "sq8", "sq6",
      "sq4-ip", "sqfp16", "sqbf16", "ivf-sq8", "ivf-sq8-ip", "pq4", "ivf-pq4", "ivf-pq4-ip",
      "bits-flat", "bits-ivf", "bits-map",
    ])
  func made(_ name: String) throws {
    let fixture = try FAISSFixture(name)
    let folder = try ScratchFolder()
    let path = folder("made.faiss")
    try FAISSFile(IndexFile.open(fixture.path), probes: 1).write(to: path)
    #expect(try Data(contentsOf: URL(filePath: path)) == fixture.bytes)
  }

  @Test("keep an index on its way there and back", arguments: FAISSFixture.names)
  func thereAndBack(_ name: String) throws {
    let fixture = try FAISSFixture(name)
    let folder = try ScratchFolder()
    let index = try IndexFile.open(fixture.path)
    try IndexFile.write(index, to: folder("an.index"))
    try FAISSFile(IndexFile.open(folder("an.index"))).write(to: folder("an.faiss"))
    let back = try IndexFile.open(folder("an.faiss"))
    #expect(back.specification.description == index.specification.description)
    #expect(back.lists == index.lists || !index.lists.ids.areRowNumbers || back.listCount == 1)
    let device = try Subject.cpu()
    let want = try IndexSearch(index, on: device).nearest(fixture.queries, k: 9, effort: .all)
    let found = try IndexSearch(back, on: device).nearest(fixture.queries, k: 9, effort: .all)
    // FAISS keeps squared lengths of RaBitQ's rows, which are rounded on the way.
    let isRounded = index.specification.description.contains("RaBitQ")
    #expect(isRounded || found.neighbors.ids == want.neighbors.ids)
    for (score, wanted) in zip(found.neighbors.scores, want.neighbors.scores) {
      #expect(isRounded ? abs(score - wanted) <= 1e-4 : score == wanted)
    }
  }

  /// An index of 700 rows, and what is read of the file that it was written to, with the hits of each.
  private func written(
    _ metric: Metric, _ specification: String, k: Int
  ) throws -> (Index, IndexSearch.Report, Index, IndexSearch.Report) {
    let input = try IndexCase(metric, rows: 700)
    let device = try Subject.cpu()
    let index = try input.build(specification, on: device)
    let folder = try ScratchFolder()
    try FAISSFile(index).write(to: folder("built.faiss"))
    let back = try IndexFile.open(folder("built.faiss"))
    return (
      index, try IndexSearch(index, on: device).nearest(input.queries, k: k, effort: .all),
      back, try IndexSearch(back, on: device).nearest(input.queries, k: k, effort: .all)
    )
  }

  @Test(
    "hold indexes that were built here",
    arguments: [Metric.squaredL2, .innerProduct],
    [
      "Flat", "IVF24,Flat", "IVF24,SQ8", "SQ4", "IVF24,PQ6x4fs,RFlat", "PQ6x8", "SQ8,RFlat",
      "PCA6,IVF24,Flat", "PCAR6,Flat,RFlat", "OPQ3_6,IVF24,PQ3x4,RFlat", "RR,SQ8",
      "Center,L2norm,Flat",
    ])
  func built(_ metric: Metric, _ specification: String) throws {
    let (index, want, back, found) = try written(metric, specification, k: 10)
    #expect(back.specification.description == index.specification.description)
    #expect(found.neighbors.ids == want.neighbors.ids)
    #expect(found.neighbors.scores == want.neighbors.scores)
  }

  /// FAISS's codes are of rotated rows: a file gets the rotation as a matrix, which rounds otherwise.
  @Test(
    "hold RaBitQ codes that were built here", arguments: [Metric.squaredL2, .innerProduct],
    ["IVF24,RaBitQ", "IVF24,RaBitQ4", "PCA6,IVF24,RaBitQ9", "IVF24,RaBitQ3,RFlat"])
  func rabitq(_ metric: Metric, _ specification: String) throws {
    let (_, want, back, found) = try written(metric, specification, k: 700)
    #expect(back.listCount == 24 && back.count == 700)
    for query in 0..<want.neighbors.queryCount {
      let scores = Dictionary(
        uniqueKeysWithValues: want.neighbors[query].map { ($0.id, $0.score) })
      let largest = want.neighbors[query].map { abs($0.score) }.max() ?? 0
      for hit in found.neighbors[query] {
        let score = try #require(scores[hit.id])
        #expect(abs(hit.score - score) <= 1e-5 * max(1, largest))
      }
    }
  }

  @Test("look at all lists until they are measured, and then at as many as were built to")
  func measured() throws {
    let input = try IndexCase(.squaredL2)
    let device = try Subject.cpu()
    let index = try input.build("IVF24,Flat", on: device)
    let folder = try ScratchFolder()
    try FAISSFile(index).write(to: folder("built.faiss"))
    let back = try IndexFile.open(folder("built.faiss"))
    #expect(!back.isMeasured && back.probes(forRecall: 0.5) == 24)
    let unmeasured = try IndexSearch(back, on: device).nearest(
      input.queries, k: 1, effort: .probes(23))
    #expect(unmeasured.certifiedShare == 0)
    let again = try back.measured(on: device)
    #expect(again.isMeasured)
    #expect(again.coarse?.recall == index.coarse?.recall)
    #expect(again.coarse?.radius == index.coarse?.radius)
  }

  @Test("tell FAISS to look at as many lists as hold 95 % of the neighbors")
  func probes() throws {
    let input = try IndexCase(.innerProduct)
    let device = try Subject.cpu()
    let index = try input.build("IVF24,Flat", on: device)
    let folder = try ScratchFolder()
    try FAISSFile(index).write(to: folder("built.faiss"))
    let bytes = try Data(contentsOf: URL(filePath: folder("built.faiss")))
    #expect(Int(bytes[45]) == index.probes(forRecall: 0.95))
  }

  @Test("cannot be written of what FAISS has no part for")
  func unwritable() throws {
    let device = try Subject.cpu()
    for (metric, specification, text) in [
      (Metric.cosine, "Flat", "cosine"), (.squaredL2, "IVF4,RQ2x4", "RQ2x4"),
      (.squaredL2, "PQ5x4", "PQ5x4"),
    ] {
      let index = try IndexCase(metric, rows: 100).build(specification, on: device)
      let error = refusal { try FAISSFile(index) }
      #expect(error?.code == .unsupported && error?.message.contains(text) == true)
    }
  }
}
