import TesseraCompute
import TesseraFormats
import TesseraHost

/// A reader of bytes from outside: it returns or throws a clear error for any bytes whatever.
public struct FuzzTarget: Sendable {
  /// The name of the target, and of its corpus and dictionary.
  public let name: String
  private let body: @Sendable ([UInt8]) -> Void

  /// Every target there is.
  public static let all = [
    FuzzTarget("numpy", readNumpy), FuzzTarget("vectors", readVectors), FuzzTarget("ids", readIDs),
    FuzzTarget("json", readJSON), FuzzTarget("safetensors", readStoredArrays),
    FuzzTarget("quantizer", readQuantizer), FuzzTarget("index", readIndex),
    FuzzTarget("journal", readJournal), FuzzTarget("faiss", readFAISS),
    FuzzTarget("partial", readPartial),
  ]

  init(_ name: String, _ body: @escaping @Sendable ([UInt8]) -> Void) {
    self.name = name
    self.body = body
  }

  /// Returns the target with a name.
  public static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }

  /// Reads `bytes` as a file; traps where the reader does wrong.
  public func read(_ bytes: [UInt8]) { body(bytes) }

  /// Returns the bytes of a file; nil if it cannot be read.
  public static func bytes(of path: String) -> [UInt8]? { SystemFile.bytes(of: path) }
}

/// Bytes in memory of exactly their size, so that the address sanitizer sees each byte that is read
/// beyond them.
func file(_ bytes: [UInt8], _ name: String) -> MappedFile {
  MappedFile(HostMemory(copying: bytes), as: name)
}

/// Runs a reader, which may refuse what it reads with an error that says so in one line.
///
/// - Parameter codes: The codes of errors that bad bytes may give; nil for any.
func refusing(
  _ codes: [TesseraError.Code]? = [.malformedFile, .unsupported],
  _ body: () throws(TesseraError) -> Void
) {
  do throws(TesseraError) {
    try body()
  } catch {
    precondition(codes?.contains(error.code) ?? true, "an error of the wrong code: \(error)")
    precondition(
      !error.message.isEmpty && !error.message.unicodeScalars.contains { $0.value < 0x20 },
      "a message that is not one line of text: \(error)")
  }
}

/// Keeps results of reading from being optimised away.
@inline(never) func use<Value>(_ value: Value) {}
