import Foundation
import Tessera
import Testing

@Suite struct KMeansCommandTests {
  let shell: Shell

  init() throws {
    shell = try Shell()
    try shell.makeVectors()
  }

  @Test(
    "writes centroids and assignments, the same from every device", arguments: ["l2", "cosine"])
  func output(_ metric: String) throws {
    let (devices, _) = Devices.all()
    for device in devices {
      let name = device.info.identifier.replacing(":", with: "-")
      let outcome = try shell.tessera(
        "kmeans", "--input", "base.npy", "-k", "12", "--iterations", "5", "--metric", metric,
        "--out", "\(name).npy", "--assignments", "\(name).ids.npy", "--device",
        device.info.identifier)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try shell.bytes("\(name).npy") == shell.bytes("cpu.npy"), "\(name)")
      #expect(try shell.bytes("\(name).ids.npy") == shell.bytes("cpu.ids.npy"), "\(name)")
    }
    let centroids = try VectorFile.open(shell.path("cpu.npy"))
    let labels = try IDFile.open(shell.path("cpu.ids.npy"))
    #expect(centroids.count == 12 && centroids.dimension == 24)
    #expect(labels.rows == 500)
    #expect(Set((0..<500).map { labels[$0, 0] }) == Set(0..<12))
  }

  @Test("JSON has the promised keys, with sensible values")
  func json() throws {
    let json = try shell.tessera(
      "kmeans", "--input", "base.npy", "-k", "12", "--iterations", "4", "--device", "cpu", "--out",
      "c.npy", "--json"
    ).json()
    #expect(json["device"] as? String == "cpu")
    #expect((json["variant"] as? String)?.isEmpty == false)
    #expect(json["rows"] as? Int == 500 && json["dimension"] as? Int == 24)
    #expect(json["k"] as? Int == 12)
    #expect(json["seconds"] as? [String: Double] != nil)
    let iterations = try #require(json["iterations"] as? Int)
    #expect((1...4).contains(iterations))
    let objective = try #require(json["objective"] as? [Double])
    #expect(objective.count == iterations)
    #expect(zip(objective, objective.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-6) })
    #expect(json["emptyClusters"] as? Int == 0)
  }

  @Test("--init starts from a file, --seed and --start from chance")
  func starts() throws {
    try shell.tessera(
      "kmeans", "--input", "base.npy", "-k", "9", "--iterations", "3", "--out", "a.npy")
    // No iterations: the given centroids come back.
    try shell.tessera(
      "kmeans", "--input", "base.npy", "-k", "9", "--iterations", "0", "--init", "a.npy", "--out",
      "b.npy")
    #expect(try shell.bytes("a.npy") == shell.bytes("b.npy"))
    for (name, extra) in [("c.npy", ["--seed", "2"]), ("d.npy", ["--start", "random"])] {
      let outcome = try shell.bash(
        "\"$TESSERA\" kmeans --input base.npy -k 9 --iterations 3 --out \(name) "
          + extra.joined(separator: " "))
      #expect(outcome.status == 0)
      #expect(try shell.bytes("a.npy") != shell.bytes(name))
    }
  }

  @Test("fewer distinct points than clusters are reported")
  func empty() throws {
    try VectorFile.write(
      Vectors([1, 1, 1, 2, 2, 2], dimension: 1), to: shell.path("copies.npy"))
    let json = try shell.tessera(
      "kmeans", "--input", "copies.npy", "-k", "4", "--out", "c.npy", "--json"
    ).json()
    #expect(json["emptyClusters"] as? Int == 2)
  }

  @Test(
    "real images: the objective falls, and every cluster is used",
    .enabled(if: RealData.has("sift5k/base.u8.npy"), "no sift5k in \(RealData.folder)"))
  func realPoints() throws {
    let json = try shell.tessera(
      "kmeans", "--input", "\(RealData.folder)/sift5k/base.u8.npy", "-k", "64", "--iterations", "8",
      "--out", "c.fbin", "--device", "cpu", "--json"
    ).json()
    let objective = try #require(json["objective"] as? [Double])
    #expect(zip(objective, objective.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-6) })
    #expect(json["emptyClusters"] as? Int == 0)
  }
}
