/// Reads small files that the system or a person wrote, whole.
package enum SystemFile {
  /// The largest file that is read: what stands in `/proc`, `/sys` or a cache is smaller.
  package static let byteLimit = 64 << 20

  /// Returns the bytes of a regular file; nil if it is anything else, cannot be read, or is larger
  /// than ``byteLimit``.
  package static func bytes(of path: String) -> [UInt8]? {
    // Opens without blocking, because a pipe that nobody writes to would wait for ever.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_size <= byteLimit
    else { return nil }
    // Files of /proc say that they are empty, so the end is found by reading.
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: max(4096, Int(status.st_size) + 1))
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0, bytes.count + count <= byteLimit else { return nil }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
    }
  }

  /// Returns the path of the file that a link names in the end; `path` itself where that is no link, or
  /// leads nowhere.
  package static func withoutLinks(_ path: String) -> String {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK,
      let target = realpath(path, nil)
    else { return path }
    defer { free(target) }
    return String(cString: target)
  }

  /// Writes all of `bytes` to an open file, where the system takes them in portions too.
  ///
  /// - Returns: 0, or `errno` for what went wrong.
  package static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
    var rest = bytes
    while !rest.isEmpty {
      let written = TesseraHost.write(descriptor, rest.baseAddress, rest.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return errno }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
    return 0
  }

  /// Returns the file as UTF-8 text, repaired where it is none; empty if it cannot be read.
  package static func text(of path: String) -> String {
    bytes(of: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// Returns the first word of the file's first line: some files are written by hand, with spaces
  /// around the name.
  package static func firstWord(of path: String) -> String {
    text(of: path).split(whereSeparator: \.isNewline).first?
      .split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
  }

  /// Returns the names in a folder; none if it cannot be read.
  package static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Tells whether this user may make files in the folder.
  package static func isWritable(_ folder: String) -> Bool { access(folder, W_OK | X_OK) == 0 }
}
