import Foundation
import Testing

@Suite("Indexes of FAISS, by commands")
struct FAISSCommandTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../TesseraIndexTests/Fixtures/FAISS").standardized.path

  @Test("are written, told apart by what is in them, searched, and written back")
  func roundTrip() throws {
    let shell = try Shell()
    try shell.makeVectors()
    for command in [
      "build --spec IVF9,Flat --base base.npy --metric l2 --out a.index",
      "convert a.index a.faiss",
      // A name without the extension is still FAISS's file.
      "convert a.faiss copy.faiss", "convert copy.faiss back.index",
    ] {
      let outcome = try shell.bash("\"$TESSERA\" \(command) --device cpu --quiet")
      #expect(outcome.status == 0, "\(command): \(outcome.errors)")
    }
    #expect(try shell.bytes("a.faiss") == shell.bytes("copy.faiss"))
    #expect(try shell.bytes("a.index") == shell.bytes("back.index"))
    try FileManager.default.moveItem(atPath: shell.path("copy.faiss"), toPath: shell.path("copy"))
    for effort in ["--recall 0.9", "--probes 3"] {
      for index in ["a.index", "a.faiss", "copy"] {
        let outcome = try shell.bash(
          "\"$TESSERA\" search --index \(index) --queries queries.npy -k 5 \(effort) "
            + "--device cpu --quiet --out \(index).found")
        #expect(outcome.status == 0, "\(index): \(outcome.errors)")
        #expect(try shell.bytes("\(index).found.ids.npy") == shell.bytes("a.index.found.ids.npy"))
        #expect(
          try shell.bytes("\(index).found.scores.npy") == shell.bytes("a.index.found.scores.npy"))
      }
    }
  }

  @Test("are shown with their bytes, and without checksums that they do not have")
  func info() throws {
    let shell = try Shell()
    let outcome = try shell.tessera(
      "info", "\(Self.fixtures)/ivf-flat-l2.faiss", "--verify", "--json")
    let json = try outcome.json()
    #expect(json["format"] as? String == "faiss" && json["spec"] as? String == "IVF4,Flat")
    #expect(json["bytes"] as? Int == 2699 && json["verified"] as? Bool == false)
    #expect(outcome.errors.contains("no checksums"))
  }

  @Test("that cannot be read or written are refused, and nothing is left behind")
  func refused() throws {
    let shell = try Shell()
    try shell.makeVectors()
    let graph = try shell.tessera("convert", "\(Self.fixtures)/refused-hnsw.faiss", "a.index")
    #expect(graph.status == 64 && graph.errors.contains("IHNf"))
    try shell.tessera(
      "build", "--spec", "Flat", "--base", "base.npy", "--metric", "cosine", "--out", "c.index")
    let cosine = try shell.tessera("convert", "c.index", "c.faiss")
    #expect(cosine.status == 64 && cosine.errors.contains("cosine"))
    #expect(shell.names == ["base.npy", "c.index", "queries.npy"])
  }
}
