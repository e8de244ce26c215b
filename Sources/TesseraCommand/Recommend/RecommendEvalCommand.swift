import ArgumentParser
import Tessera
import TesseraRecommend
internal import TesseraHost

struct RecommendEvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Rank all items for each user and compare with what was met later.",
    discussion: """
      Items of --train are left out of the lists. Means are over the users of
      --test: recall, ndcg, the share with a hit, and the mean reciprocal rank of
      the first hit. Lists are exact and ties rank by lower item.
      """)

  @Option(help: "A trained model.", completion: .file())
  var model: String

  @Option(help: "Pairs that are left out: two columns of integers.", completion: .file())
  var train: String

  @Option(help: "Pairs to find.", completion: .file())
  var test: String

  @Option(name: .customShort("k"), help: "Items of each list.")
  var k = 20

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if k < 1 { throw ValidationError("-k is \(k), it must be at least 1") }
  }

  func run() throws {
    let vectors = try RankedVectors.open(model)
    let (train, test) = (try vectors.interactions(train), try vectors.interactions(test))
    let selection = try devices.select(for: vectors.shape(users: test.userCount, k: k), output)
    let start = ContinuousClock.now
    let (metrics, device) = try selection.run(model, output) { device throws(TesseraError) in
      try vectors.evaluated(k: k, train: train, test: test, on: device)
    }
    let seconds = start.secondsAgo
    let summary = Summary(
      device: device.info.identifier, seconds: seconds, ranking: RankingSummary(metrics))
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// The result that `recommend eval` prints.
  struct Summary: Encodable {
    let device: String
    let seconds: Double
    let ranking: RankingSummary

    private enum Key: String, CodingKey {
      case device, seconds
    }

    /// Writes the figures beside the device, not below a name of their own.
    func encode(to encoder: any Encoder) throws {
      try ranking.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(device, forKey: .device)
      try container.encode(seconds, forKey: .seconds)
    }

    func table() -> Table {
      var table = Table()
      table.add("users", "\(ranking.users)")
      table.add("recall@\(ranking.k)", ranking.recall.short)
      table.add("ndcg@\(ranking.k)", ranking.ndcg.short)
      table.add("hit rate", ranking.hitRate.short)
      table.add("reciprocal rank", ranking.mrr.short)
      table.add("device", "\(device), \(seconds.short) s")
      return table
    }
  }
}

extension RankedVectors {
  /// The vectors of a model's file.
  ///
  /// - Throws: `.malformedFile` for a file of something else, and as `StoredArrayFile`.
  static func open(_ path: String) throws(TesseraError) -> RankedVectors {
    let file = try StoredArrayFile(path)
    do throws(TesseraError) {
      return try RankedVectors(file)
    } catch {
      throw TesseraError(error.code, "\(path): \(error.message)")
    }
  }

  /// The pairs of a file, among the users and items of the model.
  func interactions(_ path: String) throws(TesseraError) -> Interactions {
    try Interactions.open(path, userCount: users.count, itemCount: items.count)
  }

  /// The search that ranking is.
  func shape(users count: Int, k: Int) -> SearchShape {
    SearchShape(
      rows: items.count, dimension: items.dimension, element: .float32, metric: .innerProduct,
      queryCount: count, k: min(k, items.count))
  }
}
