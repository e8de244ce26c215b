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
    let iterations = try #require(json["iterations"] as? Int)
    #expect((1...4).contains(iterations))
    let seconds = try #require(json["seconds"] as? [String: Any])
    #expect(seconds["load"] as? Double != nil && seconds["cluster"] as? Double != nil)
    #expect((seconds["iterations"] as? [Double])?.count == iterations)
    for phase in ["preparation", "seeding", "firstAssignment"] {
      #expect(try #require(seconds[phase] as? Double) > 0, "\(phase)")
    }
    #expect(seconds["finalAssignment"] as? Double == 0)
    #expect((json["movedPoints"] as? [Int])?.count == iterations)
    #expect(try #require(json["imbalance"] as? Double) >= 1)
    #expect(json["converged"] as? Bool == (json["movedPoints"] as? [Int])?.contains(0))
    #expect((json["restartObjectives"] as? [Double])?.count == 1)
    #expect((json["notes"] as? [Any])?.isEmpty == true && json["trials"] == nil)
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

  /// The centroids that `kmeans` writes for `options`, and what it says.
  private func centroids(_ options: String) throws -> (bytes: Data, outcome: Shell.Outcome) {
    let outcome = try shell.bash(
      "\"$TESSERA\" kmeans --input base.npy --device cpu --out o.npy --json \(options)")
    try #require(outcome.status == 0, "\(outcome.errors)")
    return (try shell.bytes("o.npy"), outcome)
  }

  @Test(
    "every option changes what is found",
    arguments: [
      "--metric ip", "--metric cosine", "--start parallel", "--start random", "--iterations 1",
      "--algorithm minibatch --batch-size 40", "--algorithm hierarchical", "--weights w.npy",
      "--train-limit 60", "--tolerance 0.5",
    ])
  func options(_ option: String) throws {
    try ScoreFile.write(
      (0..<500).map { Float($0 % 5) }, rows: 500, columns: 1, to: shell.path("w.npy"))
    // More clusters than there are groups of points, so that a good start leaves work to do.
    let plain = try centroids("-k 12").bytes
    let (bytes, outcome) = try centroids("-k 12 \(option)")
    #expect(bytes != plain)
    #expect(try VectorFile.open(shell.path("o.npy")).count == 12)
    #expect(try outcome.json()["emptyClusters"] as? Int == 0)
  }

  @Test("less memory changes nothing")
  func memory() throws {
    #expect(try centroids("-k 9 --memory 5K").bytes == centroids("-k 9").bytes)
  }

  @Test("memory that not one vector fits into is refused")
  func tooLittleMemory() throws {
    let outcome = try shell.tessera(
      "kmeans", "--input", "base.npy", "-k", "9", "--memory", "1", "--out", "o.npy")
    #expect(outcome.status == 64)
    #expect(outcome.errors.contains("a memory limit of 1 bytes leaves no room for a point"))
  }

  @Test("given centroids and no iterations assign any number of vectors")
  func assignOnly() throws {
    _ = try centroids("-k 9 --assignments all.npy")
    let all = try IDFile.open(shell.path("all.npy"))
    try VectorFile.write(
      VectorFile.open(shell.path("base.npy")).rows(100..<104), to: shell.path("few.npy"))
    try FileManager.default.moveItem(atPath: shell.path("o.npy"), toPath: shell.path("c9.npy"))
    let outcome = try shell.tessera(
      "kmeans", "--input", "few.npy", "-k", "9", "--init", "c9.npy", "--iterations", "0", "--out",
      "same.npy", "--assignments", "few.ids.npy")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try shell.bytes("same.npy") == shell.bytes("c9.npy"))
    let few = try IDFile.open(shell.path("few.ids.npy"))
    for point in 0..<4 { #expect(few[point, 0] == all[100 + point, 0]) }
  }

  @Test("iterations without end are no arithmetic overflow")
  func manyIterations() throws {
    let outcome = try shell.tessera(
      "kmeans", "--input", "base.npy", "-k", "3", "--out", "o.npy", "--iterations",
      "9223372036854775807", "--json")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try outcome.json()["converged"] as? Bool == true)
  }

  @Test("objectives of a sample and of all vectors are told apart")
  func tableOfSample() throws {
    let outcome = try shell.tessera(
      "kmeans", "--input", "base.npy", "-k", "9", "--out", "o.npy", "--train-limit", "60")
    #expect(outcome.output.contains("of those trained on"))
    #expect(outcome.output.contains("of all 500"))
  }

  @Test("--choose refuses more clusters than vectors by the number asked for")
  func chooseTooMany() throws {
    try VectorFile.write(Vectors([1, 2, 3, 4, 5, 6], dimension: 1), to: shell.path("six.npy"))
    let outcome = try shell.tessera(
      "kmeans", "--input", "six.npy", "-k", "10", "--choose", "elbow", "--out", "o.npy")
    #expect(outcome.errors.contains("10 clusters asked of 6 points"), "\(outcome.errors)")
  }

  @Test("frozen centroids stay where they were given")
  func frozen() throws {
    _ = try centroids("-k 9 --iterations 0 --start random")
    try FileManager.default.moveItem(atPath: shell.path("o.npy"), toPath: shell.path("given.npy"))
    _ = try centroids("-k 9 --init given.npy --freeze 2:5")
    let (before, after) = (
      try VectorFile.open(shell.path("given.npy")), try VectorFile.open(shell.path("o.npy"))
    )
    for cluster in 0..<9 {
      #expect((before.row(cluster) == after.row(cluster)) == (2..<5).contains(cluster))
    }
  }

  @Test("a training sample is told on stderr and in JSON")
  func trainLimit() throws {
    let outcome = try centroids("-k 9 --train-limit 60").outcome
    #expect(outcome.errors.contains("trained on 60 of 500 points"))
    let note = try #require((outcome.json()["notes"] as? [[String: String]])?.first)
    #expect(note["knob"] == "trainingSampleLimit" && note["quantizer"] == "k-means")
  }

  @Test("restarts are all told, and the best is kept")
  func restarts() throws {
    let json = try centroids("-k 9 --start random --restarts 3").outcome.json()
    let ends = try #require(json["restartObjectives"] as? [Double])
    #expect(ends.count == 3 && json["finalObjective"] as? Double == ends.min())
  }

  @Test("--choose tries up to -k and takes one", arguments: ["elbow", "silhouette"])
  func choose(_ criterion: String) throws {
    let json = try centroids("-k 20 --choose \(criterion)").outcome.json()
    let trials = try #require(json["trials"] as? [[String: Any]])
    #expect(trials.map { $0["k"] as? Int } == [2, 3, 4, 6, 8, 12, 16, 20])
    let k = try #require(json["k"] as? Int)
    #expect(trials.contains { $0["k"] as? Int == k })
    #expect(try VectorFile.open(shell.path("o.npy")).count == k)
    #expect(trials.allSatisfy { ($0["silhouette"] != nil) == (criterion == "silhouette") })
  }

  @Test("numbers are clustered exactly")
  func exact() throws {
    try VectorFile.write(
      Vectors([9, 1, 2, 10, 30], dimension: 1), to: shell.path("numbers.npy"))
    let outcome = try shell.tessera(
      "kmeans", "--input", "numbers.npy", "-k", "3", "--algorithm", "exact", "--out", "c.npy")
    #expect(outcome.status == 0)
    #expect(try VectorFile.open(shell.path("c.npy")).widened() == [1.5, 9.5, 30])
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
