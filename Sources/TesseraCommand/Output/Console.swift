internal import Synchronization
import Tessera
internal import TesseraHost

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Writes results to stdout, and lines for people to stderr.
enum Console {
  /// The results that were printed and are not written yet.
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
    let number = unsafe bytes.withUnsafeBytes { unsafe SystemFile.write($0, to: STDOUT_FILENO) }
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
  static func write(_ text: String) {
    _ = unsafe Array(text.utf8).withUnsafeBytes { unsafe SystemFile.write($0, to: STDERR_FILENO) }
  }

  /// True if a person watches stderr.
  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

/// Prints a result as one JSON object on stdout.
enum JSONOutput {
  static func print(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Sums of huge distances can overflow; JSON has no number for that.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    Console.print(String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}
