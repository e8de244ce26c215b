import TesseraCompute
import TesseraHost
import TesseraIndex

/// Reads an index file as it is, and with the checksum that its header should have.
func readIndex(_ bytes: [UInt8]) {
  for bytes in [bytes, withHeaderChecksum(bytes)].compactMap({ $0 }) {
    refusing { () throws(TesseraError) in
      try useRows(of: IndexFile.open(file(bytes, "file.index")))
    }
  }
}

/// Reads a file of FAISS.
func readFAISS(_ bytes: [UInt8]) {
  refusing { () throws(TesseraError) in
    try useRows(of: FAISSFile.open(file(bytes, "file.faiss")).index)
  }
}

/// Reads a journal of a small index as it is, and with the checksums that it should have.
func readJournal(_ bytes: [UInt8]) {
  for bytes in [bytes, withJournalChecksums(bytes)] {
    refusing { () throws(TesseraError) in
      let snapshot = try LivingIndex.snapshot(
        of: journalBase, HostMemory(copying: bytes), as: "file.index.journal")
      precondition(snapshot.ids.count == snapshot.count)
      precondition(snapshot.count(of: .range(.min..<(.max))) <= snapshot.count)
    }
  }
}

/// The index that the journals of the corpus belong to.
private let journalBase: Index = {
  let path = "\(#filePath)".split(separator: "/").dropLast(2).joined(separator: "/")
  do {
    return try IndexFile.open("/\(path)/journal.index")
  } catch {
    fatalError("\(error)")
  }
}()

/// Goes through what an index holds as searches would, decoding its first and last rows.
private func useRows(of index: Index) throws(TesseraError) {
  try index.verify()
  precondition(index.lists.count == index.listCount)
  for list in 0..<index.listCount { precondition(index.lists[list].upperBound <= index.count) }
  use(index.count(of: .range(7..<9)))
  guard index.count > 0 else { return }
  for rank in [0, index.count - 1] {
    refusing(nil) { () throws(TesseraError) in
      let row = try index.reconstruct(index.lists.ids[rank], on: ReferenceDevice.shared)
      precondition(row.count == index.dimension)
    }
  }
}

/// Puts right the checksums of a journal's header and of its records, as far as their lengths lead.
private func withJournalChecksums(_ bytes: [UInt8]) -> [UInt8] {
  var mended = bytes
  func put(_ range: Range<Int>, at place: Int) {
    let sum = mended[range].withUnsafeBytes { Checksum.crc32($0) }
    for byte in 0..<4 { mended[place + byte] = UInt8(truncatingIfNeeded: sum >> (8 * byte)) }
  }
  guard bytes.count >= 64 else { return bytes }
  put(0..<60, at: 60)
  var offset = 64
  while bytes.count - offset >= 32 {
    let length = (0..<8).reduce(UInt64(0)) {
      $0 | UInt64(bytes[offset + 8 + $1]) << UInt64(8 * $1)
    }
    guard length <= UInt64(bytes.count - offset - 32) else { break }
    let end = offset + 32 + Int(length)
    put(offset + 32..<end, at: offset + 24)
    put(offset..<offset + 28, at: offset + 28)
    offset = end
  }
  return mended
}
