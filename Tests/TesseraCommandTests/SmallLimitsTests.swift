import Foundation
import Testing

/// Limits of the system that once ended in a wait without end, most of them before `main`.
@Suite struct SmallLimitsTests {
  let shell: Shell

  init() throws { shell = try Shell() }

  /// Whether this process, if it is root's, can run programs as a user that limits apply to.
  private static let canDropRights: Bool = {
    guard let shell = try? Shell() else { return false }
    let outcome = try? shell.bash(
      "[ $(id -u) -ne 0 ] || setpriv --reuid=65534 --regid=65534 --clear-groups test -x \"$TESSERA\""
    )
    return outcome?.status == 0
  }()

  /// Runs the program with a limit, as an ordinary user, for 30 seconds at most.
  private func limited(_ limit: String, _ arguments: String) throws -> Shell.Outcome {
    try shell.bash(
      """
      chmod 777 . || exit 1
      drop=; [ $(id -u) -ne 0 ] || drop='setpriv --reuid=65534 --regid=65534 --clear-groups'
      exec timeout 30 $drop bash -c 'ulimit \(limit) && exec "$TESSERA" \(arguments)'
      """)
  }

  static let limits = ["-v 100000", "-v 200000", "-v 300000", "-u 1"]

  @Test(
    "the version and the help need neither memory nor threads",
    .enabled(if: canDropRights, "needs setpriv, and a folder that other users can read"),
    arguments: limits)
  func start(_ limit: String) throws {
    let version = try limited(limit, "--version")
    #expect(version.status == 0, "\(version.errors)")
    #expect(version.output == (try shell.tessera("--version").output))
    let help = try limited(limit, "search --help")
    #expect(help.status == 0 && help.output.contains("--base"), "\(help.errors)")
  }

  @Test(
    "a search ends with the same hits, or says why not",
    .enabled(if: canDropRights, "needs setpriv, and a folder that other users can read"),
    arguments: limits)
  func search(_ limit: String) throws {
    // As many rows and dimensions as it takes to learn principal directions.
    for (name, rows, skip) in [("base.npy", "8192", "0"), ("queries.npy", "20", "8192")] {
      try #require(
        try shell.tessera(
          "generate", "--rows", rows, "--skip", skip, "--dimension", "128", "--clusters", "20", name
        ).status == 0)
    }
    shell.environment["TESSERA_CACHE"] = shell.path("cache")
    let command = "search --device cpu --base base.npy --queries queries.npy -k 5 --out"
    try #require(try shell.bash("\"$TESSERA\" \(command) all").status == 0)
    let outcome = try limited(limit, "\(command) some")
    if outcome.status == 0 {
      #expect(try shell.bytes("some.ids.npy") == (try shell.bytes("all.ids.npy")))
    } else {
      #expect((64...78).contains(outcome.status), "\(outcome.status): \(outcome.errors)")
      #expect(!outcome.errors.isEmpty)
    }
  }

  @Test("results are the same bytes without OpenBLAS")
  func withoutBLAS() throws {
    try #require(
      try shell.tessera(
        "generate", "--rows", "6000", "--dimension", "64", "--clusters", "30", "base.npy"
      ).status == 0)
    for library in ["", "off", "/nonexistent.so"] {
      shell.environment["TESSERA_BLAS_LIBRARY"] = library
      let name = library.isEmpty ? "with" : library == "off" ? "off" : "none"
      for command in [
        "search --device cpu --base base.npy --queries base.npy -k 3 --out \(name)",
        "kmeans --device cpu --input base.npy -k 20 --out \(name).kmeans.npy",
        "quantizer train --device cpu --spec OPQ8,PQ8x4 --input base.npy --out \(name).opq",
      ] {
        let outcome = try shell.bash("\"$TESSERA\" \(command)")
        #expect(outcome.status == 0, "\(command): \(outcome.errors)")
      }
    }
    for other in ["off", "none"] {
      for end in [".ids.npy", ".scores.npy", ".kmeans.npy", ".opq"] {
        #expect(try shell.bytes("with\(end)") == (try shell.bytes("\(other)\(end)")), "\(end)")
      }
    }
  }
}
