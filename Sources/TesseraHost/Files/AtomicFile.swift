/// A file that appears at its path complete, or not at all.
///
/// Bytes go to a temporary file in the same folder. `commit` makes them durable and renames; until
/// then whatever is at the path stays as it is. A file that is not committed leaves nothing behind:
/// where the system can make a file without a name (Linux), not even when the process is killed.
/// Only to replace a file does it need another name, hidden and random, while it is committed.
///
/// Not for use from two tasks at once.
package final class AtomicFile {
  package let path: String
  /// The folder the file will be in, and its name there, links followed: equal for two paths that
  /// would replace each other.
  let place: Place
  private let folder: Int32
  private let temporaryName = AtomicFile.unusedName()
  private let oldName = AtomicFile.unusedName()
  private let replaces: Bool
  private var descriptor: Int32
  /// Bytes appended so far.
  package private(set) var byteCount = 0
  private var isDurable = false
  private var hasTemporaryName: Bool
  private var hasOldName = false

  struct Place: Hashable {
    let device: UInt64
    let folder: UInt64
    let name: String
  }

  /// Starts a file that will be at `path`. A link there is followed, and the file it names
  /// replaced; its permissions are kept.
  ///
  /// - Parameter namedFromStart: Give the temporary file a name at once, even where the system
  ///   could do without until `commit`.
  /// - Throws: `.cannotCreate` if the folder is missing or refuses, if something that is not a
  ///   file is in the way, or if the file system has no names as long as this one.
  package init(_ path: String, namedFromStart: Bool = false) throws(TesseraError) {
    var status = stat()
    let exists = stat(path, &status) == 0
    try Self.requireNothingInTheWay(path, exists ? status : nil)
    let target = exists ? Self.resolved(path) : path
    let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folderName = slash.map { $0 == target.startIndex ? "/" : String(target[..<$0]) } ?? "."
    let fileName = slash.map { String(target[target.utf8.index(after: $0)...]) } ?? target
    guard !fileName.isEmpty else {
      throw TesseraError(
        .cannotCreate, "\"\(path.printable)\": names no file; add a name to the folder's")
    }
    self.path = path

    let folder = open(folderName, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else {
      throw .system(
        .cannotCreate, path, "its folder cannot be opened", errno, remedy: "create the folder first"
      )
    }
    let longest = fpathconf(folder, Int32(_PC_NAME_MAX))
    guard longest < 0 || fileName.utf8.count <= longest else {
      close(folder)
      throw TesseraError(
        .cannotCreate,
        "\(path.printable): the name has \(fileName.utf8.count) bytes, and its file system allows "
          + "\(longest); choose a shorter one")
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
    (self.folder, self.descriptor, replaces) = (folder, descriptor, exists)
    if exists { fchmod(descriptor, status.st_mode & 0o777) }
    fstat(folder, &status)
    place = Place(
      device: UInt64(truncatingIfNeeded: status.st_dev),
      folder: UInt64(truncatingIfNeeded: status.st_ino), name: fileName)
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
    isDurable = false
    let number = bytes.withUnsafeBytes { SystemFile.write($0, to: descriptor) }
    guard number == 0 else { throw abandoned("cannot be written", number) }
    byteCount += bytes.byteCount
  }

  /// Makes the bytes durable, so that `commit` has little left to do that can fail.
  ///
  /// - Throws: `.inputOutput`; the file is then given up.
  package func seal() throws(TesseraError) {
    try requireOpen()
    guard !isDurable else { return }
    guard fsync(descriptor) == 0 else { throw abandoned("cannot be made durable", errno) }
    isDurable = true
  }

  /// Makes the file durable and puts it at its path, in place of what was there.
  ///
  /// - Throws: `.inputOutput`; the path is then as it was before.
  package func commit() throws(TesseraError) { try Self.commit([self]) }

  /// Puts several files at their paths: all of them, or after an error none.
  ///
  /// All are durable before the first is renamed, and the renames follow each other without
  /// anything in between that waits for a disk; signals that can be put off are. No file system
  /// renames two files at once: a reader that opens one after the other, or a kill or power cut in
  /// the microseconds between, can still meet one new file beside one old.
  ///
  /// - Throws: `.inputOutput`; the paths are then as they were before.
  package static func commit(_ files: [AtomicFile]) throws(TesseraError) {
    do throws(TesseraError) {
      for file in files { try file.seal() }
      try withoutSignals { () throws(TesseraError) in
        for file in files where file.replaces { try file.takeTemporaryName() }
        if files.count > 1 { for file in files { file.keepOld() } }
        for (index, file) in files.enumerated() {
          do throws(TesseraError) {
            try file.takePlace()
          } catch {
            for earlier in files[..<index].reversed() { earlier.restoreOld() }
            throw error
          }
        }
        for file in files { file.dropOld() }
      }
    } catch {
      for file in files { file.discard() }
      throw error
    }
    for file in files { try file.finish() }
  }

  /// Gives up: removes what was written. Does nothing after `commit`.
  package func discard() {
    dropOld()
    guard descriptor >= 0 else { return }
    close(descriptor)
    descriptor = -1
    if hasTemporaryName { unlinkat(folder, temporaryName, 0) }
    hasTemporaryName = false
  }

  // MARK: Steps of commit

  private func takeTemporaryName() throws(TesseraError) {
    guard !hasTemporaryName else { return }
    guard link(to: temporaryName) else { throw abandoned("cannot be given a name", errno) }
    hasTemporaryName = true
  }

  /// Gives the file that has no name this one, unless another file has it.
  private func link(to name: String) -> Bool {
    linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", folder, name, AT_SYMLINK_FOLLOW) == 0
  }

  /// Gives the file that is replaced a second name to come back from. File systems without second
  /// names cannot bring it back.
  private func keepOld() {
    hasOldName = replaces && linkat(folder, place.name, folder, oldName, 0) == 0
  }

  private func takePlace() throws(TesseraError) {
    if !hasTemporaryName {
      if link(to: place.name) { return }
      guard errno == EEXIST else { throw abandoned("cannot be given a name", errno) }
      try takeTemporaryName()
    }
    guard renameat(folder, temporaryName, folder, place.name) == 0 else {
      throw abandoned("cannot be put in its place", errno)
    }
    hasTemporaryName = false
  }

  private func restoreOld() {
    if hasOldName {
      // Where even this fails, the old bytes stay under their second name.
      renameat(folder, oldName, folder, place.name)
      hasOldName = false
    } else if !replaces {
      unlinkat(folder, place.name, 0)
    }
  }

  private func dropOld() {
    if hasOldName { unlinkat(folder, oldName, 0) }
    hasOldName = false
  }

  private func finish() throws(TesseraError) {
    close(descriptor)
    descriptor = -1
    // The file is complete by now. Some file systems cannot sync a folder, and say EINVAL.
    guard fsync(folder) == 0 || errno == EINVAL else {
      throw .system(
        .inputOutput, path, "is written, but its folder cannot be made durable", errno,
        remedy: "check the disk")
    }
  }

  /// Runs `work` while signals wait that would end the process.
  private static func withoutSignals(
    _ work: () throws(TesseraError) -> Void
  ) throws(TesseraError) {
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try work()
  }

  // MARK: Checks

  private static func requireNothingInTheWay(
    _ path: String, _ status: stat?
  ) throws(TesseraError) {
    func inTheWay(_ what: String) -> TesseraError {
      TesseraError(.cannotCreate, "\(path.printable): \(what) is in the way; choose another name")
    }
    guard let status else {
      var link = stat()
      guard lstat(path, &link) != 0 || link.st_mode & S_IFMT != S_IFLNK else {
        throw inTheWay("a link to a file that is not there")
      }
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return
    case S_IFDIR: throw inTheWay("a directory")
    // Such a thing takes bytes as they come: neither whole nor not at all.
    default: throw inTheWay("a pipe or device")
    }
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

  private static func unusedName() -> String {
    "." + String(UInt64.random(in: .min ... .max), radix: 36) + ".tmp"
  }

  private static func resolved(_ path: String) -> String {
    guard let name = realpath(path, nil) else { return path }
    defer { free(name) }
    return String(cString: name)
  }
}
