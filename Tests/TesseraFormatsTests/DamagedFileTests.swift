import TesseraCompute
import TesseraFormats
import TestSupport
import Testing

/// A small proper file, and a reader that goes through everything in it.
struct SampleFile: Sendable, CustomTestStringConvertible {
  let name: String
  let write: @Sendable (String) throws -> Void
  /// Returns how many numbers the file held.
  let read: @Sendable (String) throws -> Int
  var testDescription: String { name }

  static let all: [SampleFile] =
    Subject.all.map { subject in
      SampleFile(name: "\(subject.element).\(subject.ending)") { path in
        try VectorFile.write(subject.vectors(subject.values(12), dimension: 3), to: path)
      } read: { path in
        let vectors = try VectorFile.open(path)
        return (0..<vectors.count).reduce(0) { sum, row in sum + vectors.row(row).count }
      }
    }
    + ["npy", "ivecs", "ibin"].map { ending in
      SampleFile(name: "ids.\(ending)") { path in
        try IDFile.write(Array(0..<12), rows: 4, columns: 3, to: path)
      } read: { path in
        let ids = try IDFile.open(path)
        return (0..<ids.rows).reduce(0) { sum, row in sum + ids.row(row).count }
      }
    } + [
      SampleFile(name: "scores.npy") { path in
        try ScoreFile.write((0..<12).map(Float.init), rows: 4, columns: 3, to: path)
      } read: { path in
        let (rows, columns, scores) = try ScoreFile.open(path)
        #expect(scores.count == rows * columns)
        return scores.count
      }
    ]
}

@Suite("Damaged files")
struct DamagedFileTests {
  /// Only record files have prefixes that are proper files: those of whole records.
  @Test("every beginning of a file is refused, or is whole records", arguments: SampleFile.all)
  func truncated(_ sample: SampleFile) throws {
    let folder = try ScratchFolder()
    try sample.write(folder(sample.name))
    let whole = try folder.bytes(sample.name)
    #expect(try sample.read(folder(sample.name)) == 12)
    let recordBytes = sample.name.hasSuffix("vecs") ? whole.count / 4 : whole.count
    for length in 0..<whole.count {
      let path = try folder.write(Array(whole[..<length]), sample.name)
      if length > 0, length % recordBytes == 0 {
        #expect(try sample.read(path) == 3 * length / recordBytes)
      } else {
        let error = try #require(throws: TesseraError.self) { try sample.read(path) }
        #expect(error.code == .malformedFile, "\(length) bytes")
      }
    }
  }

  @Test("changed bytes are read or refused, and nothing else", arguments: SampleFile.all)
  func flipped(_ sample: SampleFile) throws {
    let seed: UInt64 = 20
    var generator = SeededGenerator(seed: seed)
    let folder = try ScratchFolder()
    try sample.write(folder(sample.name))
    let whole = try folder.bytes(sample.name)
    for attempt in 0..<500 {
      var damaged = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        // Half of the changes go to the first bytes, where the sizes are.
        let end = Bool.random(using: &generator) ? min(16, whole.count) : whole.count
        damaged[Int.random(in: 0..<end, using: &generator)] =
          UInt8.random(in: .min ... .max, using: &generator)
      }
      let path = try folder.write(damaged, sample.name)
      do {
        let count = try sample.read(path)
        #expect(count > 0 && count <= whole.count, "seed \(seed), attempt \(attempt)")
      } catch let error as TesseraError {
        #expect(error.code == .malformedFile, "seed \(seed), attempt \(attempt)")
      }
    }
  }

  @Test("changed header texts are read or refused, and nothing else")
  func flippedHeader() throws {
    let seed: UInt64 = 21
    var generator = SeededGenerator(seed: seed)
    let folder = try ScratchFolder()
    let alphabet = Array("{}[]():,'\"\\ 0123456789-+LTFuN<>|=fOV\n".utf8) + [0, 0x80, 0xFF]
    let whole = npy("'<f4'", shape: "(2, 3)", [UInt8](repeating: 0, count: 24))
    for attempt in 0..<3000 {
      var damaged = whole
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        damaged[Int.random(in: 10..<74, using: &generator)] = alphabet.randomElement(
          using: &generator)!
      }
      let path = try folder.write(damaged, "v.npy")
      do throws(TesseraError) {
        #expect(try VectorFile.open(path).byteCount == 24)
      } catch {
        #expect(error.code == .malformedFile, "seed \(seed), attempt \(attempt)")
        #expect(!error.message.contains { $0.isNewline })
      }
    }
  }
}
