import Tessera
import Testing

@Suite("tessera recommend")
struct RecommendCommandTests {
  let shell: Shell

  /// 30 users who met 6 of the 20 items each, those of their own taste; the last two are for the test.
  init() throws {
    shell = try Shell()
    var (train, test): ([Int64], [Int64]) = ([], [])
    for user in 0..<30 as Range<Int64> {
      for place in 0..<6 as Range<Int64> {
        let pair = [user, (user % 3 + 3 * (user + place)) % 20]
        if place < 4 { train += pair } else { test += pair }
      }
    }
    try IDFile.write(train, rows: train.count / 2, columns: 2, to: shell.path("train.npy"))
    try IDFile.write(test, rows: test.count / 2, columns: 2, to: shell.path("test.npy"))
  }

  private func train(_ options: String, out: String = "model.safetensors") throws -> Shell.Outcome {
    try shell.bash(
      "\"$TESSERA\" recommend train --interactions train.npy --dimension 8 --batch 32 --rate 0.02 "
        + "--device cpu --json --out \(out) \(options)")
  }

  @Test("trains, measures and answers", arguments: ["mf", "lightgcn", "ngcf"])
  func works(_ model: String) throws {
    let trained = try train("--model \(model) --epochs 5 --valid test.npy")
    #expect(trained.status == 0, "\(trained.errors)")
    let json = try trained.json()
    let epochs = try #require(json["epochs"] as? [[String: Any]])
    #expect(epochs.count == 5 && (1...5).contains(json["bestEpoch"] as? Int ?? 0))
    #expect((json["digest"] as? String)?.count == 16)
    #expect((epochs[4]["valid"] as? [String: Any])?["recall"] is Double)

    let measured = try shell.tessera(
      "recommend", "eval", "--model", "model.safetensors", "--train", "train.npy", "--test",
      "test.npy", "-k", "5", "--json")
    let ranking = try measured.json()
    #expect(measured.status == 0, "\(measured.errors)")
    for name in ["recall", "ndcg", "hitRate", "mrr"] {
      let value = try #require(ranking[name] as? Double)
      #expect((0...1).contains(value), "\(name)")
    }
    #expect(ranking["users"] as? Int == 30)

    let asked = try shell.tessera(
      "recommend", "top", "--model", "model.safetensors", "--users", "3:8", "-k", "20",
      "--exclude", "train.npy", "--out", "found")
    #expect(asked.status == 0, "\(asked.errors)")
    let items = try IDFile.open(shell.path("found.ids.npy"))
    #expect(items.rows == 5 && items.columns == 20)
    // All items but the four that the user met, and -1 for what is missing.
    #expect(items.row(0).prefix(16).allSatisfy { $0 >= 0 })
    #expect(items.row(0).suffix(4) == [-1, -1, -1, -1])
  }

  @Test("a training that is gone on with has the same digest as one in a piece")
  func resumption() throws {
    let whole = try train("--model mf --epochs 6", out: "whole.safetensors").json()
    _ = try train("--model mf --epochs 2", out: "part.safetensors")
    let rest = try train("--model mf --epochs 6 --resume", out: "part.safetensors").json()
    #expect(rest["digest"] as? String == whole["digest"] as? String)
    #expect((rest["epochs"] as? [Any])?.count == 4)
    #expect(try shell.bytes("part.safetensors") == shell.bytes("whole.safetensors"))
  }

  @Test(
    "refuses what has no meaning, and writes nothing",
    arguments: [
      ("--model mf --epochs 0", 64, "--epochs is 0"),
      ("--model mf --rate nan", 64, "--rate is"),
      ("--model none", 64, "--model"),
      ("--model mf --loss none", 64, "--loss"),
      ("--model mf --valid model.npy", 66, "model.npy"),
    ] as [(String, Int32, String)])
  func refusals(_ options: String, _ status: Int32, _ text: String) throws {
    let refused = try train(options)
    #expect(refused.status == status && refused.errors.contains(text), "\(refused.errors)")
    #expect(throws: (any Error).self) { try shell.bytes("model.safetensors") }
  }

  @Test("refuses files of something else")
  func files() throws {
    try IDFile.write([1, 2, 3, 4, 5, 6], rows: 2, columns: 3, to: shell.path("three.npy"))
    try IDFile.write([0, 1, -1, 2], rows: 2, columns: 2, to: shell.path("negative.npy"))
    for (file, text) in [("three.npy", "expected two columns"), ("negative.npy", "user -1")] {
      let refused = try shell.bash(
        "\"$TESSERA\" recommend train --interactions \(file) --model mf --out m.safetensors")
      #expect(refused.status == 65 && refused.errors.contains(text), "\(refused.errors)")
    }
    _ = try train("--model mf --epochs 1")
    for (arguments, status, text) in [
      ("eval --model train.npy --train train.npy --test test.npy", 65, "train.npy"),
      ("top --model model.safetensors --users 0:31 --out found", 64, "has 30 users"),
      (
        "top --model model.safetensors --users 1:2 --exclude three.npy --out found", 65,
        "two columns"
      ),
    ] as [(String, Int32, String)] {
      let refused = try shell.bash("\"$TESSERA\" recommend \(arguments)")
      #expect(refused.status == status && refused.errors.contains(text), "\(refused.errors)")
    }
  }
}
