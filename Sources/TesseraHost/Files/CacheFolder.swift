/// Finds the folder for what was measured or built and is kept between runs. Losing it costs time,
/// never results.
package enum CacheFolder {
  /// Returns `TESSERA_CACHE`, else `tessera` in the user's cache folder; nil where there is no home.
  ///
  /// - Parameter variable: Looks up the environment; tests give values of their own.
  package static func path(
    _ variable: (String) -> String? = { Environment[$0] }
  ) -> String? {
    variable("TESSERA_CACHE") ?? variable("XDG_CACHE_HOME").map { $0 + "/tessera" }
      ?? variable("HOME").map { $0 + "/.cache/tessera" }
  }

  /// Makes `path` and the folders above it. Whether it worked shows when a file is written.
  package static func create(_ path: String) {
    for end in path.indices.dropFirst() where path[end] == "/" {
      mkdir(String(path[..<end]), 0o755)
    }
    mkdir(path, 0o700)
  }
}
