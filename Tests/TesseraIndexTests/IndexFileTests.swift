import Foundation
import TesseraCompute
import TesseraHost
import TesseraIndex
import TesseraQuantization
import TestSupport
import Testing

@Suite("Index files")
struct IndexFileTests {
  @Test(
    "keep every index", arguments: Metric.allCases, IndexConformanceTests.specifications)
  func reload(_ metric: Metric, _ specification: String) throws {
    let input = try IndexCase(metric, rows: 400)
    let device = try Subject.cpu()
    let index = try input.build(specification, on: device)
    let folder = try ScratchFolder()
    let path = folder("an.index")
    try IndexFile.write(index, to: path)
    let opened = try IndexFile.open(path)
    #expect(opened.specification.description == index.specification.description)
    #expect(opened.metric == metric && opened.lists == index.lists)
    #expect(opened.probes(forRecall: 0.95) == index.probes(forRecall: 0.95))
    let want = try IndexSearch(index, on: device).nearest(input.queries, k: 10).neighbors
    let found = try IndexSearch(opened, on: device).nearest(input.queries, k: 10).neighbors
    #expect(found.ids == want.ids && found.scores == want.scores)
    // Equal indexes are equal files.
    let again = folder("again.index")
    try IndexFile.write(opened, to: again)
    #expect(
      try Data(contentsOf: URL(filePath: path)) == Data(contentsOf: URL(filePath: again)))
  }

  @Test(
    "keep codes as they are, with what their quantizer does to rows",
    arguments: ["PQ4x4", "OPQ4,PQ4x4", "OPQ4_8,PQ4x4", "SQ8", "RaBitQ", "RQ2x4"])
  func codes(_ specification: String) throws {
    let input = try IndexCase(.squaredL2, rows: 400)
    let device = try Subject.cpu()
    let quantizer = try QuantizerFactory.recipe(specification).train(input.rows, on: device)
      .quantizer
    let index = try Index(
      quantizer.encode(input.rows, on: device), of: quantizer, metric: .squaredL2)
    let folder = try ScratchFolder()
    let path = folder("codes.index")
    try IndexFile.write(index, to: path)
    let want = try IndexSearch(index, on: device).nearest(input.queries, k: 10).neighbors
    let opened = try IndexFile.open(path)
    let found = try IndexSearch(opened, on: device).nearest(input.queries, k: 10).neighbors
    #expect(found == want && found.ids.count == 10 * input.queries.count)
    #expect(opened.specification.description == specification)
  }

  @Test("that are damaged are not written anew, with a checksum that is right")
  func damagedCopy() throws {
    let input = try IndexCase(.squaredL2, rows: 60)
    let folder = try ScratchFolder()
    let path = folder("an.index")
    try IndexFile.write(input.build("IVF4,Flat", on: Subject.cpu()), to: path)
    var bytes = try Data(contentsOf: URL(filePath: path))
    // The last bytes are those of rows.
    bytes[bytes.count - 5] ^= 1
    try bytes.write(to: URL(filePath: path))
    let damaged = try IndexFile.open(path)
    let error = refusal { try IndexFile.write(damaged, to: folder("copy.index")) }
    #expect(error?.code == .malformedFile)
    #expect(!FileManager.default.fileExists(atPath: folder("copy.index")))
  }

  @Test("that were cut short or changed are refused, at the latest when they are searched")
  func damage() throws {
    let input = try IndexCase(.squaredL2, rows: 60)
    let device = try Subject.cpu()
    let folder = try ScratchFolder()
    let path = folder("whole.index")
    try IndexFile.write(input.build("IVF4,Flat", on: device), to: path)
    let whole = try Data(contentsOf: URL(filePath: path))
    let damaged = folder("damaged.index")
    for length in stride(from: 0, to: whole.count, by: 97) {
      try whole.prefix(length).write(to: URL(filePath: damaged))
      let code = refusal { try IndexFile.open(damaged) }?.code
      #expect(code == .malformedFile, "\(length) bytes")
    }
    for place in stride(from: 0, to: whole.count, by: 31) {
      var bytes = whole
      bytes[place] ^= 0x10
      try bytes.write(to: URL(filePath: damaged))
      do throws(TesseraError) {
        let index = try IndexFile.open(damaged)
        _ = try IndexSearch(index, on: device).nearest(input.queries, k: 1)
        Issue.record("a changed byte at \(place) was not seen")
      } catch {
        #expect([.malformedFile, .unsupported].contains(error.code), "\(place): \(error)")
      }
    }
  }
}
