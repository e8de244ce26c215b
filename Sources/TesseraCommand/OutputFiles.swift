import Tessera
internal import TesseraHost

/// Several files that appear together or not at all.
///
/// Each is written whole under a temporary name beside its place; when all are, they are renamed.
/// Whatever is not committed is removed.
final class OutputFiles {
  private let paths: [String]
  private var staged: [(temporary: String, path: String)] = []

  /// Sees at once, before hours of work, whether files can be made at `paths`.
  init(_ paths: [String]) throws(TesseraError) {
    self.paths = paths
    for path in paths {
      let folder = Self.split(path).folder
      guard access(folder.isEmpty ? "." : folder, W_OK | X_OK) == 0 else {
        let reason = String(cString: strerror(errno))
        throw TesseraError(
          .cannotCreate,
          "\(path): its folder cannot be written (\(reason)); create it or choose another")
      }
      var status = stat()
      guard stat(path, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR else {
        throw TesseraError(
          .cannotCreate, "\(path): a directory is in the way; choose another name")
      }
    }
  }

  deinit {
    for file in staged { unlink(file.temporary) }
  }

  /// Writes the file for `path` with `write`, which is given the name to write to.
  func stage(
    _ path: String, _ write: (String) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    precondition(paths.contains(path), "\(path) was not announced")
    let (folder, name) = Self.split(path)
    // The extension stays last: it says the format.
    let temporary = "\(folder).tessera-\(getpid())-\(name)"
    staged.append((temporary, path))
    do throws(TesseraError) {
      try write(temporary)
    } catch {
      // People know the name they gave.
      let message = error.message.replacing(temporary, with: path)
      throw TesseraError(error.code, message, status: error.status)
    }
  }

  func commit() throws(TesseraError) {
    for file in staged where rename(file.temporary, file.path) != 0 {
      let reason = String(cString: strerror(errno))
      throw TesseraError(
        .inputOutput, "\(file.path): cannot be put in its place (\(reason)); check the folder")
    }
    staged = []
  }

  /// The folder with its slash, and the name.
  private static func split(_ path: String) -> (folder: String, name: String) {
    let name = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    return (String(path.dropLast(name.count)), String(name))
  }
}
