import Foundation
import Tessera
import Testing

/// Runs the built `tessera` in a folder of its own, which goes when this does.
final class Shell {
  let folder: String
  /// The variables that the program sees beside PATH and HOME. Measured speeds are kept for the
  /// next test.
  var environment: [String: String]

  struct Outcome {
    let status: Int32
    let output: String
    let errors: String

    func json() throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    }
  }

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    folder = url.path
    environment = ["TESSERA_CACHE": "\(Self.home)/tessera"]
  }

  deinit {
    _ = try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder)
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// The folder in which drivers keep what they built, for the next test.
  private static let home = FileManager.default.temporaryDirectory
    .appending(path: "tessera-test-home").path

  /// The program lies beside the test bundle.
  private static let program = URL(filePath: CommandLine.arguments[0])
    .deletingLastPathComponent().appending(path: "tessera").path

  @discardableResult
  func tessera(_ arguments: String...) throws -> Outcome { try run(Self.program, arguments) }

  /// Runs a script in which `$TESSERA` is the program.
  func bash(_ script: String) throws -> Outcome { try run("/bin/bash", ["-c", script]) }

  private func run(_ program: String, _ arguments: [String]) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(filePath: folder)
    let own = ProcessInfo.processInfo.environment
    process.environment = environment.merging(
      ["PATH": own["PATH"] ?? "/usr/bin:/bin", "HOME": Self.home, "TESSERA": Self.program]
    ) { mine, _ in mine }
    // Files, because a full pipe would wait for a reader.
    let logs = FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID())").path
    defer {
      for end in [".out", ".err"] { try? FileManager.default.removeItem(atPath: logs + end) }
    }
    for end in [".out", ".err"] {
      _ = FileManager.default.createFile(atPath: logs + end, contents: nil)
    }
    process.standardOutput = FileHandle(forWritingAtPath: logs + ".out")
    process.standardError = FileHandle(forWritingAtPath: logs + ".err")
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus,
      output: try String(contentsOfFile: logs + ".out", encoding: .utf8),
      errors: try String(contentsOfFile: logs + ".err", encoding: .utf8))
  }

  func path(_ name: String) -> String { "\(folder)/\(name)" }
  func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(filePath: path(name))) }
  func write(_ text: String, _ name: String) throws {
    try text.write(toFile: path(name), atomically: true, encoding: .utf8)
  }

  /// Every name in the folder, hidden ones too.
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// `base.npy`, 500 x 24, and `queries.npy`, 30 x 24.
  func makeVectors() throws {
    for (name, rows, skip) in [("base.npy", "500", "0"), ("queries.npy", "30", "500")] {
      let made = try tessera(
        "generate", "--rows", rows, "--skip", skip, "--dimension", "24", "--clusters", "9", name)
      try #require(made.status == 0, "\(made.errors)")
    }
  }
}

/// Real vectors, where they are: TESSERA_TEST_DATA, else ../shared/data beside the package.
enum RealData {
  static let folder =
    ProcessInfo.processInfo.environment["TESSERA_TEST_DATA"]
    ?? URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../shared/data").standardized.path

  static func has(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(folder)/\(path)")
  }
}
