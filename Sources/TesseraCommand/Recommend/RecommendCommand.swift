public import ArgumentParser
import Tessera
public import TesseraRecommend
internal import TesseraHost

struct RecommendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recommend",
    abstract: "Train a recommender, measure it, and ask it.",
    discussion: """
      Pairs are rows of two integers, a user and an item, both counted from 0. Equal
      seeds give the same weights on every device.

      Examples:
        tessera recommend train --interactions train.npy --model lightgcn \\
          --epochs 100 --out model.safetensors
        tessera recommend eval --model model.safetensors --train train.npy \\
          --test test.npy -k 20
        tessera recommend top --model model.safetensors --users 0:100 -k 10 \\
          --exclude train.npy --out found
      """,
    subcommands: [RecommendTrainCommand.self, RecommendEvalCommand.self, RecommendTopCommand.self])
}

extension Interactions {
  /// Reads pairs from a file of two columns of integers.
  ///
  /// - Throws: `.invalidShape` for another number of columns, `.malformedFile` for numbers that are no
  ///   users or items, and as `IDFile.open`.
  static func open(
    _ path: String, userCount: Int? = nil, itemCount: Int? = nil
  ) throws(TesseraError) -> Interactions {
    let table = try IDFile.open(path)
    guard table.columns == 2 else {
      throw TesseraError(
        .invalidShape,
        "\(path): \(table.rows) x \(table.columns) integers, expected two columns: user, item")
    }
    var (users, items): ([Int32], [Int32]) = ([], [])
    for row in 0..<table.rows {
      guard let user = Int32(exactly: table[row, 0]), let item = Int32(exactly: table[row, 1])
      else {
        throw TesseraError(
          .malformedFile,
          "\(path): pair \(row) is \(table[row, 0]), \(table[row, 1]); expected two numbers below 2^31"
        )
      }
      users.append(user)
      items.append(item)
    }
    do throws(TesseraError) {
      return try Interactions(
        users: users, items: items, userCount: userCount, itemCount: itemCount)
    } catch {
      // Numbers of a file are data, not options.
      throw TesseraError(
        error.code == .invalidArgument ? .malformedFile : error.code,
        "\(path): \(error.message)")
    }
  }
}

/// The model that `--model` names.
enum RecommenderKind: String, ExpressibleByArgument, CaseIterable {
  case mf
  case lightgcn
  case ngcf

  func make(
    _ train: Interactions, dimension: Int, layers: Int, seed: UInt64, on device: any Device
  ) throws(TesseraError) -> any Recommender {
    switch self {
    case .mf:
      try MatrixFactorisation(
        userCount: train.userCount, itemCount: train.itemCount, dimension: dimension, seed: seed,
        on: device)
    case .lightgcn:
      try LightGCN(train, dimension: dimension, layers: layers, seed: seed, on: device)
    case .ngcf:
      try NGCF(train, dimension: dimension, layers: layers, seed: seed, on: device)
    }
  }
}

extension RecommenderLoss: ExpressibleByArgument {}
