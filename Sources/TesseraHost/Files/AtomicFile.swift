/// A file that appears at its path complete, or not at all.
///
/// Bytes go to a temporary file in the same folder. `commit` makes them durable and renames; until
/// then whatever is at the path stays as it is. A file that is not committed leaves nothing behind:
/// where the system can make a file without a name (Linux), not even when the process is killed.
///
/// Not for use from two tasks at once.
package final class AtomicFile {
  package let path: String
  private let folder: Int32
  private let fileName: String
  private let temporaryName = "." + String(UInt64.random(in: .min ... .max), radix: 36) + ".tmp"
  private var descriptor: Int32
  private var hasTemporaryName: Bool

  /// Starts a file that will be at `path`. A link there is followed, and the file it names
  /// replaced; its permissions are kept.
  ///
  /// - Parameter namedFromStart: Give the temporary file a name at once, even where the system
  ///   could do without until `commit`.
  /// - Throws: `.cannotCreate` if the folder is missing or refuses, or if something that is not a
  ///   file is in the way.
  package init(_ path: String, namedFromStart: Bool = false) throws(TesseraError) {
    var status = stat()
    let exists = stat(path, &status) == 0
    guard !exists || status.st_mode & S_IFMT == S_IFREG else {
      let what = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "a pipe or device"
      throw TesseraError(
        .cannotCreate, "\(path.printable): \(what) is in the way; choose another name")
    }
    let target = exists ? Self.resolved(path) : path
    let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folderName = slash.map { $0 == target.startIndex ? "/" : String(target[..<$0]) } ?? "."
    fileName = slash.map { String(target[target.utf8.index(after: $0)...]) } ?? target
    self.path = path

    let folder = open(folderName, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else {
      throw .system(
        .cannotCreate, path, "its folder cannot be opened", errno, remedy: "create the folder first"
      )
    }
    var descriptor: Int32 = -1
    #if os(Linux)
      if !namedFromStart, access("/proc/self/fd", X_OK) == 0 {
        // O_TMPFILE, which Glibc keeps from Swift. /proc is the way to name such a file later.
        let unnamed = 0o20_000_000 | O_DIRECTORY
        descriptor = openat(folder, ".", unnamed | O_WRONLY | O_CLOEXEC, 0o666)
      }
    #endif
    hasTemporaryName = descriptor < 0
    if hasTemporaryName {
      let flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC
      descriptor = openat(folder, temporaryName, flags, 0o666)
    }
    guard descriptor >= 0 else {
      let number = errno
      close(folder)
      throw .system(
        .cannotCreate, path, "no file can be created in its folder", number,
        remedy: "make the folder writable or choose another")
    }
    (self.folder, self.descriptor) = (folder, descriptor)
    if exists { fchmod(descriptor, status.st_mode & 0o777) }
  }

  deinit {
    discard()
    close(folder)
  }

  /// Appends `bytes`. After an error nothing more can be written, and nothing is left behind.
  ///
  /// - Throws: `.inputOutput`, for example if the disk is full.
  package func append(_ bytes: RawSpan) throws(TesseraError) {
    try requireOpen()
    var start = 0
    while start < bytes.byteCount {
      let written = bytes.withUnsafeBytes { bytes in
        let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
        return write(descriptor, rest.baseAddress, rest.count)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw abandoned("cannot be written", errno) }
      start += written
    }
  }

  /// Makes the file durable and puts it at its path, in place of what was there.
  ///
  /// - Throws: `.inputOutput`; the path is then as it was before.
  package func commit() throws(TesseraError) {
    try requireOpen()
    guard fsync(descriptor) == 0 else { throw abandoned("cannot be made durable", errno) }
    if !hasTemporaryName {
      let source = "/proc/self/fd/\(descriptor)"
      guard linkat(AT_FDCWD, source, folder, temporaryName, AT_SYMLINK_FOLLOW) == 0 else {
        throw abandoned("cannot be given a name", errno)
      }
      hasTemporaryName = true
    }
    guard renameat(folder, temporaryName, folder, fileName) == 0 else {
      throw abandoned("cannot be put in its place", errno)
    }
    hasTemporaryName = false
    close(descriptor)
    descriptor = -1
    // The file is complete by now. Some file systems cannot sync a folder, and say EINVAL.
    guard fsync(folder) == 0 || errno == EINVAL else {
      throw .system(
        .inputOutput, path, "is written, but its folder cannot be made durable", errno,
        remedy: "check the disk")
    }
  }

  /// Gives up: removes what was written. Does nothing after `commit`.
  package func discard() {
    guard descriptor >= 0 else { return }
    close(descriptor)
    descriptor = -1
    if hasTemporaryName { unlinkat(folder, temporaryName, 0) }
    hasTemporaryName = false
  }

  private func requireOpen() throws(TesseraError) {
    guard descriptor >= 0 else {
      throw TesseraError(
        .invalidArgument, "\(path.printable): is finished or given up; start a new file")
    }
  }

  private func abandoned(_ problem: String, _ number: Int32) -> TesseraError {
    discard()
    return .system(.inputOutput, path, problem, number, remedy: "check space and quota of the disk")
  }

  private static func resolved(_ path: String) -> String {
    guard let name = realpath(path, nil) else { return path }
    defer { free(name) }
    return String(cString: name)
  }
}
