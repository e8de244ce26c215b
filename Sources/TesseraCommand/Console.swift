internal import TesseraHost

/// Lines for people on stderr; results go to stdout.
enum Console {
  /// One line, whatever `message` holds.
  static func error(_ message: String) {
    let line = message.split(whereSeparator: \.isNewline).map { line in
      line.split(separator: " ").joined(separator: " ")
    }
    write(line.joined(separator: "; ") + "\n")
  }

  static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let written = bytes.withUnsafeBytes {
        #if canImport(Darwin)
          Darwin.write(STDERR_FILENO, $0.baseAddress, $0.count)
        #elseif canImport(Musl)
          Musl.write(STDERR_FILENO, $0.baseAddress, $0.count)
        #else
          Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count)
        #endif
      }
      guard written > 0 else { return }
      bytes = bytes.dropFirst(written)
    }
  }

  /// True if a person watches stderr.
  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
