/// A file that grows at its end, written by one at a time: whoever has it open for writing holds a lock
/// on it until this object goes, or its process ends.
///
/// Readers need no lock: they read what is there, and find out themselves where it stops making sense.
package final class AppendedFile: Sendable {
  package let path: String
  private let descriptor: Int32

  /// Opens the file at `path`, or makes it, and locks it.
  ///
  /// - Throws: `.busy` at once if another has locked it; `.cannotCreate` where no such file can be
  ///   written; `.inputOutput`.
  package init(_ path: String) throws(TesseraError) {
    self.path = path
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else {
        throw .system(
          .cannotCreate, path, "cannot be opened for writing", errno,
          remedy: "make it and its folder writable")
      }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let number = errno
        close(descriptor)
        guard number == EWOULDBLOCK else {
          throw .system(
            .inputOutput, path, "cannot be locked", number,
            remedy: "keep it on a file system that has locks")
        }
        throw TesseraError(
          .busy,
          "\(path.printable): another process or object is changing the index; try again when it "
            + "has ended")
      }
      var (own, named) = (stat(), stat())
      let isNamed = fstat(descriptor, &own) == 0 && stat(path, &named) == 0
      guard own.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        throw TesseraError(
          .cannotCreate, "\(path.printable): something that is not a file is in the way; move it")
      }
      // Whoever held the lock before may have removed the file, and the name is another's.
      if isNamed, own.st_ino == named.st_ino, own.st_dev == named.st_dev {
        self.descriptor = descriptor
        break
      }
      close(descriptor)
    }
  }

  deinit {
    // A process that another thread is just starting has a copy of the descriptor until it runs its
    // program, and would keep the lock.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }

  /// Returns the bytes of the file at `path` as they are now; nil if there is none.
  ///
  /// - Throws: `.inputNotFound` for a file that may not be read, `.inputOutput`, `.outOfMemory`.
  package static func read(_ path: String) throws(TesseraError) -> HostMemory? {
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw .system(
        .inputNotFound, path, "cannot be opened", errno, remedy: "grant read permission")
    }
    defer { close(descriptor) }
    return try read(descriptor, path)
  }

  /// Returns the bytes of the file as they are now.
  ///
  /// - Throws: `.inputOutput`, `.outOfMemory`.
  package func read() throws(TesseraError) -> HostMemory { try Self.read(descriptor, path) }

  private static func read(_ descriptor: Int32, _ path: String) throws(TesseraError) -> HostMemory {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .system(.inputOutput, path, "cannot be examined", errno, remedy: "try again")
    }
    // Copied, not mapped: a writer may cut off the end of the file at any time.
    let bytes = try UnsafeMutableRawBufferPointer.allocateAligned(Int(status.st_size))
    var filled = 0
    while filled < bytes.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[filled...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(filled))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        let number = errno
        bytes.deallocateAligned()
        throw .system(.inputOutput, path, "cannot be read", number, remedy: "check the disk")
      }
      if count == 0 { break }
      filled += count
    }
    return HostMemory(UnsafeRawBufferPointer(start: bytes.baseAddress, count: filled)) {
      UnsafeMutableRawBufferPointer(mutating: $0).deallocateAligned()
    }
  }

  /// Writes `runs` one after the other at `end`, cuts off what was there behind, and makes all of it
  /// durable before it returns.
  ///
  /// - Parameter isRepaired: After an error tells whether the file ends at `end` again.
  /// - Throws: `.inputOutput`, for example for a full disk.
  package func write(
    _ runs: [UnsafeRawBufferPointer], at end: Int, isRepaired: inout Bool
  ) throws(TesseraError) {
    var number: Int32 = 0
    if ftruncate(descriptor, off_t(end)) != 0 || lseek(descriptor, off_t(end), SEEK_SET) < 0 {
      number = errno
    }
    for run in runs where number == 0 { number = SystemFile.write(run, to: descriptor) }
    if number == 0, fsync(descriptor) != 0 { number = errno }
    guard number != 0 else { return }
    isRepaired = ftruncate(descriptor, off_t(end)) == 0 && fsync(descriptor) == 0
    throw .system(
      .inputOutput, path, "cannot be written", number, remedy: "check space and quota of the disk")
  }

  /// Makes the file's name durable.
  ///
  /// - Throws: `.inputOutput`.
  package func syncFolder() throws(TesseraError) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    // Some file systems cannot sync a folder, and say EINVAL.
    guard descriptor >= 0, fsync(descriptor) == 0 || errno == EINVAL else {
      throw .system(
        .inputOutput, path, "its folder cannot be made durable", errno, remedy: "check the disk")
    }
  }

  /// Removes the file, whose lock is held until this object goes.
  package func remove() { unlink(path) }
}
