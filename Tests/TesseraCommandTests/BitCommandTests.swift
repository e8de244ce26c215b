import Foundation
import Testing

@Suite("Rows of bits, by commands")
struct BitCommandTests {
  private func shell() throws -> Shell {
    let shell = try Shell()
    for (name, rows, skip) in [("base.npy", "400", "0"), ("queries.npy", "20", "400")] {
      let made = try shell.tessera(
        "generate", "--rows", rows, "--skip", skip, "--dimension", "8", "--clusters", "9",
        "--element", "u1", name)
      try #require(made.status == 0, "\(made.errors)")
    }
    return shell
  }

  @Test(
    "are built, shown and searched, in a base and in indexes alike",
    arguments: ["hamming", "jaccard"])
  func search(_ metric: String) throws {
    let shell = try shell()
    for (spec, index) in [("BFlat", "a.index"), ("BIVF9", "b.index")] {
      let built = try shell.tessera(
        "build", "--spec", spec, "--base", "base.npy", "--metric", metric, "--device", "cpu",
        "--json", "--quiet", "--out", index)
      #expect(built.status == 0, "\(built.errors)")
      let info = try shell.tessera("info", index, "--json", "--verify").json()
      #expect(info["spec"] as? String == spec && info["metric"] as? String == metric)
      #expect(info["dimension"] as? Int == 8 && info["rows"] as? Int == 400)
      let found = try shell.bash(
        "\"$TESSERA\" search --index \(index) --queries queries.npy -k 5 --recall 1 --json "
          + "--device cpu --quiet --out \(index).found")
      #expect(found.status == 0, "\(found.errors)")
    }
    let flat = try shell.bash(
      "\"$TESSERA\" search --base base.npy --queries queries.npy -k 5 --metric \(metric) "
        + "--device cpu --quiet --json --out flat")
    #expect(flat.status == 0, "\(flat.errors)")
    #expect(try flat.json()["certified"] as? Bool == true)
    for end in ["ids", "scores"] {
      #expect(try shell.bytes("a.index.found.\(end).npy") == shell.bytes("flat.\(end).npy"))
    }
    let near = try shell.bash(
      "\"$TESSERA\" search --base base.npy --queries queries.npy --metric \(metric) --within 0.5 "
        + "--ids 0:300 --device cpu --quiet --out near")
    #expect(near.status == 0, "\(near.errors)")
  }

  @Test("are refused where metric, specification and type do not belong together")
  func refused() throws {
    let shell = try shell()
    try shell.tessera("generate", "--rows", "30", "--dimension", "8", "floats.npy")
    for (command, status, text) in [
      ("build --spec BFlat --base base.npy --metric l2 --out x", Int32(64), "hamming and jaccard"),
      ("build --spec IVF4,Flat --base base.npy --metric hamming --out x", 64, "BIVF4"),
      ("build --spec BHNSW32 --base base.npy --out x", 64, "BFlat"),
      ("build --spec BFlat --base floats.npy --out x", 64, "uint8"),
      ("search --base floats.npy --queries queries.npy -k 1 --metric hamming", 64, "floats.npy"),
      ("search --base base.npy --queries floats.npy -k 1 --metric jaccard", 64, "floats.npy"),
      ("search --base base.npy --queries queries.npy -k 1 --metric tanimoto", 64, "hamming"),
    ] {
      let outcome = try shell.bash("\"$TESSERA\" \(command) --quiet")
      #expect(outcome.status == status, "\(command): \(outcome.errors)")
      #expect(outcome.errors.contains(text), "\(command): \(outcome.errors)")
    }
    #expect(shell.names == ["base.npy", "floats.npy", "queries.npy"])
  }
}
