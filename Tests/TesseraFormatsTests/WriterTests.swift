import Foundation
import TesseraCompute
import TesseraFormats
internal import TesseraHost
import TestSupport
import Testing

@Suite("A write that fails leaves nothing behind")
struct WriterTests {
  /// Expects `write` to fail with `code`, the file that was there to be as it was, and no other.
  private func expectUntouched(
    _ code: TesseraError.Code, _ name: String, _ message: String,
    _ write: (String) throws -> Void
  ) throws {
    let folder = try ScratchFolder()
    for before in [[], ["the old contents"]] {
      for text in before { _ = try folder.write(Array(text.utf8), name) }
      let error = try #require(throws: TesseraError.self) { try write(folder(name)) }
      #expect(error.code == code)
      #expect(error.message.contains(message), "\(error.message)")
      #expect(!error.message.contains { $0.isNewline })
      #expect(try folder.names == before.map { _ in name })
      for text in before { #expect(try folder.bytes(name) == Array(text.utf8)) }
    }
  }

  @Test(
    "a number the format does not have",
    arguments: [
      ("f16bin", 2049, "2049.0 in row 1, column 1 is no float16"),
      ("f16bin", 1e6, "is no float16"), ("u8bin", -1, "is no uint8"), ("u8bin", 0.5, "is no uint8"),
      ("bvecs", 256, "is no uint8"), ("i8bin", 128, "is no int8"), ("i8bin", .nan, "is no int8"),
      ("u8bin", .infinity, "is no uint8"),
    ] as [(String, Float, String)])
  func lossy(_ ending: String, _ value: Float, _ message: String) throws {
    try expectUntouched(.invalidArgument, "v.\(ending)", message) {
      try VectorFile.write(Vectors([1, 2, 3, value], dimension: 2), to: $0)
    }
  }

  @Test("a number the format does not have, when much has been written already")
  func lossyLate() throws {
    let values = [Float](repeating: 1, count: 1_199_999) + [0.5]
    try expectUntouched(.invalidArgument, "v.u8bin", "0.5 in row 1199, column 999 is no uint8") {
      try VectorFile.write(Vectors(values, dimension: 1000), to: $0)
    }
  }

  @Test("a file that outgrows its limit, as on a full disk")
  func limited() async {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 3 << 20, rlim_max: 3 << 20)
      #if os(Linux)
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      #else
        try #require(setrlimit(RLIMIT_FSIZE, &limit) == 0)
      #endif
      let folder = try ScratchFolder()
      _ = try folder.write([9], "v.npy")
      let writer = try VectorFileWriter(
        folder("v.npy"), element: .float32, count: 2000, dimension: 1000)
      let rows = [Float](repeating: 1, count: 1_000_000)
      let error = try #require(throws: TesseraError.self) { try writer.append(rows) }
      #expect(error.code == .inputOutput)
      #expect(error.status == EFBIG)
      #expect(try folder.names == ["v.npy"])
      #expect(try folder.bytes("v.npy") == [9])
    }
  }

  @Test("a process that is killed leaves the file that was there")
  func killed() async throws {
    let folder = try ScratchFolder()
    _ = try folder.write([9], "v.npy")
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = folder("v.npy") as String] in
      let writer = try VectorFileWriter(path, element: .float32, count: 1000, dimension: 1000)
      try writer.append([Float](repeating: 1, count: 999_000))
      kill(getpid(), SIGKILL)
    }
    // A file system that has no files without a name keeps the temporary one.
    #expect(try folder.names.filter { !$0.hasSuffix(".tmp") } == ["v.npy"])
    #expect(try folder.bytes("v.npy") == [9])
  }

  @Test("a number beyond the range, rounding or not", arguments: [Rounding.exact, .nearest])
  func outOfRange(_ rounding: Rounding) throws {
    try expectUntouched(.invalidArgument, "v.npy", "is no uint8") {
      let writer = try VectorFileWriter(
        $0, element: .uint8, count: 1, dimension: 1, rounding: rounding)
      try writer.append([256])
    }
    try expectUntouched(.invalidArgument, "v.npy", "is no float16") {
      let writer = try VectorFileWriter(
        $0, element: .float16, count: 1, dimension: 1, rounding: rounding)
      try writer.append([65520])
    }
  }

  @Test("an id beyond 32 bits", arguments: ["ivecs", "ibin"])
  func wideID(_ ending: String) throws {
    try expectUntouched(.invalidArgument, "i.\(ending)", "id 2147483648 in row 1") {
      try IDFile.write([0, 1 << 31], rows: 2, columns: 1, to: $0)
    }
  }

  @Test("numbers that do not fill the table")
  func wrongCount() throws {
    try expectUntouched(.invalidShape, "i.npy", "3 numbers are not 2 rows of 2") {
      try IDFile.write([1, 2, 3], rows: 2, columns: 2, to: $0)
    }
    try expectUntouched(.invalidShape, "s.npy", "3 numbers are not 2 rows of 2") {
      try ScoreFile.write([1, 2, 3], rows: 2, columns: 2, to: $0)
    }
    for (rows, columns) in [(-1, -4), (.max, 2), (.max / 2, 1), (0, 1 << 31)] {
      try expectUntouched(.invalidShape, "s.npy", "are no table") {
        try ScoreFile.write([1, 2, 3, 4], rows: rows, columns: columns, to: $0)
      }
    }
    for rows in [0, 4] {
      try expectUntouched(.invalidShape, "s.npy", "4 numbers are not \(rows) rows of 0") {
        try ScoreFile.write([1, 2, 3, 4], rows: rows, columns: 0, to: $0)
      }
    }
  }

  @Test("sizes a format cannot hold")
  func unholdable() throws {
    try expectUntouched(.invalidShape, "v.fvecs", "write .npy") {
      try VectorFile.write(Vectors([1], dimension: 1).rows(0..<0), to: $0)
    }
    try expectUntouched(.invalidShape, "v.fbin", "32-bit counts") {
      _ = try VectorFileWriter($0, element: .float32, count: 1 << 32, dimension: 1)
    }
    try expectUntouched(.invalidShape, "v.fvecs", "at most 2147483647") {
      _ = try VectorFileWriter($0, element: .float32, count: 1, dimension: 1 << 31)
    }
    try expectUntouched(.invalidShape, "v.npy", "at least one column") {
      try VectorFile.write(Vectors([], dimension: 0), to: $0)
    }
  }

  @Test("an element type the format does not have")
  func wrongElement() throws {
    try expectUntouched(.invalidArgument, "v.fbin", "has no float16") {
      _ = try VectorFileWriter($0, element: .float16, count: 1, dimension: 1)
    }
    try expectUntouched(.invalidArgument, "v.npy", "no vector file has bfloat16") {
      _ = try VectorFileWriter($0, element: .bfloat16, count: 1, dimension: 1)
    }
  }

  @Test("an append of the wrong width gives the file up")
  func wrongWidth() throws {
    try expectUntouched(.invalidShape, "v.fbin", "4 numbers do not divide into rows of 3") {
      let writer = try VectorFileWriter($0, element: .float32, count: 2, dimension: 3)
      try writer.append([1, 2, 3])
      do {
        try writer.append([1, 2, 3, 4])
      } catch {
        try writer.append([4, 5, 6])
        let late = try #require(throws: TesseraError.self) { try writer.finish() }
        #expect(late.message.contains("given up"))
        throw error
      }
    }
  }

  @Test("more rows than announced")
  func tooManyRows() throws {
    try expectUntouched(.invalidShape, "v.npy", "3 rows are more than the 2") {
      let writer = try VectorFileWriter($0, element: .float32, count: 2, dimension: 1)
      try writer.append([1])
      try writer.append([2, 3])
    }
  }

  @Test("fewer rows than announced")
  func tooFewRows() throws {
    try expectUntouched(.invalidShape, "v.npy", "1 rows are written of the 2") {
      let writer = try VectorFileWriter($0, element: .float32, count: 2, dimension: 1)
      try writer.append([1])
      try writer.finish()
    }
  }

  @Test("a missing folder, or a file in place of one", arguments: ["none/v.npy", "file/v.npy"])
  func missingFolder(_ name: String) throws {
    let folder = try ScratchFolder()
    _ = try folder.write([1], "file")
    let error = try #require(throws: TesseraError.self) {
      try VectorFile.write(Vectors([1], dimension: 1), to: folder(name))
    }
    #expect(error.code == .cannotCreate)
    #expect(error.message.contains("folder"))
    #expect(try folder.names == ["file"])
  }

  @Test("a folder that refuses", .disabled(if: getuid() == 0, "root may write everywhere"))
  func lockedFolder() throws {
    let folder = try ScratchFolder()
    try #require(chmod(folder.path, 0o500) == 0)
    defer { chmod(folder.path, 0o700) }
    let error = try #require(throws: TesseraError.self) {
      try VectorFile.write(Vectors([1], dimension: 1), to: folder("v.npy"))
    }
    #expect(error.code == .cannotCreate)
  }

  @Test("a directory in the way")
  func directoryInTheWay() throws {
    let folder = try ScratchFolder()
    try FileManager.default.createDirectory(
      atPath: folder("v.npy"), withIntermediateDirectories: false)
    let error = try #require(throws: TesseraError.self) {
      try VectorFile.write(Vectors([1], dimension: 1), to: folder("v.npy"))
    }
    #expect(error.code == .cannotCreate)
    #expect(error.message.contains("a directory is in the way"))
    #expect(try folder.names == ["v.npy"])
  }

  @Test("a device in the way, behind a link")
  func deviceInTheWay() throws {
    let folder = try ScratchFolder()
    try FileManager.default.createSymbolicLink(
      atPath: folder("v.npy"), withDestinationPath: "/dev/null")
    let error = try #require(throws: TesseraError.self) {
      try VectorFile.write(Vectors([1], dimension: 1), to: folder("v.npy"))
    }
    #expect(error.code == .cannotCreate)
    #expect(error.message.contains("pipe or device"))
  }

  @Test("an unknown extension", arguments: ["v.txt", "v", "v.ivecs"])
  func unknownExtension(_ name: String) throws {
    try expectUntouched(.cannotCreate, name, "use .npy .fvecs") {
      try VectorFile.write(Vectors([1], dimension: 1), to: $0)
    }
  }
}

@Suite("A file appears at its path complete, or not at all")
struct AtomicFileTests {
  @Test("nothing is at the path before the end, and nothing else after it")
  func appearsAtTheEnd() throws {
    let folder = try ScratchFolder()
    let writer = try VectorFileWriter(
      folder("v.fbin"), element: .float32, count: 1_000_000, dimension: 1)
    try writer.append([Float](repeating: 2, count: 1_000_000))
    #expect(try !folder.names.contains("v.fbin"))
    try writer.finish()
    #expect(try folder.names == ["v.fbin"])
    #expect(throws: TesseraError.self) { try writer.finish() }
    #expect(throws: TesseraError.self) { try writer.append([1]) }
    #expect(try VectorFile.open(folder("v.fbin")).count == 1_000_000)
  }

  @Test("let go before the end, it leaves nothing", arguments: [false, true])
  func abandoned(_ namedFromStart: Bool) throws {
    let folder = try ScratchFolder()
    do {
      let file = try AtomicFile(folder("f"), namedFromStart: namedFromStart)
      try file.append([UInt8](repeating: 1, count: 100).span.bytes)
      #expect(try folder.names.contains("f") == false)
      #expect(try folder.names.count <= 1)
    }
    #expect(try folder.names == [])
  }

  @Test("with and without a temporary name", arguments: [false, true])
  func committed(_ namedFromStart: Bool) throws {
    let folder = try ScratchFolder()
    _ = try folder.write([9, 9], "f")
    let file = try AtomicFile(folder("f"), namedFromStart: namedFromStart)
    try file.append(([1, 2, 3] as [UInt8]).span.bytes)
    #expect(try folder.bytes("f") == [9, 9])
    try file.commit()
    #expect(try folder.bytes("f") == [1, 2, 3])
    #expect(try folder.names == ["f"])
    #expect(throws: TesseraError.self) { try file.append(([4] as [UInt8]).span.bytes) }
    file.discard()
    #expect(try folder.bytes("f") == [1, 2, 3])
  }

  @Test("a folder that goes away before the end", arguments: [false, true])
  func folderRemoved(_ namedFromStart: Bool) throws {
    let folder = try ScratchFolder()
    try FileManager.default.createDirectory(
      atPath: folder("d"), withIntermediateDirectories: false)
    let file = try AtomicFile(folder("d/f"), namedFromStart: namedFromStart)
    try FileManager.default.removeItem(atPath: folder("d"))
    let error = try #require(throws: TesseraError.self) { try file.commit() }
    #expect(error.code == .inputOutput)
    #expect(try folder.names == [])
  }

  @Test("the permissions of the file that is replaced are kept, and links are followed")
  func replaces() throws {
    let folder = try ScratchFolder()
    let target = try folder.write([1], "target.npy")
    try #require(chmod(target, 0o640) == 0)
    try FileManager.default.createSymbolicLink(
      atPath: folder("link.npy"), withDestinationPath: "target.npy")
    try ScoreFile.write([5], rows: 1, columns: 1, to: folder("link.npy"))
    #expect(try ScoreFile.open(target).scores == [5])
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: folder("link.npy")) == "target.npy"
    )
    let attributes = try FileManager.default.attributesOfItem(atPath: target)
    #expect(attributes[.posixPermissions] as? Int == 0o640)
  }
}
