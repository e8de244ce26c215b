import Foundation
import TesseraCompute
import TesseraHost
@testable import TesseraIndex
import TestSupport
import Testing

@Suite("Journals of indexes")
struct JournalTests {
  /// A small index, and what it holds after each of its changes.
  struct History {
    let folder: ScratchFolder
    let path: String
    /// Where each record ends, the header before the first.
    let ends: [Int]
    /// The ids that are there then.
    let ids: [[Int64]]
    let journal: [UInt8]

    var journalPath: String { "\(path).journal" }

    init() throws {
      folder = try ScratchFolder()
      path = folder("an.index")
      let rows = try Vectors((0..<6 * 5).map { Float($0 * 7 % 11) }, dimension: 5)
      try IndexFile.write(
        Index.build("IVF2,Flat", rows, metric: .squaredL2, on: Subject.cpu()).index, to: path)
      let index = try LivingIndex(path, for: .writing)
      var ends = [index.journalByteCount]
      var ids = [index.snapshot.ids]
      let changes: [() throws -> Void] = [
        { try index.add(rows.rows(0..<2)) }, { try index.remove([1, 6]) },
        { try index.update(rows.rows(3..<5), ids: [0, 7]) },
        { try index.add(rows.rows(2..<3), ids: [-40]) },
      ]
      for change in changes {
        try change()
        ends.append(index.journalByteCount)
        ids.append(index.snapshot.ids)
      }
      (self.ends, self.ids) = (ends, ids)
      journal = try folder.bytes("an.index.journal")
      #expect(ends.first == 64 && ends.last == journal.count)
      #expect(ids.last == [-40, 0, 2, 3, 4, 5, 7])
    }
  }

  @Test("cut at any byte hold every record before it, and go on from there")
  func cuts() throws {
    let history = try History()
    for length in 0...history.journal.count {
      try history.folder.write(Array(history.journal[..<length]), "an.index.journal")
      let whole = history.ends.lastIndex { $0 <= length }
      let expected = history.ids[whole ?? 0]
      let index = try LivingIndex(history.path)
      #expect(index.snapshot.ids == expected, "\(length) bytes")
      let isWhole = length == 0 || history.ends.contains(length)
      #expect(index.notes.isEmpty == isWhole, "\(length) bytes: \(index.notes)")
      #expect((refusal { try index.verify() } == nil) == isWhole, "\(length) bytes")
      // Writers drop what was not acknowledged, and what they add is there.
      do {
        let writer = try LivingIndex(history.path, for: .writing)
        try writer.add(Vectors([1, 2, 3, 4, 5], dimension: 5), ids: [99])
      }
      let again = try LivingIndex(history.path)
      #expect(again.snapshot.ids == expected + [99] && again.notes.isEmpty, "\(length) bytes")
    }
  }

  @Test("with a changed bit anywhere are found out, and never read as something else")
  func changedBits() throws {
    let history = try History()
    for place in history.journal.indices {
      var bytes = history.journal
      bytes[place] ^= 1 << UInt8(place % 8)
      try history.folder.write(bytes, "an.index.journal")
      do throws(TesseraError) {
        let index = try LivingIndex(history.path)
        #expect(history.ids.dropLast().contains(index.snapshot.ids), "byte \(place)")
        // Only what might be the end of a write that was cut off is left out.
        #expect(place >= history.ends[history.ends.count - 2], "byte \(place)")
        let error = refusal { try index.verify() }
        #expect(error?.code == .malformedFile, "byte \(place)")
        #expect(error?.message.contains(history.journalPath) == true, "byte \(place)")
      } catch {
        #expect([.malformedFile, .unsupported].contains(error.code), "byte \(place): \(error)")
        #expect(error.message.contains(history.journalPath), "byte \(place): \(error)")
      }
    }
  }

  @Test("are the same for all links to an index")
  func links() throws {
    let history = try History()
    let link = history.folder("a-link.index")
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: history.path)
    let expected = try LivingIndex(history.path).snapshot.ids
    #expect(try LivingIndex(link).snapshot.ids == expected)
    do {
      let writer = try LivingIndex(link, for: .writing)
      #expect(refusal { try LivingIndex(history.path, for: .writing) }?.code == .busy)
      try writer.add(Vectors([1, 2, 3, 4, 5], dimension: 5), ids: [99])
    }
    #expect(try LivingIndex(history.path).snapshot.ids == expected + [99])
    #expect(!FileManager.default.fileExists(atPath: link + ".journal"))
    #expect(refusal { try LivingIndex.requireReplaceable(link) }?.code == .cannotCreate)
  }

  @Test("keep the bytes of a damaged last record aside when others take their place")
  func putAside() throws {
    let history = try History()
    let start = history.ends[history.ends.count - 2]
    var bytes = history.journal
    bytes[bytes.count - 1] ^= 1
    try history.folder.write(bytes, "an.index.journal")
    do {
      let writer = try LivingIndex(history.path, for: .writing)
      #expect(writer.notes.count == 2, "\(writer.notes)")
      try writer.add(Vectors([1, 2, 3, 4, 5], dimension: 5), ids: [99])
    }
    #expect(try history.folder.bytes("an.index.journal.damaged") == Array(bytes[start...]))
    #expect(try LivingIndex(history.path).notes.isEmpty)
  }

  @Test("name the place of a damaged record that others follow")
  func middle() throws {
    let history = try History()
    var bytes = history.journal
    bytes[history.ends[1] + 40] ^= 1
    try history.folder.write(bytes, "an.index.journal")
    for access in [LivingIndex.Access.reading, .writing] {
      let error = refusal { try LivingIndex(history.path, for: access) }
      #expect(error?.code == .malformedFile)
      #expect(error?.message.contains("record 2 is damaged") == true, "\(error as Any)")
      #expect(error?.message.contains("at byte \(history.ends[1])") == true, "\(error as Any)")
    }
    #expect(try history.folder.bytes("an.index.journal") == bytes)
  }

  @Test("and index files with a changed bit anywhere are found out")
  func changedIndex() throws {
    let history = try History()
    let whole = try history.folder.bytes("an.index")
    for place in whole.indices {
      var bytes = whole
      bytes[place] ^= 1 << UInt8(place % 8)
      try history.folder.write(bytes, "an.index")
      let error = refusal { try LivingIndex(history.path).verify() }
      #expect(
        error.map { [.malformedFile, .unsupported].contains($0.code) } == true, "byte \(place)")
    }
  }

  @Test("of an index that was compacted before they were cleared count no more")
  func compactedInBetween() throws {
    let history = try History()
    let device = try Subject.cpu()
    let expected = history.ids[history.ids.count - 1]
    do {
      let index = try LivingIndex(history.path, for: .writing)
      try index.compact(on: device)
      #expect(index.snapshot.ids == expected && index.journalByteCount == 64)
    }
    // Nothing is left to be remembered.
    #expect(try history.folder.names == ["an.index"])
    var old = history.journal
    old[history.ends[1] + 40] ^= 1
    for journal in [old, history.journal] {
      try history.folder.write(journal, "an.index.journal")
      #expect(try LivingIndex(history.path).snapshot.ids == expected)
    }
    let index = try LivingIndex(history.path)
    #expect(index.snapshot.ids == expected && !index.snapshot.isChanged)
    try index.verify()
    do {
      let writer = try LivingIndex(history.path, for: .writing)
      try writer.remove([5])
      try writer.compact(on: device)
    }
    // Two files back, it is anybody's.
    try history.folder.write(history.journal, "an.index.journal")
    let error = refusal { try LivingIndex(history.path) }
    #expect(error?.code == .malformedFile)
    #expect(error?.message.contains("of another index file") == true)
  }

  @Test("of newer versions are refused by name")
  func newer() throws {
    let history = try History()
    var bytes = history.journal
    bytes[8] = 2
    let sum = Checksum.crc32(of: bytes[..<60])
    for byte in 0..<4 { bytes[60 + byte] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * byte)) }
    try history.folder.write(bytes, "an.index.journal")
    let error = refusal { try LivingIndex(history.path) }
    #expect(error?.code == .unsupported && error?.message.contains("version 2") == true)
  }
}

extension Checksum {
  fileprivate static func crc32(of bytes: ArraySlice<UInt8>) -> UInt32 {
    Array(bytes).withUnsafeBytes { crc32($0) }
  }
}
