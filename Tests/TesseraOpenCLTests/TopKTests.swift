import Testing

@testable import TesseraOpenCL

/// How rows are cut for `topK`; the conformance tests of the same name compare results.
@Suite struct TopKTests {
  @Test("rows are cut only where whole segments can be dropped")
  func segments() {
    func segments(rows: Int, width: Int, k: Int) -> Int {
      Selection(rows: rows, width: width, k: k, computeUnits: 100, localBytes: 32_768).segments
    }
    #expect(segments(rows: 1, width: 10_000_000, k: 10) == 400)
    #expect(segments(rows: 400, width: 10_000_000, k: 10) == 1)
    #expect(segments(rows: 1, width: 20_000, k: 10) == 1)
    #expect(segments(rows: 1, width: 10_000_000, k: 5_000_000) == 1)
  }
}
