import Tessera
import Testing

@Suite struct TokensCommandTests {
  let shell: Shell

  init() throws {
    shell = try Shell()
    try shell.makeVectors()
  }

  @Test("writes codewords and the row of each token, the same from every device")
  func output() throws {
    let (devices, _) = Devices.all()
    for device in devices {
      let name = device.info.identifier.replacing(":", with: "-")
      let outcome = try shell.tessera(
        "tokens", "--input", "base.npy", "--sequence", "100", "--keep", "5", "--out", name,
        "--device", device.info.identifier)
      #expect(outcome.status == 0, "\(outcome.errors)")
      for end in [".codebook.npy", ".grid.npy"] {
        #expect(try shell.bytes(name + end) == shell.bytes("cpu" + end), "\(name)")
      }
    }
    let codebook = try VectorFile.open(shell.path("cpu.codebook.npy"))
    let grid = try IDFile.open(shell.path("cpu.grid.npy"))
    #expect(codebook.count == 25 && codebook.dimension == 24)
    #expect(grid.rows == 5 && grid.columns == 100)
    for sequence in 0..<5 {
      #expect(Set(grid.row(sequence)) == Set((5 * sequence..<5 * sequence + 5).map(Int64.init)))
    }
  }

  @Test("JSON has the promised keys; the number of tokens can be found")
  func adaptive() throws {
    for choice in ["silhouette", "elbow"] {
      let json = try shell.tessera(
        "tokens", "--input", "base.npy", "--keep", "30", "--adaptive", choice, "--out", "found",
        "--device", "cpu", "--json"
      ).json()
      #expect(json["tokens"] as? Int == 500 && json["sequences"] as? Int == 1)
      let codewords = try #require(json["codewords"] as? Int)
      #expect((2...30).contains(codewords))
      #expect(json["keptShare"] as? Double == Double(codewords) / 500)
      #expect(json["seconds"] as? [String: Double] != nil)
    }
  }

  @Test(
    "refuses what has no meaning, and leaves nothing behind",
    arguments: [
      ("--keep 0", Int32(64)), ("--keep 1 --adaptive elbow", 64), ("--keep 2 --sequence 0", 64),
      ("--keep 2 --iterations 0", 64), ("--keep 2 --sequence 333", 65),
    ])
  func refusals(_ options: String, _ status: Int32) throws {
    let outcome = try shell.bash("$TESSERA tokens --input base.npy --out bad \(options)")
    #expect(outcome.status == status, "\(outcome.errors)")
    #expect(!shell.names.contains { $0.hasPrefix("bad") })
  }
}
