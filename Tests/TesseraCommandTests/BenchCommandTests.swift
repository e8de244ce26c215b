import Foundation
import Tessera
import TesseraBenchmark
import Testing

@Suite struct BenchCommandTests {
  let shell: Shell

  init() throws { shell = try Shell() }

  @Test("every task of every device is timed, checked, and a share of its peak")
  func quick() throws {
    let outcome = try shell.tessera("bench", "--quick", "--json", "--quiet")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let json = try outcome.json()
    #expect(json["version"] as? String == TesseraVersion.current && json["date"] is String)
    #expect(json["problems"] is [String])
    let devices = try #require(json["devices"] as? [[String: Any]])
    #expect(devices.first?["device"] as? String == "cpu")
    #expect(!devices.contains { $0["device"] as? String == "reference" })
    for device in devices {
      for key in ["name", "kind", "vendor", "driver", "variant"] { #expect(device[key] is String) }
      for key in ["computeUnits", "memoryBytes"] { #expect(device[key] is Int, "\(key)") }
      let measurements = try #require(device["measurements"] as? [[String: Any]])
      let tasks = measurements.compactMap { $0["task"] as? String }
      let missing = try #require(device["unavailable"] as? [[String: String]])
      #expect(missing.allSatisfy { $0["reason"]?.isEmpty == false })
      let named = missing.compactMap { $0["what"] }
      // A matrix unit is the one thing that a device need not have.
      #expect(Set(named).isSubset(of: ["multiplyFloat16", "multiplyInt8"]))
      #expect(tasks == BenchmarkTask.allCases.map(\.rawValue).filter { !named.contains($0) })
      for one in measurements {
        for key in ["coldSeconds", "warmSeconds", "leastSeconds", "mostSeconds", "rate"] {
          #expect(try #require(one[key] as? Double) > 0, "\(key)")
        }
        #expect(try #require(one["checked"] as? Int) > 0)
        #expect(try #require(one["repeats"] as? Int) > 0)
        #expect(one["unit"] is String && one["size"] as? String == "small")
        #expect(!(try #require(one["shape"] as? [String: Int])).isEmpty)
        let task = try #require(BenchmarkTask(rawValue: one["task"] as? String ?? ""))
        #expect((one["shareOfPeak"] is Double) == (task.peak != nil))
      }
    }
    let cpu = try #require(devices.first?["unavailable"] as? [[String: String]])
    #expect(cpu.map { $0["what"] } == ["multiplyFloat16", "multiplyInt8"])
  }

  @Test("a page shows this run beside saved ones, and needs nothing from elsewhere")
  func page() throws {
    let first = try shell.tessera(
      "bench", "--quick", "--device", "cpu", "--operations", "copy,topK", "--json")
    #expect(first.status == 0, "\(first.errors)")
    try first.output.write(toFile: shell.path("old.json"), atomically: true, encoding: .utf8)
    let outcome = try shell.tessera(
      "bench", "--quick", "--device", "cpu", "--operations", "copy,topK", "--html", "page.html",
      "--compare", "old.json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("% of copy"))
    let page = try String(decoding: shell.bytes("page.html"), as: UTF8.self)
    for word in ["this run: cpu", "old.json: cpu", "<svg", "prefers-color-scheme", "</html>"] {
      #expect(page.contains(word), "\(word)")
    }
    for word in ["http:", "https:", "src=", "href=", "url(", "@import", "<script"] {
      #expect(!page.contains(word), "\(word)")
    }
    #expect(shell.names == ["old.json", "page.html"])
  }

  @Test(
    "what cannot be honoured is refused, with the right status",
    arguments: [
      (["--operations", "copy,sleep"], 64, "sleep"), (["--sizes", "tiny"], 64, "tiny"),
      (["--quick", "--sizes", "small"], 64, "--sizes"), (["--compare", "x.json"], 64, "--html"),
      (["--html", "p.html", "--compare", "x.json"], 66, "x.json"),
      (["--html", "nowhere/p.html"], 73, "nowhere"), (["--threads", "0"], 64, "--threads"),
      (["--device", "auto"], 64, "auto"), (["--device", "opencl:99"], 69, "opencl"),
    ])
  func refusals(_ arguments: [String], _ status: Int32, _ word: String) throws {
    let outcome = try shell.bash(
      "\"$TESSERA\" bench " + arguments.map { "'\($0)'" }.joined(separator: " "))
    #expect(outcome.status == status)
    #expect(outcome.errors.contains(word), "\(outcome.errors)")
    #expect(shell.names.isEmpty)
  }

  @Test(
    "a file that is no run is refused", arguments: ["{}", "[1]", "not json", "{\"devices\": 1}"])
  func noRun(_ text: String) throws {
    try shell.write(text, "x.json")
    let outcome = try shell.tessera("bench", "--html", "p.html", "--compare", "x.json")
    #expect(outcome.status == 65 && outcome.errors.contains("x.json"))
    #expect(shell.names == ["x.json"])
  }
}
