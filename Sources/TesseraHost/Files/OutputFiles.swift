/// The files that a long work will write, which appear together when all are written.
///
/// Made before the work, so that whatever can be known to stand in the way is said before hours of
/// it. Write each file through its ``subscript(_:)``, then call ``commit()``; files that are not
/// committed leave nothing behind (see ``AtomicFile``).
package struct OutputFiles {
  private let files: [String: AtomicFile]
  private let order: [String]

  /// Starts a file for each of `paths`.
  ///
  /// - Parameter inputs: Files that the work reads, which it must not replace.
  /// - Throws: `.cannotCreate` as ``AtomicFile/init(_:namedFromStart:)``, and for a path that names
  ///   an input or the same file as another path, however it is written.
  package init(_ paths: [String], inputs: [String] = []) throws(TesseraError) {
    var files: [String: AtomicFile] = [:]
    var takenBy: [AtomicFile.Place: String] = [:]
    let read = Set(inputs.compactMap(FileIdentity.init))
    for path in paths {
      if let identity = FileIdentity(path), read.contains(identity) {
        throw TesseraError(
          .cannotCreate,
          "\(path.printable): is an input too, and would be replaced; choose another name")
      }
      let file = try AtomicFile(path)
      if let other = takenBy.updateValue(path, forKey: file.place) {
        throw TesseraError(
          .cannotCreate,
          "\(path.printable): names the same file as \(other.printable); choose another name")
      }
      files[path] = file
    }
    self.files = files
    order = paths
  }

  /// The file that will be at `path`, one of those given to `init`.
  package subscript(_ path: String) -> AtomicFile {
    guard let file = files[path] else { preconditionFailure("\(path) was not announced") }
    return file
  }

  /// Puts all files at their paths.
  ///
  /// - Throws: As ``AtomicFile/commit(_:)``.
  package func commit() throws(TesseraError) {
    try AtomicFile.commit(order.map { self[$0] })
  }
}

/// Tells whether two paths lead to the same file.
private struct FileIdentity: Hashable {
  let device: UInt64
  let number: UInt64

  /// Nil where there is no file.
  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt64(truncatingIfNeeded: status.st_dev)
    number = UInt64(truncatingIfNeeded: status.st_ino)
  }
}
