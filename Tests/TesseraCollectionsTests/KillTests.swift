import Foundation
import TestSupport
import Tessera
import protocol TesseraCompute.Device
import Testing

@testable import CollectionWriter
@testable import TesseraCollections

@Suite("Collections and processes that are killed")
struct KillTests {
  /// The program lies beside the test bundle.
  private static let program = URL(filePath: CommandLine.arguments[0])
    .deletingLastPathComponent().appending(path: "CollectionWriter")

  /// Lets a writer change a collection from `step` on, and kills it some seconds after it has
  /// acknowledged some changes. Returns the changes that it acknowledged.
  private func acknowledged(
    _ folder: ScratchFolder, from step: Int, killedAfter changes: Int, and seconds: Double
  ) throws -> [Int] {
    let log = try folder.write("", "log")
    let process = Process()
    process.executableURL = Self.program
    process.arguments = [folder("collection"), String(step)]
    process.standardOutput = FileHandle(forWritingAtPath: log)
    process.standardError = FileHandle.standardError
    try process.run()
    defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
    let start = ContinuousClock.now
    while try folder.bytes("log").count(where: { $0 == UInt8(ascii: "\n") }) < changes {
      try #require(
        process.isRunning && ContinuousClock.now - start < .seconds(60),
        "the writer makes no changes")
      Thread.sleep(forTimeInterval: 0.002)
    }
    Thread.sleep(forTimeInterval: seconds)
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == SIGKILL)
    // A line is written at once, or not at all.
    return try folder.text("log").split(separator: "\n").map { try #require(Int($0)) }
  }

  @Test("keep all of each acknowledged change, and all or nothing of the one after")
  func kills() async throws {
    let kills = Int(ProcessInfo.processInfo.environment["TESSERA_KILLS"] ?? "") ?? 30
    let folder = try ScratchFolder()
    let device = try Devices.choose(.cpu)
    // How long it takes to start and to make a change.
    let start = ContinuousClock.now
    var step = try acknowledged(folder, from: 0, killedAfter: 1, and: 0).count
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    var changes = 0
    var killedInBetween = 0
    var random = SplitMix64(seed: UInt64(kills))
    for round in 0...kills {
      if round > 0 {
        // Every third one while it opens the collection, and mends what the last one left.
        let isOpening = round % 3 == 0
        let numbers = try acknowledged(
          folder, from: step, killedAfter: isOpening ? 0 : 1 + random.nextIndex(below: 6),
          and: random.nextUnit() * (isOpening ? seconds : 0.05))
        #expect(numbers == Array(step..<step + numbers.count))
        step += numbers.count
        changes += numbers.count
      }
      let before = Life(steps: step)
      let after = Life(steps: step + 1)
      let found = try await items(folder, on: device, "round \(round)")
      if found != before.items {
        #expect(found == after.items, "round \(round), after change \(step)")
        killedInBetween += 1
        step += 1
      }
    }
    #expect(changes >= kills / 3 * 2)
    print(
      "\(kills) writers were killed, \(changes) changes acknowledged, \(killedInBetween) made only")
  }

  /// Opens the collection, makes sure that its database, its index and its searches agree, and returns
  /// its items.
  private func items(
    _ folder: ScratchFolder, on device: any Device, _ round: String
  ) async throws -> [String: Life.Item] {
    let collection = try await VectorCollection<Entry>(
      .folder(folder("collection")), dimension: Life.dimension, metric: .squaredL2, on: device)
    #expect(collection.notes.allSatisfy { $0.contains("no whole record") }, "\(round)")
    var items: [String: Life.Item] = [:]
    for id in try await collection.ids() {
      let item = try await collection.item(id)
      items[id] = item
      #expect(item != nil, "\(round): \(id)")
    }
    #expect(collection.count == items.count, "\(round)")
    let numbers = try collection.store.read { try $0.numbers() }
    #expect(numbers == collection.store.view.snapshot.ids, "\(round)")
    try collection.store.view.index.verify()
    // Each vector is found, with what belongs to it.
    let all = items.values.sorted { $0.id < $1.id }
    if !all.isEmpty {
      let queries = try Vectors(all.map(\.vector))
      for (item, hits) in zip(all, try await collection.search(queries, k: 1, effort: .all)) {
        #expect(
          hits == [.init(id: item.id, score: 0, metadata: item.metadata)], "\(round): \(item.id)")
      }
    }
    return items
  }
}
