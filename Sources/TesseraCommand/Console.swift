internal import Synchronization
import Tessera
internal import TesseraHost

/// Writes results to stdout, and lines for people to stderr.
enum Console {
  /// What was printed and is not written yet.
  private static let printed = Mutex<[UInt8]>([])

  /// Adds a line to the results. They are written at the end of the command, by ``flush()``.
  static func print(_ text: String) {
    printed.withLock { $0 += Array(text.utf8) + [UInt8(ascii: "\n")] }
  }

  /// Writes what was printed.
  ///
  /// - Throws: `.inputOutput` if stdout does not take all of it, for example on a full disk.
  static func flush() throws(TesseraError) {
    let bytes = printed.withLock { printed in
      defer { printed = [] }
      return printed
    }
    let number = write(bytes, to: STDOUT_FILENO)
    guard number == 0 else {
      throw .system(
        .inputOutput, "stdout", "the result cannot be written", number,
        remedy: "check where it leads, and space and quota of the disk")
    }
  }

  /// Writes one line to stderr, whatever `message` holds.
  static func error(_ message: String) {
    let line = message.split(whereSeparator: \.isNewline).map { line in
      line.split(separator: " ").joined(separator: " ")
    }
    write(line.joined(separator: "; ") + "\n")
  }

  /// Writes to stderr. Where that fails there is nobody left to tell.
  static func write(_ text: String) { _ = write(Array(text.utf8), to: STDERR_FILENO) }

  /// Returns 0, or the system's number for what went wrong.
  private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes {
        #if canImport(Darwin)
          Darwin.write(descriptor, $0.baseAddress, $0.count)
        #elseif canImport(Musl)
          Musl.write(descriptor, $0.baseAddress, $0.count)
        #else
          Glibc.write(descriptor, $0.baseAddress, $0.count)
        #endif
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return errno }
      rest = rest.dropFirst(written)
    }
    return 0
  }

  /// True if a person watches stderr.
  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
