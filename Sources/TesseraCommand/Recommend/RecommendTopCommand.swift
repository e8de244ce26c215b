import ArgumentParser
import Tessera
import TesseraRecommend
internal import TesseraHost

struct RecommendTopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top",
    abstract: "The best items of users.",
    discussion: """
      PREFIX.ids.npy has a row of items for each user, best first, and
      PREFIX.scores.npy their scores. Where there are not so many items, ids are -1.
      """)

  @Option(help: "A trained model.", completion: .file())
  var model: String

  @Option(
    help: "The users: a range as in 0:100, or a file of their numbers.", completion: .file(),
    transform: { try RowSelection($0) })
  var users: RowSelection

  @Option(name: .customShort("k"), help: "Items of each list.")
  var k = 10

  @Option(help: "Pairs whose items are left out: two columns of integers.", completion: .file())
  var exclude: String?

  @Option(
    help: ArgumentHelp("Write PREFIX.ids.npy and PREFIX.scores.npy.", valueName: "prefix"))
  var out: String

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if k < 1 { throw ValidationError("-k is \(k), it must be at least 1") }
  }

  func run() throws {
    let vectors = try RankedVectors.open(model)
    let users = try users.numbers(below: vectors.users.count, in: model)
    let excluded = try exclude.map { try vectors.interactions($0) }
    let (idPath, scorePath) = (out + ".ids.npy", out + ".scores.npy")
    let files = try OutputFiles(
      [idPath, scorePath], inputs: [model] + (exclude.map { [$0] } ?? []))
    let selection = try devices.select(for: vectors.shape(users: users.count, k: k), output)
    let start = ContinuousClock.now
    let (lists, device) = try selection.run(model, output) { device throws(TesseraError) in
      try vectors.best(k, for: users, excluding: excluded, on: device)
    }
    let seconds = start.secondsAgo
    let width = min(k, vectors.items.count)
    var (ids, scores): ([Int64], [Float]) = ([], [])
    for list in lists {
      let missing = width - list.count
      ids += list.map(\.id) + [Int64](repeating: -1, count: missing)
      scores += list.map(\.score) + [Float](repeating: -.infinity, count: missing)
    }
    try IDFile.write(ids, rows: users.count, columns: width, into: files[idPath])
    try ScoreFile.write(scores, rows: users.count, columns: width, into: files[scorePath])
    try files.commit()
    let summary = Summary(
      users: users.count, k: width, device: device.info.identifier, seconds: seconds)
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// The result that `recommend top` prints.
  struct Summary: Encodable {
    let users: Int
    let k: Int
    let device: String
    let seconds: Double

    func table() -> Table {
      var table = Table()
      table.add("users", "\(users), \(k) items each")
      table.add("device", "\(device), \(seconds.short) s")
      return table
    }
  }
}

extension RowSelection {
  /// The numbers selected, in their order.
  ///
  /// - Throws: `.invalidArgument` for a number that is not below `limit`, and as `IDFile.open`.
  func numbers(below limit: Int, in base: String) throws(TesseraError) -> [Int32] {
    let (name, numbers): (String, [Int64])
    switch self {
    case .range(let range):
      // Before a list of them is made.
      guard range.upperBound <= limit else {
        throw TesseraError(
          .invalidArgument,
          "\(range.lowerBound):\(range.upperBound): \(base) has \(limit) users; end at \(limit) or "
            + "before")
      }
      (name, numbers) = ("\(range)", Array(range))
    case .file(let path):
      let table = try IDFile.open(path)
      (name, numbers) = (path, (0..<table.rows).flatMap(table.row))
    }
    if let place = numbers.firstIndex(where: { !(0..<Int64(limit)).contains($0) }) {
      throw TesseraError(
        .invalidArgument,
        "\(name): user \(numbers[place]) at \(place) is outside 0..<\(limit) of \(base)")
    }
    return numbers.map { Int32($0) }
  }
}
