/// A file without a name for what does not fit into memory: written once from front to back, then mapped.
///
/// It lies in the folder that `TMPDIR` names, else in `/var/tmp`, which unlike `/tmp` is a disk everywhere.
/// Its space is free again when its memory is released, also when the process is killed.
///
/// Not for use from two tasks at once.
package final class ScratchFile {
  private let folder: String
  private let descriptor: Int32
  private var byteCount = 0

  /// - Throws: `.cannotCreate` where the folder takes no file.
  package init() throws(TesseraError) {
    folder = Environment["TMPDIR"] ?? "/var/tmp"
    var name = Array("\(folder)/.tessera-XXXXXX".utf8CString)
    descriptor = mkstemp(&name)
    guard descriptor >= 0 else {
      throw .system(
        .cannotCreate, folder, "no file can be made for what does not fit into memory", errno,
        remedy: "name another folder with TMPDIR")
    }
    unlink(name)
  }

  deinit { close(descriptor) }

  /// Appends `bytes`.
  ///
  /// - Throws: `.inputOutput`, for example if the disk is full.
  package func append(_ bytes: UnsafeRawBufferPointer) throws(TesseraError) {
    let number = SystemFile.write(bytes, to: descriptor)
    guard number == 0 else {
      throw .system(
        .inputOutput, folder, "what does not fit into memory cannot be written", number,
        remedy: "make room, or name a folder on another disk with TMPDIR")
    }
    byteCount += bytes.count
  }

  /// Returns what was written.
  ///
  /// - Throws: `.inputOutput` if the system refuses to map it.
  package func mapped() throws(TesseraError) -> HostMemory {
    guard byteCount > 0 else { return HostMemory(copying: [UInt8]()) }
    return try MappedFile.map(descriptor, byteCount, folder)
  }
}
