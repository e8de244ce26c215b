import Foundation
import TesseraCompute
import TesseraHost
import TesseraIndex
import TestSupport
import Testing

@Suite("Damaged files of FAISS")
struct FAISSDamageTests {
  @Test("that were cut anywhere are refused", arguments: FAISSFixture.names)
  func cut(_ name: String) throws {
    let whole = try FAISSFixture(name).bytes
    let folder = try ScratchFolder()
    let path = folder("cut.faiss")
    try whole.write(to: URL(filePath: path))
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    defer { try? file.close() }
    for length in (0..<whole.count).reversed() {
      try file.truncate(atOffset: UInt64(length))
      let error = refusal { try FAISSFile.open(path) }
      #expect(error?.code == .malformedFile, "\(length) bytes: \(error?.message ?? "read")")
    }
    try (whole + [0]).write(to: URL(filePath: path))
    #expect(refusal { try FAISSFile.open(path) }?.code == .malformedFile)
  }

  /// Counts, sizes, kinds: whatever they say, the file is read or refused, and no more is allocated
  /// than it has. A trap or a failed allocation of what a count of 2^63 asks for would end the tests.
  @Test("that were changed anywhere are read or refused", arguments: FAISSFixture.names)
  func changed(_ name: String) throws {
    let whole = try FAISSFixture(name).bytes
    let folder = try ScratchFolder()
    let path = folder("changed.faiss")
    try whole.write(to: URL(filePath: path))
    let handle = try FileHandle(forUpdating: URL(filePath: path))
    defer { try? handle.close() }
    func put(_ byte: UInt8, at place: Int) throws {
      try handle.seek(toOffset: UInt64(place))
      try handle.write(contentsOf: Data([byte]))
    }
    var refused = 0
    // Rows and codes may be any bytes; of long files some places are enough there.
    let places =
      Array(0..<min(400, whole.count)) + stride(from: 400, to: whole.count, by: 17)
    for place in places {
      for change: UInt8 in [0x01, 0x80, 0xFF] {
        var bytes = whole
        bytes[place] ^= change
        try put(bytes[place], at: place)
        do throws(TesseraError) {
          let file = try FAISSFile.open(path)
          // What was read can be written, and is then what was read. Each file waits for the disk.
          guard change == 0x80, place % 11 == 0 else { continue }
          try file.write(to: folder("again.faiss"))
          #expect((try? Data(contentsOf: URL(filePath: folder("again.faiss")))) == bytes)
        } catch {
          #expect([.malformedFile, .unsupported].contains(error.code), "\(place): \(error)")
          refused += 1
        }
      }
      try put(whole[place], at: place)
    }
    #expect(refused > 60)
  }

  @Test("with RaBitQ factors that no row has are refused")
  func factors() throws {
    var bytes = try FAISSFixture("rabitq").bytes
    // Behind the header, the quantizer, the count and the signs of the first code.
    let place = 33 + 4 + 20 + 8 + 1
    #expect(bytes[place..<place + 4].contains { $0 != 0 })
    bytes.replaceSubrange(place..<place + 4, with: [0, 0, 0xC0, 0x7F])
    let folder = try ScratchFolder()
    let path = folder("nan.faiss")
    try bytes.write(to: URL(filePath: path))
    let error = refusal { try IndexFile.open(path) }
    #expect(error?.code == .malformedFile && error?.message.contains("row 0") == true)
  }

  @Test("with parts inside each other without end are refused")
  func nested() throws {
    var header = Data("IxMp".utf8)
    header += [2, 0, 0, 0] + [UInt8](repeating: 0, count: 24) + [1, 1, 0, 0, 0]
    let folder = try ScratchFolder()
    let path = folder("nested.faiss")
    try Data((0..<200_000).flatMap { _ in header }).write(to: URL(filePath: path))
    let error = refusal { try FAISSFile.open(path) }
    #expect(error?.code == .malformedFile && error?.message.contains("inside each other") == true)
  }

  @Test("whose rows share an id are refused by name")
  func sharedIDs() throws {
    let fixture = try FAISSFixture("map-flat")
    var bytes = fixture.bytes
    // The last two ids.
    bytes.replaceSubrange(
      bytes.count - 8..<bytes.count, with: bytes[bytes.count - 16..<bytes.count - 8])
    let folder = try ScratchFolder()
    let path = folder("shared.faiss")
    try bytes.write(to: URL(filePath: path))
    let error = refusal { try FAISSFile.open(path) }
    #expect(error?.code == .unsupported && error?.message.contains("rows 58 and 59") == true)
  }
}
