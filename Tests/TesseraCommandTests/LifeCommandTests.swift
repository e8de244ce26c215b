import Foundation
import Tessera
import Testing

@Suite("Indexes that change, by commands")
struct LifeCommandTests {
  private static let full: String? = {
    // A small disk, as root or in a name space of one's own.
    guard let shell = try? Shell() else { return nil }
    for prefix in ["unshare -m", "unshare -rm"] {
      let outcome = try? shell.bash("mkdir -p d; \(prefix) mount -t tmpfs -o size=64k tmpfs d")
      if outcome?.status == 0 { return prefix }
    }
    return nil
  }()

  @Test("add, search, remove, update, verify, convert and compact")
  func life() throws {
    let shell = try Shell()
    shell.environment["TESSERA_DEVICE"] = "cpu"
    try shell.makeVectors()
    func run(_ command: String, status: Int32 = 0) throws -> Shell.Outcome {
      let outcome = try shell.bash("\"$TESSERA\" \(command)")
      #expect(outcome.status == status, "\(command): \(outcome.errors)")
      return outcome
    }
    _ = try run("build --spec IVF9,Flat --base base.npy --metric l2 --out a.index --quiet")
    let added = try run("add a.index --base queries.npy --json").json()
    #expect(added["added"] as? Int == 30 && added["firstID"] as? Int == 500)
    #expect(added["rows"] as? Int == 530)
    // Each query is its own nearest row now.
    let found = try run(
      "search --index a.index --queries queries.npy -k 1 --out found --json --quiet"
    ).json()
    #expect(found["addedRows"] as? Int == 30 && found["rows"] as? Int == 530)
    let ids = try IDFile.open(shell.path("found.ids.npy"))
    #expect((0..<30).allSatisfy { ids[$0, 0] == Int64(500 + $0) })
    let removed = try run("remove a.index --ids 490:510 --json").json()
    #expect(removed["removed"] as? Int == 20 && removed["rows"] as? Int == 510)
    try IDFile.write([510, 777, 511], rows: 3, columns: 1, to: shell.path("some.npy"))
    let strict = try run("remove a.index --ids some.npy --strict", status: 64)
    #expect(strict.errors.contains("no row has the id 777"))
    let some = try run("remove a.index --ids some.npy --json")
    let counts = try some.json()
    #expect(counts["removed"] as? Int == 2 && counts["unknown"] as? Int == 1)
    #expect(some.errors.contains("1 of the ids"))
    // NumPy's flags are no ids 0 and 1.
    _ = try shell.bash(
      "head -c 128 base.npy | sed 's/<f4/|u1/; s/(500, 24)/(1, 1)    /' > flags.npy")
    _ = try shell.bash("printf '\\001' >> flags.npy")
    #expect(try run("remove a.index --ids flags.npy", status: 65).errors.contains("flags"))
    let info = try run("info a.index --verify --json").json()
    #expect(info["rows"] as? Int == 508 && info["addedRows"] as? Int == 18)
    #expect(info["removedRows"] as? Int == 10 && info["verified"] as? Bool == true)
    #expect(info["drift"] is Double && info["needsRetrain"] as? Bool == false)
    #expect(info["journalBytes"] as? Int == (try shell.bytes("a.index.journal").count))
    // Another index may not take the place of changes, and a copy has them.
    let build = try run("build --spec Flat --base base.npy --out a.index", status: 73)
    #expect(build.errors.contains("a.index.journal"))
    let copy = try run("convert a.index copy.index --json --quiet").json()
    #expect(copy["rows"] as? Int == 508)
    let compacted = try run("compact a.index --json --quiet").json()
    #expect(compacted["rows"] as? Int == 508)
    for index in ["a", "copy"] {
      _ = try run(
        "search --index \(index).index --queries queries.npy -k 5 --probes 9 --out \(index)")
    }
    #expect(try shell.bytes("a.ids.npy") == shell.bytes("copy.ids.npy"))
    #expect(!shell.names.contains("a.index.journal"))
    let again = try run("add a.index --base queries.npy --ids some.npy", status: 65)
    #expect(again.errors.contains("some.npy"))
    let faiss = try run("convert a.index a.faiss --quiet")
    #expect(faiss.status == 0)
    #expect(try run("add a.faiss --base queries.npy", status: 64).errors.contains("convert"))
    #expect(try run("add none.index --base queries.npy", status: 66).errors.contains("none.index"))
  }

  @Test("one writer at a time")
  func twoWriters() throws {
    let shell = try Shell()
    try shell.makeVectors()
    try shell.tessera("build", "--spec", "Flat", "--base", "base.npy", "--out", "a.index")
    let writer = try LivingIndex(shell.path("a.index"), for: .writing)
    let other = try shell.tessera("remove", "a.index", "--ids", "0:5")
    #expect(other.status == 75 && other.errors.contains("another process"))
    #expect(writer.snapshot.count == 500)
    #expect(
      try shell.tessera("search", "--index", "a.index", "--queries", "queries.npy", "-k", "1")
        .status
        == 0)
  }

  @Test(
    "a writer that is killed at any moment leaves all rows of the changes before, and no others")
  func kills() throws {
    let kills = Int(ProcessInfo.processInfo.environment["TESSERA_KILLS"] ?? "") ?? 30
    let shell = try Shell()
    shell.environment["TESSERA_DEVICE"] = "cpu"
    try shell.makeVectors()
    let path = shell.path("a.index")
    try shell.tessera(
      "build", "--spec", "IVF9,Flat", "--base", "base.npy", "--metric", "l2", "--out", "a.index")
    try shell.tessera(
      "generate", "--rows", "3", "--dimension", "24", "--seed", "5", "three.npy")
    let three = try VectorFile.open(shell.path("three.npy"))
    let commands = ["add a.index --base three.npy", "remove a.index --ids 0:", "compact a.index"]
    var ids = Set(0..<Int64(500))
    var next: Int64 = 500
    // How long it takes when nobody kills it, with the program in memory.
    var seconds = Double.infinity
    for _ in 0..<3 {
      let start = ContinuousClock.now
      #expect(try shell.bash("\"$TESSERA\" \(commands[0])").status == 0)
      seconds = min(seconds, (ContinuousClock.now - start) / .seconds(1))
      ids.formUnion(next..<next + 3)
      next += 3
    }
    var random = SplitMix64(seed: UInt64(kills))
    var killed = 0
    for round in 0..<kills {
      let kind = [0, 0, 1, 0, 2][round % 5]
      let end = Int64(3 * round)
      let command = kind == 1 ? "\(commands[1])\(end)" : commands[kind]
      // What is written is written late in a process's life.
      let delay = (0.3 + 0.9 * random.nextUnit()) * seconds
      let outcome = try shell.bash(
        "\"$TESSERA\" \(command) >/dev/null 2>&1 & sleep \(delay); kill -9 $! 2>/dev/null; wait $!")
      var changed = ids
      if kind == 0 { changed.formUnion(next..<next + 3) }
      if kind == 1 { changed.subtract(0..<end) }
      let found = Set(try LivingIndex(path).snapshot.ids)
      if outcome.status == 0 {
        #expect(found == changed, "round \(round): \(command)")
      } else {
        killed += 1
        #expect(outcome.status == 137, "round \(round): \(command)")
        #expect(found == changed || found == ids, "round \(round): \(command)")
      }
      if kind == 0, found == changed { next += 3 }
      ids = found
    }
    #expect(killed > kills / 8)
    // Every row is what it was.
    let device = try Devices.choose(.cpu)
    let living = try LivingIndex(path, for: .writing)
    try living.compact(on: device)
    try living.verify()
    #expect(Set(living.snapshot.ids) == ids)
    for id in ids where id >= 500 {
      #expect(
        try living.snapshot.base.reconstruct(id, on: device) == three.row(Int(id - 500) % 3))
    }
  }

  @Test(
    "a full disk refuses changes, and what is there stays",
    .enabled(if: full != nil, "needs the right to mount a small tmpfs"))
  func fullDisk() throws {
    let shell = try Shell()
    shell.environment["TESSERA_DEVICE"] = "cpu"
    try shell.makeVectors()
    let outcome = try shell.bash(
      """
      mkdir small && \(Self.full ?? "") bash -c '
        mount -t tmpfs -o size=160k tmpfs small || exit 1
        "$TESSERA" build --spec Flat --base base.npy --out small/a.index --quiet >/dev/null || exit 2
        added=0
        while "$TESSERA" add small/a.index --base queries.npy >/dev/null 2>errors; do
          added=$((added + 30)); [ $added -lt 3000 ] || exit 3
        done
        echo "$? added $added"; cat errors
        "$TESSERA" add small/a.index --base base.npy >/dev/null; echo "$?"
        "$TESSERA" compact small/a.index --quiet >/dev/null; echo "$?"
        "$TESSERA" info small/a.index --verify --json >info || exit 4
        "$TESSERA" remove small/a.index --ids 0:9 >/dev/null || echo full; ls -A small'
      """)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let lines = outcome.output.split(separator: "\n")
    // "wait" shows the status of the loop's condition, which is lost: the message tells it.
    #expect(lines.contains { $0.contains("cannot be written") }, "\(outcome.output)")
    let added = try #require(
      lines.first { $0.contains(" added ") }.flatMap { Int($0.split(separator: " ")[2]) })
    #expect(added > 0)
    #expect(lines.count { $0 == "74" } == 2, "\(outcome.output)")
    let info = try #require(
      try JSONSerialization.jsonObject(with: shell.bytes("info")) as? [String: Any])
    #expect(info["rows"] as? Int == 500 + added)
    // Nothing half-written is left.
    #expect(lines.suffix(2) == ["a.index", "a.index.journal"], "\(outcome.output)")
  }
}
