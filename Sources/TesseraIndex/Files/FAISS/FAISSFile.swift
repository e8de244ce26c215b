public import TesseraCompute
package import TesseraHost

/// A file of FAISS: the index that it holds, and what Tessera has no word for, such as the number of
/// lists that FAISS would look at. Written again it is the same bytes.
///
///     let index = try FAISSFile.open("old.faiss").index.measured(on: device)
///     try FAISSFile(index).write(to: "new.faiss")
///
/// Rows (`IxF2`, `IxFI`), scalar and product codes (`IxSQ`, `IxPq`), lists of each (`IwFl`, `IwSq`,
/// `IwPQ`), ids (`IxMp`, `IxM2`), refinement by rows (`IxRF`) and transforms (`IxPT` of `Pcam`, `LTra`,
/// `rrot`, `VCnt` and `VNrm`) are read and written, as faiss-cpu
/// 1.15.1 writes them, also rows of bits (`IBxF`, `IBwF`, `IBMp`), and fast scans of 4 bits (`IPfs`, `IwPf`) are read; everything else is refused by name.
public struct FAISSFile: Sendable {
  /// The index. Where it has lists, nobody has measured them: ``Index/measured(on:control:)``.
  public let index: Index
  let part: FAISSPart
  /// Bytes of the file that was opened; 0 for one that was made.
  public let byteCount: Int

  /// Opens the file at `path`, and copies what is in it.
  ///
  /// - Throws: `.inputNotFound`, `.inputOutput`, `.malformedFile` for a file that is damaged,
  ///   `.unsupported` for parts that Tessera has no word for, `.outOfMemory`.
  public static func open(_ path: String) throws(TesseraError) -> FAISSFile {
    try open(MappedFile(path))
  }

  /// Reads the index of a file that was read already, as ``open(_:)`` of its path.
  package static func open(_ file: MappedFile) throws(TesseraError) -> FAISSFile {
    let part = try FAISSReader.read(file)
    do throws(TesseraError) {
      return try unsafe FAISSFile(index: part.index(), part: part, byteCount: file.bytes.count)
    } catch {
      throw TesseraError(error.code, "\(file.path.printable): \(error.message)")
    }
  }

  init(index: Index, part: FAISSPart, byteCount: Int = 0) {
    self.byteCount = byteCount
    self.index = index
    self.part = part
  }

  /// Tells whether the file at `path` begins as files of FAISS do: with four characters. Files of
  /// Tessera begin with the length of their header, which is never so great.
  package static func isOne(_ path: String) throws(TesseraError) -> Bool {
    guard let start = try MappedFile(path).integer(at: 0, as: UInt32.self) else { return false }
    return (0..<4).allSatisfy { place in
      let byte = UInt8(truncatingIfNeeded: start >> (8 * place))
      return byte < 0x80 && (Character(UnicodeScalar(byte)).isLetter || 0x30...0x39 ~= byte)
    }
  }
}

extension FAISSFile {
  /// Makes the file that an index would be.
  ///
  /// Rows of any type become Float32. An index of lists tells FAISS to look at `probes` of them; nil
  /// takes as many as held 95 % of the true neighbors when it was built.
  ///
  /// - Throws: `.unsupported` for what FAISS has no part for: the cosine, and codes other than SQ and
  ///   PQ.
  public init(_ index: Index, probes: Int? = nil) throws(TesseraError) {
    try index.verify()
    self.init(
      index: index,
      part: try FAISSPart(index, probes: probes ?? index.probes(forRecall: 0.95)))
  }

  /// Writes the file: whole, or nothing.
  ///
  /// - Throws: `.cannotCreate`, `.inputOutput`.
  public func write(to path: String) throws(TesseraError) {
    let file = try AtomicFile(path)
    try write(into: file)
    try file.commit()
  }

  /// Writes the file as ``write(to:)`` does, and leaves the commit to the file's owner.
  package func write(into file: AtomicFile) throws(TesseraError) {
    try FAISSWriter.write(part, into: file)
  }
}
