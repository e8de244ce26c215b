import Foundation
import TesseraHost
import TestSupport
import Testing

extension AtomicFile {
  fileprivate func append(_ text: String) throws(TesseraError) {
    try append(Array(text.utf8).span.bytes)
  }
}

@Suite("Files that appear together")
struct OutputFilesTests {
  let folder: ScratchFolder
  init() throws { folder = try ScratchFolder() }

  private var pair: [String] { [folder("a"), folder("b")] }

  private func write(_ files: OutputFiles) throws {
    try files[pair[0]].append("new a")
    try files[pair[1]].append("new b")
  }

  private func expectRefused(
    _ says: String, sourceLocation: SourceLocation = #_sourceLocation, _ make: () throws -> Void
  ) {
    let error = #expect(throws: TesseraError.self, sourceLocation: sourceLocation) { try make() }
    #expect(error?.code == .cannotCreate, sourceLocation: sourceLocation)
    #expect(
      error?.message.contains(says) == true, "\(error as Any)", sourceLocation: sourceLocation)
  }

  @Test("are all there after commit, and nothing else")
  func committed() throws {
    try folder.write("old a", "a")
    let files = try OutputFiles(pair)
    try write(files)
    #expect(try folder.text("a") == "old a")
    try files.commit()
    #expect(try folder.text("a") == "new a")
    #expect(try folder.text("b") == "new b")
    #expect(try folder.names == ["a", "b"])
  }

  @Test("are not there without")
  func abandoned() throws {
    try folder.write("old a", "a")
    do { try write(OutputFiles(pair)) }
    #expect(try folder.text("a") == "old a")
    #expect(try folder.names == ["a"])
  }

  @Test("if one cannot be put in its place, the others go back", arguments: [false, true])
  func rollback(_ hadOld: Bool) throws {
    if hadOld { try folder.write("old a", "a") }
    let files = try OutputFiles(pair)
    try write(files)
    // A file cannot be renamed over a folder.
    try folder.write("", "b/inside")
    let error = #expect(throws: TesseraError.self) { try files.commit() }
    #expect(error?.code == .inputOutput && error?.message.hasPrefix(pair[1]) == true)
    #expect(try folder.names == (hadOld ? ["a", "b"] : ["b"]))
    if hadOld { #expect(try folder.text("a") == "old a") }
  }

  @Test("two names of one file are one, however they are written")
  func sameFile() throws {
    try folder.write("", "real/c")
    try FileManager.default.createSymbolicLink(
      atPath: folder("link"), withDestinationPath: "real")
    try FileManager.default.createSymbolicLink(
      atPath: folder("c"), withDestinationPath: "link/c")
    for (first, second) in [
      ("a", "a"), ("a", "./a"), ("real/new", "link/new"), ("real/c", "c"), ("c", "link/../real/c"),
    ] {
      expectRefused("names the same file as") {
        _ = try OutputFiles([folder(first), folder(second)])
      }
    }
    _ = try OutputFiles([folder("real/new"), folder("new")])
  }

  @Test("inputs are not replaced")
  func inputs() throws {
    try folder.write("precious", "in")
    try FileManager.default.createSymbolicLink(atPath: folder("link"), withDestinationPath: "in")
    for name in ["in", "./in", "link"] {
      expectRefused("is an input too") {
        _ = try OutputFiles([folder(name)], inputs: [folder("in"), folder("missing")])
      }
    }
    _ = try OutputFiles([folder("other")], inputs: [folder("in")])
  }

  @Test("what stands in the way is said at once, and stays")
  func inTheWay() throws {
    try #require(mkfifo(folder("pipe"), 0o600) == 0)
    try FileManager.default.createSymbolicLink(
      atPath: folder("dangling"), withDestinationPath: "nowhere")
    expectRefused("a pipe or device") { _ = try AtomicFile(folder("pipe")) }
    expectRefused("a pipe or device") { _ = try AtomicFile("/dev/null") }
    expectRefused("a directory") { _ = try AtomicFile(folder.path) }
    expectRefused("a link to a file that is not there") { _ = try AtomicFile(folder("dangling")) }
    expectRefused("create the folder") { _ = try AtomicFile(folder("no/such")) }
    expectRefused("names no file") { _ = try AtomicFile("") }
    #expect(try folder.names == ["dangling", "pipe"])
  }

  @Test("names may be as long as the file system allows, not longer")
  func longNames() throws {
    let file = try AtomicFile(folder(String(repeating: "n", count: 255)))
    try file.commit()
    #expect(try folder.names.count == 1)
    expectRefused("256 bytes") { _ = try AtomicFile(folder(String(repeating: "n", count: 256))) }
    expectRefused("258 bytes") { _ = try AtomicFile(folder(String(repeating: "é", count: 129))) }
  }

  @Test("permissions are kept and links followed")
  func replaces() throws {
    try folder.write("old", "real/a")
    try #require(chmod(folder("real/a"), 0o600) == 0)
    try FileManager.default.createSymbolicLink(
      atPath: folder("a"), withDestinationPath: "real/a")
    let files = try OutputFiles(pair)
    try write(files)
    try files.commit()
    #expect(try folder.text("real/a") == "new a")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: pair[0]) == "real/a")
    let attributes = try FileManager.default.attributesOfItem(atPath: folder("real/a"))
    #expect(attributes[.posixPermissions] as? Int == 0o600)
  }
}
