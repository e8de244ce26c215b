/// The bytes of one file, mapped read-only. They stay mapped as long as `memory` lives.
///
/// A file that another program shortens while it is mapped is outside what can be checked here.
package struct MappedFile {
  package let path: String
  package let memory: HostMemory
  package var bytes: UnsafeRawBufferPointer { memory.bytes }

  /// Takes bytes that are in memory already for those of a file at `path`.
  package init(_ memory: HostMemory, as path: String) {
    self.path = path
    self.memory = memory
  }

  /// - Throws: `.inputNotFound` if there is no such file or it may not be read, `.malformedFile` if
  ///   it is empty, `.inputOutput` if the system refuses to map it.
  package init(_ path: String) throws(TesseraError) {
    // Non-blocking, because opening a pipe nobody writes to would wait for ever.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      let number = errno
      let remedy =
        switch number {
        case ENOENT, ENOTDIR: "check the path"
        case EACCES, EPERM: "grant read permission"
        default: "make it readable"
        }
      throw .system(.inputNotFound, path, "cannot be opened", number, remedy: remedy)
    }
    defer { close(descriptor) }

    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .system(.inputOutput, path, "cannot be examined", errno, remedy: "try again")
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR:
      throw TesseraError(
        .inputNotFound, "\(path.printable): is a directory; name a file inside it")
    default:
      throw TesseraError(
        .inputNotFound,
        "\(path.printable): is a pipe or device, which cannot be mapped; save it to a file first")
    }
    guard let byteCount = Int(exactly: status.st_size), byteCount > 0 else {
      throw TesseraError(
        .malformedFile, "\(path.printable): is empty; write or download it again")
    }
    memory = try Self.map(descriptor, byteCount, path)
    self.path = path
  }

  /// Maps the first bytes of an open file, which may be closed then.
  static func map(
    _ descriptor: Int32, _ byteCount: Int, _ path: String
  ) throws(TesseraError) -> HostMemory {
    guard let start = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
      start != MAP_FAILED
    else {
      throw .system(
        .inputOutput, path, "\(byteCount) bytes cannot be mapped", errno,
        remedy: "free address space or raise ulimit -v")
    }
    // Only a hint: rows are mostly read front to back, and a file may be larger than memory.
    madvise(start, byteCount, MADV_SEQUENTIAL)
    return HostMemory(
      UnsafeRawBufferPointer(start: start, count: byteCount), evict: Self.evict
    ) {
      munmap(UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count)
    }
  }

  /// Gives back the whole pages of `bytes`. They are clean, so the file still has them.
  private static func evict(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    let start = (UInt(bitPattern: base) + page - 1) / page * page
    let end = UInt(bitPattern: base + bytes.count) / page * page
    guard start < end else { return }
    madvise(UnsafeMutableRawPointer(bitPattern: start), Int(end - start), MADV_DONTNEED)
  }

  /// The bytes at `offset` as a little-endian integer; nil past the end.
  package func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, as type: Integer.Type
  ) -> Integer? {
    guard offset >= 0, bytes.count - offset >= MemoryLayout<Integer>.size else { return nil }
    return Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
  }
}
