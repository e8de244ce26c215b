import TesseraCompute
import TestSupport
import Testing

@Suite("ProductCodebook")
struct ProductCodebookTests {
  @Test("knows its sizes")
  func sizes() throws {
    let codewords = try ReferenceDevice.shared.allocate(Float.self, rows: 512, columns: 3)
    let codebook = try ProductCodebook(codewords, subspaceCount: 2)
    #expect(codebook.subspaceCount == 2 && codebook.codewordCount == 256)
    #expect(codebook.dimension == 6)
  }

  @Test(
    "refuses codewords that a byte cannot number or that do not divide",
    arguments: [
      (514, 3, 2), (5, 3, 2), (0, 3, 2), (4, 0, 2), (4, 3, 0), (4, 3, -2), (4, 3, .max),
    ])
  func refusals(_ rows: Int, _ columns: Int, _ subspaceCount: Int) throws {
    let codewords = try ReferenceDevice.shared.allocate(Float.self, rows: rows, columns: columns)
    let error = refusal { try ProductCodebook(codewords, subspaceCount: subspaceCount) }
    #expect(error?.code == .invalidShape)
    #expect(error?.message.contains("\(rows) x \(columns) codewords") == true)
    #expect(error?.message.contains("\(subspaceCount) subspaces") == true)
  }
}
