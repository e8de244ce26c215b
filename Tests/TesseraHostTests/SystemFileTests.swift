import TesseraHost
import TestSupport
import Testing

@Suite("Small files")
struct SystemFileTests {
  let folder: ScratchFolder
  init() throws { folder = try ScratchFolder() }

  @Test("are read whole")
  func whole() throws {
    #expect(SystemFile.bytes(of: try folder.write("", "empty")) == [])
    let long = String(repeating: "0123456789", count: 1000)
    #expect(SystemFile.text(of: try folder.write(long, "long")) == long)
    #expect(SystemFile.firstWord(of: try folder.write("  lib.so  \nother\n", "list")) == "lib.so")
    #expect(SystemFile.text(of: "/proc/self/status").contains("Name:"))
  }

  @Test("a folder, a missing file and one larger than any such file are none")
  func none() throws {
    #expect(SystemFile.bytes(of: folder.path) == nil)
    #expect(SystemFile.bytes(of: folder("missing")) == nil)
    let sparse = try folder.write("", "sparse")
    try #require(truncate(sparse, 1 << 40) == 0)
    #expect(SystemFile.bytes(of: sparse) == nil)
    #expect(SystemFile.text(of: sparse) == "" && SystemFile.firstWord(of: folder.path) == "")
  }

  @Test("a pipe is none, and nobody waits for its writer", .timeLimit(.minutes(1)))
  func pipe() throws {
    try #require(mkfifo(folder("pipe"), 0o600) == 0)
    #expect(SystemFile.bytes(of: folder("pipe")) == nil)
  }

  @Test("names in a folder")
  func names() throws {
    try folder.write("", "b")
    try folder.write("", ".a")
    #expect(SystemFile.names(in: folder.path).sorted() == [".a", "b"])
    #expect(SystemFile.names(in: folder("b")) == [])
  }
}
