import Foundation
import Fuzz
import Testing

/// Gives every kept file to its reader: what was found once, and what new files are made from.
@Suite("Hostile files")
struct ReplayTests {
  @Test("are read or refused", arguments: FuzzTarget.all.map(\.name))
  func replay(_ name: String) throws {
    let target = try #require(FuzzTarget.named(name))
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let corpus = name == "faiss" ? "TesseraIndexTests/Fixtures/FAISS" : "Fuzz/Corpus/\(name)"
    var count = 0
    for folder in [corpus, "Fuzz/Regressions/\(name)"] {
      let files = try? FileManager.default.contentsOfDirectory(
        at: tests.appending(path: folder), includingPropertiesForKeys: nil)
      for file in files ?? [] {
        target.read([UInt8](try Data(contentsOf: file)))
        count += 1
      }
    }
    #expect(count > 0, "there is no corpus of \(name)")
  }
}
