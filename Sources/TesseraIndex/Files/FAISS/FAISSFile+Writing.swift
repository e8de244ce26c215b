public import TesseraCompute
package import TesseraHost

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
