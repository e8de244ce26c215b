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

  /// Says why the folder at `path` is not used; nil if it can be, or is not there yet.
  ///
  /// The folder is trusted with results: the programs kept there run on the devices as they are, and
  /// a record that kernels passed their tests is believed. So nobody but this user and the system's
  /// administrator may write to it.
  package static func objection(to path: String) -> TesseraError? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    let problem: String
    let remedy: String
    let other = "export TESSERA_CACHE to another folder"
    if status.st_mode & S_IFMT != S_IFDIR {
      problem = "is not a folder"
      remedy = "mv '\(path)' '\(path).old', or \(other)"
    } else if status.st_uid != geteuid() && status.st_uid != 0 {
      problem = "belongs to another user, who could change what is kept there"
      remedy = other
    } else if status.st_mode & 0o022 != 0 {
      problem = "may be written by other users, who could change what is kept there"
      remedy = "chmod go-w '\(path)', or \(other)"
    } else {
      return nil
    }
    return TesseraError(
      .unsupported,
      "the cache folder \(path) \(problem), and is not used: programs are built and devices "
        + "measured each time; \(remedy)")
  }

  /// Moves what is at `path`, and is not a file, out of the way: a cache keeps files only.
  package static func clearWay(for path: String) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG else { return }
    if unlink(path) == 0 || rmdir(path) == 0 { return }
    // A folder with something in it, which may be somebody's.
    rename(path, path + ".aside-" + String(UInt32.random(in: 0 ... .max), radix: 36))
  }

  /// Makes `path` and the folders above it. Whether it worked shows when a file is written.
  package static func create(_ path: String) {
    for end in path.indices.dropFirst() where path[end] == "/" {
      mkdir(String(path[..<end]), 0o755)
    }
    mkdir(path, 0o700)
  }
}
