// Re-exports the system's C library, so that no other file has to choose among its names.
#if canImport(Glibc)
  @_exported public import Glibc
#elseif canImport(Musl)
  @_exported public import Musl
#elseif canImport(Darwin)
  @_exported public import Darwin
#endif

/// Reads variables of the environment.
package enum Environment {
  /// Returns the variable's value; nil if it is not set or empty, because that is how shells unset a
  /// variable for one call.
  package static subscript(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }
}
