import Tessera
import Testing

@Suite struct QuantizerSearchTests {
  let shell: Shell

  init() throws {
    shell = try Shell()
    try shell.makeVectors()
    for words in [
      ["train", "--spec", "RaBitQ8", "--input", "base.npy", "--out", "book.safetensors"],
      ["encode", "--book", "book.safetensors", "--input", "base.npy", "--out", "codes.npy"],
    ] {
      let made = try shell.bash("$TESSERA quantizer \(words.joined(separator: " ")) --device cpu")
      try #require(made.status == 0, "\(made.errors)")
    }
  }

  @Test(
    "finds nearly what an exact search finds, the same from every device",
    arguments: Metric.allCases)
  func recall(_ metric: Metric) throws {
    let exact = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "10", "--metric",
      metric.rawValue, "--out", "true")
    try #require(exact.status == 0, "\(exact.errors)")
    let (devices, _) = Devices.all()
    for device in devices {
      let name = device.info.identifier.replacing(":", with: "-")
      let json = try shell.tessera(
        "quantizer", "search", "--book", "book.safetensors", "--codes", "codes.npy", "--queries",
        "queries.npy", "-k", "10", "--metric", metric.rawValue, "--truth", "true.ids.npy",
        "--batch",
        "7", "--out", name, "--device", device.info.identifier, "--json"
      ).json()
      #expect(try #require(json["recall"] as? Double) > 0.95)
      #expect(json["queries"] as? Int == 30 && json["rows"] as? Int == 500)
      for end in [".ids.npy", ".scores.npy"] {
        #expect(try shell.bytes(name + end) == shell.bytes("cpu" + end), "\(name)")
      }
    }
  }

  @Test("compares by inner product unless told otherwise, and searches the rows it is told to")
  func defaults() throws {
    let ask =
      "$TESSERA quantizer search --book book.safetensors --codes codes.npy --queries queries.npy "
      + "-k 5 --device cpu --json"
    let plain = try shell.bash(ask).json()
    let exact = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "5", "--json", "--device",
      "cpu"
    ).json()
    #expect(plain["metric"] as? String == "ip" && exact["metric"] as? String == "ip")
    let some = try shell.bash(ask + " --ids 100:110 --out some")
    #expect(some.status == 0, "\(some.errors)")
    let ids = try IDFile.open(shell.path("some.ids.npy"))
    #expect(ids.rows == 30 && ids.columns == 5)
    for row in 0..<30 { #expect(ids.row(row).allSatisfy { (100..<110).contains($0) }) }
    #expect(try shell.bash(ask + " --ids 0:501").status == 65)
  }

  @Test(
    "refuses what does not fit",
    arguments: [
      ("-k 0", Int32(64)), ("-k 5 --batch 0", 64), ("-k 5 --truth base.npy", 65),
      ("-k 5 --codes queries.npy", 65), ("-k 5 --book base.npy", 65), ("-k 5 --book none", 66),
    ])
  func refusals(_ options: String, _ status: Int32) throws {
    var words = "--queries queries.npy \(options)"
    if !options.contains("--codes") { words += " --codes codes.npy" }
    if !options.contains("--book") { words += " --book book.safetensors" }
    let outcome = try shell.bash("$TESSERA quantizer search \(words) --out bad")
    #expect(outcome.status == status, "\(outcome.errors)")
    #expect(!shell.names.contains { $0.hasPrefix("bad") })
  }
}
