import Tessera
import Testing

@Suite struct EvalCommandTests {
  let shell: Shell

  init() throws {
    shell = try Shell()
    try IDFile.write([1, 2, 3, 4, 5, 6], rows: 2, columns: 3, to: shell.path("found.npy"))
    try IDFile.write([2, 1, 9, 4, 5, 6], rows: 2, columns: 3, to: shell.path("truth.ivecs"))
  }

  @Test(
    "counts true ids among the found, in any order", arguments: [(nil, 5.0 / 6), (1, 0.5), (2, 1)])
  func recall(_ k: Int?, _ expected: Double) throws {
    let outcome = try shell.bash(
      "\"$TESSERA\" eval --found found.npy --truth truth.ivecs --json \(k.map { "-k \($0)" } ?? "")"
    )
    let json = try outcome.json()
    #expect(json["recall"] as? Double == expected)
    #expect(json["queries"] as? Int == 2 && json["k"] as? Int == k ?? 3)
    #expect(json["identicalQueries"] as? Int == 1)
  }

  @Test("ids that are missing among the found are misses")
  func missing() throws {
    try IDFile.write([1, -1, -1], rows: 1, columns: 3, to: shell.path("few.npy"))
    try IDFile.write([1, 7, 8], rows: 1, columns: 3, to: shell.path("full.npy"))
    let json = try shell.tessera("eval", "--found", "few.npy", "--truth", "full.npy", "--json")
      .json()
    #expect(json["recall"] as? Double == 1.0 / 3)
  }

  @Test("a truth of negative ids is refused: it would be found by anything")
  func negativeTruth() throws {
    try IDFile.write([1, 2, -1, 3, -7, 5], rows: 2, columns: 3, to: shell.path("negative.npy"))
    let refused = try shell.tessera("eval", "--found", "found.npy", "--truth", "negative.npy")
    #expect(refused.status == 65 && refused.output.isEmpty)
    #expect(refused.errors.contains("negative.npy: id -1 in row 0, column 2"), "\(refused.errors)")
    #expect(refused.errors.contains("lower -k to 2"))
    let some = try shell.tessera(
      "eval", "--found", "found.npy", "--truth", "negative.npy", "-k", "1")
    #expect(some.status == 0, "\(some.errors)")
  }

  @Test("without JSON a person reads a table")
  func table() throws {
    let outcome = try shell.tessera("eval", "--found", "found.npy", "--truth", "truth.ivecs")
    #expect(outcome.output.contains("recall") && outcome.output.contains("0.8333"))
  }
}
