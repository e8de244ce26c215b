import Foundation
import Tessera
import Testing

private let hasOpenCL = Devices.all().devices.contains { $0.info.identifier == "opencl:0" }

@Suite(.enabled(if: hasOpenCL, "no OpenCL device on this machine"))
struct TuneCommandTests {
  let shell: Shell

  init() throws {
    shell = try Shell()
    shell.environment["TESSERA_CACHE"] = shell.path("cache")
  }

  private func tune(_ more: String...) throws -> [String: Any] {
    let outcome = try shell.bash(
      "\"$TESSERA\" tune --json --quiet \(more.joined(separator: " "))")
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try outcome.json()
  }

  private func trials(_ json: [String: Any]) throws -> Int {
    let classes = try #require(json["classes"] as? [[String: Any]])
    return classes.reduce(0) { $0 + ($1["trials"] as? Int ?? 0) }
  }

  @Test("a run goes on where the last one stopped")
  func resumes() throws {
    let first = try tune("--budget 1ms")
    #expect(first["device"] as? String == "opencl:0" && first["complete"] as? Bool == false)
    #expect(first["newTrials"] as? Int == 1)
    #expect(try trials(first) == 1)
    let second = try tune("--budget 1ms")
    #expect(second["newTrials"] as? Int == 1)
    #expect(try trials(second) == 2)
    #expect(try trials(tune("--budget 1ms --afresh")) == 1)
    let classes = try #require(second["classes"] as? [[String: Any]])
    for one in classes {
      #expect(one["name"] is String && one["work"] is String && one["finished"] is Bool)
      #expect(one["chosen"] is [String: Int])
      #expect(try #require(one["gain"] as? Double) >= 1)
    }
  }

  @Test(
    "a damaged or foreign file is named, not used, and in nobody's way",
    arguments: [
      "{", "[]", "{\"x\": {\"tuning\": 7}}", "\u{0}\u{1}",
    ])
  func damaged(_ text: String) throws {
    _ = try tune("--budget 1ms")
    try text.write(toFile: shell.path("cache/devices.json"), atomically: true, encoding: .utf8)
    try shell.makeVectors()
    let found = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "3", "--device", "opencl")
    #expect(found.status == 0)
    #expect(found.errors.contains("devices.json: is damaged and not used"), "\(found.errors)")
    #expect(try shell.tessera("devices").errors.contains("is damaged"))
    #expect(try shell.tessera("doctor").output.contains("is damaged"))
    #expect(try trials(tune("--budget 1ms")) == 1)
    #expect(!(try shell.tessera("devices").errors.contains("is damaged")))
  }

  @Test("only OpenCL devices can be tuned; times are times")
  func refusals() throws {
    for (arguments, status, word) in [
      ("--device cpu", 64, "opencl"), ("--device opencl:99", 69, "opencl:99"),
      ("--budget soon", 64, "soon"), ("--budget 0s", 64, "0s"), ("--budget=-1s", 64, "-1s"),
    ] {
      let outcome = try shell.bash("\"$TESSERA\" tune \(arguments)")
      #expect(outcome.status == Int32(status), "\(arguments): \(outcome.errors)")
      #expect(outcome.errors.contains(word))
    }
  }
}
