import TesseraCompute

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension TesseraError {
  /// A refused system call: the path, what was tried, what the system says and what to do.
  ///
  /// - Parameter number: `errno`, read right after the call.
  static func system(
    _ code: Code, _ path: String, _ action: String, _ number: Int32, remedy: String
  ) -> TesseraError {
    let reason = String(cString: strerror(number))
    return TesseraError(
      code, "\(path.printable): \(action): \(reason); \(remedy)", status: number)
  }
}
