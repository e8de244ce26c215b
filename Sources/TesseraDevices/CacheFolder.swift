#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where what was measured or built is kept between runs. Losing it costs time, never results.
package enum CacheFolder {
  /// `TESSERA_CACHE`, else `tessera` in the user's cache folder; nil where there is no home.
  package static var path: String? {
    environment("TESSERA_CACHE") ?? environment("XDG_CACHE_HOME").map { $0 + "/tessera" }
      ?? environment("HOME").map { $0 + "/.cache/tessera" }
  }

  /// Makes the folder and those above it. Whether it worked shows when a file is written.
  package static func create() {
    guard let path else { return }
    for end in path.indices.dropFirst() where path[end] == "/" {
      mkdir(String(path[..<end]), 0o755)
    }
    mkdir(path, 0o700)
  }
}

/// A variable of the environment; nil if it is empty, because that is how shells unset for one
/// call.
package func environment(_ name: String) -> String? {
  guard let value = getenv(name), value.pointee != 0 else { return nil }
  return String(cString: value)
}
