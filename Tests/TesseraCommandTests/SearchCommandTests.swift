import Foundation
import Tessera
import Testing

@Suite struct SearchCommandTests {
  let shell: Shell

  init() throws {
    shell = try Shell()
    try shell.makeVectors()
  }

  /// Searches and returns the bytes of both output files.
  private func found(_ name: String, _ extra: String...) throws -> [Data] {
    let arguments = ["search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7"]
    let outcome = try shell.bash(
      "\"$TESSERA\" \((arguments + ["--out", name] + extra).joined(separator: " "))")
    try #require(outcome.status == 0, "\(outcome.errors)")
    return try [shell.bytes("\(name).ids.npy"), shell.bytes("\(name).scores.npy")]
  }

  @Test("writes what the reference device finds", arguments: Metric.allCases)
  func output(_ metric: Metric) throws {
    _ = try found("f", "--metric", metric.rawValue)
    let base = try VectorFile.open(shell.path("base.npy"))
    let queries = try VectorFile.open(shell.path("queries.npy"))
    let device = ReferenceDevice.shared
    let expected = try device.nearest(queries, in: device.prepare(base, metric: metric), k: 7)
    let ids = try IDFile.open(shell.path("f.ids.npy"))
    let scores = try ScoreFile.open(shell.path("f.scores.npy"))
    #expect(ids.rows == 30 && ids.columns == 7)
    #expect((0..<30).flatMap(ids.row) == expected.ids)
    #expect(scores.scores == expected.scores)
    let header = try String(decoding: shell.bytes("f.ids.npy").prefix(128), as: UTF8.self)
    #expect(header.contains("'<i8'") && header.contains("(30, 7)"))
  }

  @Test("devices, batches, memory, threads and repeats change no byte")
  func sameBytes() throws {
    let plain = try found("plain")
    var ways = [
      ["--device", "reference"], ["--device", "cpu"], ["--threads", "1"], ["--batch", "1"],
      ["--batch", "7"], ["--batch", "30"], ["--repeat", "3"], ["--memory", "100K"],
      ["--memory", "1M", "--batch", "4", "--device", "cpu"],
      ["--memory", "3K", "--device", "reference"],
    ]
    let (devices, _) = Devices.all()
    for device in devices where device.info.identifier.hasPrefix("opencl") {
      ways += [
        ["--device", device.info.identifier], ["--device", device.info.identifier, "--batch", "8"],
      ]
    }
    for (index, way) in ways.enumerated() {
      let arguments = way + ["--out", "way\(index)"]
      let outcome = try shell.bash(
        "\"$TESSERA\" search --base base.npy --queries queries.npy -k 7 "
          + arguments.joined(separator: " "))
      #expect(outcome.status == 0, "\(way): \(outcome.errors)")
      #expect(try shell.bytes("way\(index).ids.npy") == plain[0], "\(way)")
      #expect(try shell.bytes("way\(index).scores.npy") == plain[1], "\(way)")
    }
    for variant in ["portable", "avx2", "avx512"] {
      shell.environment["TESSERA_CPU"] = variant
      let outcome = try shell.tessera(
        "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--device", "cpu",
        "--out", variant)
      // 64: this machine lacks it.
      guard outcome.status != 64 else { continue }
      #expect(try shell.bytes("\(variant).ids.npy") == plain[0], "\(variant)")
    }
  }

  @Test("a base larger than the memory is searched in chunks")
  func streams() throws {
    let outcome = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--memory", "3K",
      "--device", "reference", "--json")
    #expect(try #require(try outcome.json()["chunks"] as? Int) > 2)
  }

  @Test("a streamed file does not stay in memory")
  func evicts() throws {
    try shell.tessera("generate", "--rows", "300000", "--dimension", "64", "large.npy")
    let peak = { (memory: String) in
      let outcome = try shell.tessera(
        "search", "--base", "large.npy", "--queries", "large.npy", "--limit", "1", "-k", "1",
        "--device", "cpu", "--memory", memory, "--json")
      return try #require(try outcome.json()["peakBytes"] as? Int)
    }
    // The file alone is 73 MiB.
    #expect(try peak("8M") < peak("4G") - (50 << 20))
  }

  @Test("JSON has the promised keys, with sensible values")
  func json() throws {
    _ = try found("truth")
    let outcome = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--metric", "ip",
      "--truth", "truth.ids.npy", "--repeat", "3", "--device", "cpu", "--json")
    let json = try outcome.json()
    #expect(json["device"] as? String == "cpu")
    #expect((json["variant"] as? String)?.isEmpty == false)
    #expect(json["metric"] as? String == "ip")
    #expect(json["rows"] as? Int == 500 && json["dimension"] as? Int == 24)
    #expect(json["queries"] as? Int == 30 && json["k"] as? Int == 7)
    let seconds = try #require(json["seconds"] as? [String: Any])
    #expect(seconds["load"] is Double && seconds["prepare"] is Double)
    let searches = try #require(seconds["search"] as? [Double])
    #expect(searches.count == 3)
    let rate = try #require(json["queriesPerSecond"] as? Double)
    #expect(abs(rate * searches.sorted()[1] - 30) < 1e-6)
    #expect(json["certified"] as? Bool == true)
    #expect(try #require(json["candidatesPerQuery"] as? Double) >= 7)
    #expect(try #require(json["rescoredPerQuery"] as? Double) >= 7)
    #expect(try #require(json["peakBytes"] as? Int) > 1 << 20)
    #expect(json["recall"] as? Double == 1)
    let without = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--json")
    #expect(try without.json()["recall"] == nil)
  }

  @Test("selected rows: however they are said and on every device, the same bytes")
  func selectedRows() throws {
    let rows = Array(100..<140)
    try IDFile.write(
      (rows + rows.reversed()).map(Int64.init), rows: 80, columns: 1, to: shell.path("ids.npy"))
    try IDFile.write(rows.map(Int64.init), rows: 8, columns: 5, to: shell.path("ids.ivecs"))
    let flags = try Vectors(
      HostMemory(copying: (0..<500).map { UInt8(rows.contains($0) ? 1 : 0) }), element: .uint8,
      count: 500, dimension: 1)
    try VectorFile.write(flags, to: shell.path("flags.npy"))
    let (base, queries) = try (
      VectorFile.open(shell.path("base.npy")), VectorFile.open(shell.path("queries.npy"))
    )
    let device = ReferenceDevice.shared
    let set = try device.prepare(
      base.rows(100..<140), metric: .squaredL2, firstID: 100)
    let expected = try device.nearest(queries, in: set, k: 7)
    let plain = try found("plain", "--metric", "l2", "--ids", "100:140")
    let ids = try IDFile.open(shell.path("plain.ids.npy"))
    #expect((0..<30).flatMap(ids.row) == expected.ids)
    var ways = [
      ["--ids", "ids.npy"], ["--ids", "ids.ivecs"], ["--ids", "flags.npy"],
      ["--ids", "flags.npy", "--device", "reference"], ["--ids", "100:140", "--memory", "100K"],
      ["--ids", "ids.npy", "--memory", "3K", "--device", "reference"],
    ]
    for device in Devices.all().devices where device.info.identifier.hasPrefix("opencl") {
      ways += [["--ids", "ids.npy", "--device", device.info.identifier]]
    }
    for (index, way) in ways.enumerated() {
      let outcome = try shell.bash(
        "\"$TESSERA\" search --base base.npy --queries queries.npy -k 7 --metric l2 "
          + "--out way\(index) --json --quiet " + way.joined(separator: " "))
      #expect(outcome.status == 0, "\(way): \(outcome.errors)")
      #expect(try outcome.json()["selectedRows"] as? Int == 40, "\(way)")
      #expect(try shell.bytes("way\(index).ids.npy") == plain[0], "\(way)")
      #expect(try shell.bytes("way\(index).scores.npy") == plain[1], "\(way)")
    }
  }

  @Test("a plan foretells what a search then uses, and writes nothing")
  func plan() throws {
    let before = shell.names
    for extra in [[], ["--memory", "50K"], ["--memory", "50K", "--ids", "100:140"]] {
      let command =
        "\"$TESSERA\" search --base base.npy --queries queries.npy -k 7 --device cpu --json "
        + extra.joined(separator: " ")
      let plan = try shell.bash("\(command) --plan").json()
      let done = try shell.bash(command).json()
      for key in ["chunks", "batch", "selectedRows", "rows", "queries", "k", "workingBytes"] {
        #expect(plan[key] as? Int == done[key] as? Int && plan[key] is Int, "\(key), \(extra)")
      }
      let foretold = try #require(plan["residentBytes"] as? Int)
      let resident = try #require(done["residentBytes"] as? Int)
      #expect(resident > 0 && resident <= foretold * 11 / 10, "\(extra)")
      let rowsPerChunk = try #require(plan["rowsPerChunk"] as? Int)
      #expect((rowsPerChunk < 500) == !extra.isEmpty)
      #expect(plan["seconds"] == nil && done["seconds"] != nil)
    }
    let table = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--plan", "--ids",
      "3:9", "--device", "cpu")
    #expect(table.status == 0 && table.output.contains("6 of 500 rows"))
    #expect(table.output.contains("working memory") && table.output.contains("1, of 500 rows"))
    #expect(shell.names == before)
  }

  @Test("a plan of an index foretells its search, and its metric may be said again")
  func planOfIndex() throws {
    let built = try shell.bash(
      "\"$TESSERA\" build --spec IVF8,Flat --base base.npy --metric l2 --out l2.index --quiet")
    try #require(built.status == 0, "\(built.errors)")
    let command =
      "\"$TESSERA\" search --index l2.index --queries queries.npy -k 7 --device cpu --json "
    for extra in ["", "--memory 60K --batch 4"] {
      let plan = try shell.bash("\(command) \(extra) --plan").json()
      let done = try shell.bash("\(command) \(extra) --metric l2").json()
      for key in ["chunks", "batch", "workingBytes"] {
        #expect(plan[key] as? Int == done[key] as? Int && plan[key] is Int, "\(key), \(extra)")
      }
      let foretold = try #require(plan["residentBytes"] as? Int)
      let resident = try #require(done["residentBytes"] as? Int)
      #expect(resident > 0 && resident <= foretold * 12 / 10, "\(extra): \(resident), \(foretold)")
      #expect((plan["chunks"] as? Int ?? 0 > 1) == !extra.isEmpty)
    }
    let other = try shell.bash("\(command) --metric cosine")
    #expect(other.status == 64 && other.errors.contains("compares by l2"), "\(other.errors)")
  }

  @Test("recall counts what the truth has and the search has not")
  func recall() throws {
    _ = try found("truth", "--metric", "l2")
    let outcome = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--truth",
      "truth.ids.npy", "--json")
    let recall = try #require(try outcome.json()["recall"] as? Double)
    #expect(recall > 0 && recall < 1)
    let eval = try shell.bash(
      """
      "$TESSERA" search --base base.npy --queries queries.npy -k 7 --out ip --quiet >/dev/null
      "$TESSERA" eval --found ip.ids.npy --truth truth.ids.npy --json
      """)
    #expect(try eval.json()["recall"] as? Double == recall)
  }

  @Test("without JSON a person reads a table; results are not mixed with notes")
  func table() throws {
    let outcome = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "3")
    #expect(outcome.output.contains("queries/s") && outcome.output.contains("certified"))
    #expect(!outcome.errors.contains("queries/s"))
    #expect(!outcome.errors.contains("\u{1B}"), "a progress bar where no terminal is")
  }

  @Test("no OpenCL: a small search does not look for it, opencl ends with 69 and the remedy")
  func fallback() throws {
    let plain = try found("plain")
    shell.environment["TESSERA_OPENCL_LIBRARY"] = "/nonexistent"
    let auto = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--out", "auto")
    #expect(auto.status == 0)
    #expect(auto.errors.isEmpty)
    #expect(try shell.bytes("auto.ids.npy") == plain[0])
    #expect(try shell.bytes("auto.scores.npy") == plain[1])
    let quiet = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--quiet")
    #expect(quiet.status == 0 && quiet.errors.isEmpty)
    let explicit = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--device", "opencl",
      "--out", "explicit")
    #expect(explicit.status == 69)
    #expect(explicit.errors.contains("--device cpu"))
    #expect(!shell.names.contains { $0.contains("explicit") })
  }

  @Test("opencl:all shares out a search, with the same bytes, and refuses what it cannot share")
  func allOpenCL() throws {
    let plain = try found("plain")
    // PoCL can show the processor as two devices; other drivers do not look at this.
    shell.environment["POCL_DEVICES"] = "pthread basic"
    let listed = try shell.tessera("devices", "--json").json()["devices"] as? [[String: Any]]
    let count = listed?.count { ($0["device"] as? String)?.hasPrefix("opencl:") == true }
    let all = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "7", "--device",
      "opencl:all", "--out", "all", "--json")
    guard let count, count > 1 else {
      // Nothing to share between: the only device, or none.
      #expect(all.status == (count == 1 ? 0 : 69))
      return
    }
    #expect(try all.json()["device"] as? String == "opencl:all")
    #expect(try shell.bytes("all.ids.npy") == plain[0])
    #expect(try shell.bytes("all.scores.npy") == plain[1])
    let kmeans = try shell.tessera(
      "kmeans", "--input", "base.npy", "-k", "2", "--out", "c.npy", "--device", "opencl:all")
    #expect(kmeans.status != 0 && kmeans.errors.contains("choose one device: opencl:0"))
  }

  @Test("TESSERA_DEVICE is what --device is by default")
  func environmentDevice() throws {
    shell.environment["TESSERA_DEVICE"] = "reference"
    let named = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "1", "--json")
    #expect(try named.json()["device"] as? String == "reference")
    shell.environment["TESSERA_DEVICE"] = "toaster"
    let unknown = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "1")
    #expect(unknown.status == 64 && unknown.errors.contains("TESSERA_DEVICE"))
  }

  @Test("a limit asks the first queries of the file")
  func limit() throws {
    let outcome = try shell.bash(
      """
      "$TESSERA" search --base base.npy --queries queries.npy -k 7 --out all --quiet
      "$TESSERA" search --base base.npy --queries queries.npy -k 7 --limit 11 --out some \
        --truth all.ids.npy --json
      """)
    let json = try #require(outcome.output.range(of: "{")).lowerBound
    #expect(outcome.output[json...].contains("\"recall\" : 1"))
    let (all, some) = try (
      IDFile.open(shell.path("all.ids.npy")), IDFile.open(shell.path("some.ids.npy"))
    )
    #expect(some.rows == 11 && (0..<11).allSatisfy { some.row($0) == all.row($0) })
  }

  @Test("more neighbors than vectors: all of them, never padding")
  func manyNeighbors() throws {
    let outcome = try shell.tessera(
      "search", "--base", "queries.npy", "--queries", "queries.npy", "-k", "99", "--out", "f")
    #expect(outcome.status == 0)
    #expect(try IDFile.open(shell.path("f.ids.npy")).columns == 30)
  }

  @Test("a cache that is damaged or cannot be written costs time, not results")
  func cache() throws {
    let plain = try found("plain")
    try FileManager.default.createDirectory(
      atPath: shell.path("cache"), withIntermediateDirectories: false)
    shell.environment["TESSERA_CACHE"] = shell.path("cache")
    try shell.write("{ not json", "cache/devices.json")
    #expect(try found("damaged") == plain)
    shell.environment["TESSERA_CACHE"] = "/proc/nowhere"
    #expect(try found("unwritable") == plain)
  }

  @Test(
    "real embeddings: exactly the truth, from every device",
    .enabled(
      if: RealData.has("wordnet-minilm/base.f16.npy"), "no wordnet-minilm in \(RealData.folder)"))
  func realEmbeddings() throws {
    let folder = "\(RealData.folder)/wordnet-minilm"
    let truth = try IDFile.open("\(folder)/truth_ip_top100.i32.npy")
    var first: Data?
    for memory in ["4G", "60M"] {
      let outcome = try shell.tessera(
        "search", "--base", "\(folder)/base.f16.npy", "--queries", "\(folder)/queries.f16.npy",
        "-k", "100", "--limit", "60", "--device", "cpu", "--memory", memory, "--out", "real")
      try #require(outcome.status == 0, "\(outcome.errors)")
      let ids = try IDFile.open(shell.path("real.ids.npy"))
      #expect((0..<60).allSatisfy { ids.row($0) == truth.row($0) })
      let bytes = try shell.bytes("real.scores.npy")
      #expect(bytes == first ?? bytes)
      first = bytes
    }
  }
}
