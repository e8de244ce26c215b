import ArgumentParser
import Tessera
internal import TesseraHost

/// Checks sizes that options ask for against the memory there is, before any of it is taken: an
/// allocation that is refused ends the process.
enum MemoryNeed {
  /// Checks that rows of Float32 fit: the sum of `counts` rows of `dimension` numbers, `copies` times.
  ///
  /// - Throws: A usage error that ends with `remedy`.
  static func require(
    _ counts: [Int], times dimension: Int, copies: Int, _ remedy: String,
    available: Int = HostLimits.current.availableBytes
  ) throws(ValidationError) {
    // In Float64: products of options overflow integers.
    let bytes = counts.reduce(0.0) { $0 + Double($1) } * Double(dimension) * 4 * Double(copies)
    guard bytes > Double(available) else { return }
    let needed = Int(exactly: bytes.rounded()).map(\.asBytes) ?? "more than 2^63 bytes"
    throw ValidationError(
      "the sizes need \(needed) of memory, and \(available.asBytes) are available; \(remedy)")
  }
}
