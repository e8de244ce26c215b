import Foundation
import Synchronization
import TesseraCompute
import TesseraIndex
import TestSupport
import Testing

/// `make stress` runs it under the thread sanitizer, for TESSERA_STRESS_SECONDS.
@Suite("Indexes that change while they are searched")
struct LivingStressTests {
  static let writers = 2
  static let readers = 8

  @Test("show every search one moment: each change whole, no removed row, and k rows where k are")
  func stress() async throws {
    let seconds = Double(ProcessInfo.processInfo.environment["TESSERA_STRESS_SECONDS"] ?? "") ?? 2
    let folder = try ScratchFolder()
    let path = folder("an.index")
    let device = try Subject.cpu()
    let model = ChangeModel()
    try IndexFile.write(
      Index.build(
        "IVF24,Flat", Vectors(model.base), metric: .squaredL2,
        ids: model.base.indices.map { Int64($0) }, on: device
      ).index, to: path)
    let index = try LivingIndex(path, for: .writing)
    let search = try LivingSearch(index, on: device)
    let moments = (0..<Self.writers).map { _ in Moments() }
    let done = Done()
    let deadline = ContinuousClock.now + .seconds(seconds)

    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<Self.writers {
        group.addTask(executorPreference: OwnThread()) {
          var step = 0
          // Whole rounds: then all rows are where they were.
          while ContinuousClock.now < deadline || step % ChangeModel.period != 0 || step < 60 {
            moments[writer].begun.store(step + 1, ordering: .sequentiallyConsistent)
            switch model.change(to: step + 1, by: writer) {
            case .add(let ids, let rows):
              try index.add(Vectors(rows), ids: ids)
              done.adds.add(1, ordering: .relaxed)
            case .update(let ids, let rows):
              try index.update(Vectors(rows), ids: ids)
              done.updates.add(1, ordering: .relaxed)
            case .remove(let ids):
              try #require(index.remove(ids) == ids.count)
              done.removes.add(1, ordering: .relaxed)
            }
            step += 1
            moments[writer].ended.store(step, ordering: .sequentiallyConsistent)
            // Between any two changes of the other.
            if writer == 0, step % 13 == 0 {
              try index.compact(on: device)
              done.compactings.add(1, ordering: .relaxed)
            }
          }
        }
      }
      for reader in 0..<Self.readers {
        group.addTask(executorPreference: OwnThread()) {
          var round = 0
          while ContinuousClock.now < deadline || round < 5 {
            let query = (reader + round) % model.queries.count
            // The best of all rows, all there are, or the best of few lists, which hold so many.
            let (k, isExact) = [(20, true), (2000, true), (10, false), (20, false)][reader % 4]
            let before = moments.map { $0.ended.load(ordering: .sequentiallyConsistent) }
            let found = try search.nearest(
              Vectors([model.queries[query]]), k: k, effort: isExact ? .all : .probes(4)
            ).neighbors[0].map { ChangeModel.Hit(score: $0.score, id: $0.id) }
            let after = moments.map { $0.begun.load(ordering: .sequentiallyConsistent) }
            let fits = model.anyMoment(from: before, to: after) {
              isExact
                ? model.hits(query, at: $0, k: k) == found
                : model.holds(found, query, at: $0, k: k)
            }
            #expect(
              fits, "\(found.count) hits of query \(query), k \(k), from \(before) to \(after)")
            round += 1
          }
          done.searches.add(round, ordering: .relaxed)
        }
      }
      try await group.waitForAll()
    }
    #expect(index.snapshot.ids == model.base.indices.map { Int64($0) })
    try index.verify()
    let (adds, updates) = (
      done.adds.load(ordering: .relaxed), done.updates.load(ordering: .relaxed)
    )
    let removes = done.removes.load(ordering: .relaxed)
    #expect(done.searches.load(ordering: .relaxed) >= 40 && adds >= 40 && removes >= 40)
    print(
      "stress: \(seconds) s, \(done.searches.load(ordering: .relaxed)) searches by \(Self.readers) tasks; "
        + "\(adds) adds, \(updates) updates, \(removes) removes by \(Self.writers), "
        + "\(done.compactings.load(ordering: .relaxed)) compactings")
  }

  /// How far a writer is: the state it is making, and the last that it has made.
  private final class Moments: Sendable {
    let begun = Atomic(0)
    let ended = Atomic(0)
  }

  private final class Done: Sendable {
    let searches = Atomic(0)
    let adds = Atomic(0)
    let updates = Atomic(0)
    let removes = Atomic(0)
    let compactings = Atomic(0)
  }
}

/// What an index has to hold after any number of changes by each of some writers.
///
/// Rows are of small whole numbers, so that their distances are exact in Float32. Each writer goes
/// through the same round of changes: ten rows come, move and go, and of the rows that were built in,
/// twenty of its own go and come back.
struct ChangeModel: Sendable {
  static let period = 5
  static let dimension = 12

  enum Change {
    case add([Int64], [[Float]])
    case update([Int64], [[Float]])
    case remove([Int64])
  }

  struct Hit: Hashable, Sendable {
    let score: Float
    let id: Int64
  }

  let base: [[Float]]
  let queries: [[Float]]
  /// The hits of each query among all of `base`, best first.
  private let all: [[Hit]]

  init() {
    var random = RepeatableGenerator(seed: 11)
    func rows(_ count: Int) -> [[Float]] {
      (0..<count).map { _ in
        (0..<Self.dimension).map { _ in Float(Int.random(in: -8...8, using: &random)) }
      }
    }
    let base = rows(600)
    let queries = rows(5)
    self.base = base
    self.queries = queries
    all = queries.map { query in Self.ranked(base.enumerated().map { (Int64($0), $1) }, query) }
  }

  private static func ranked(_ rows: [(id: Int64, row: [Float])], _ query: [Float]) -> [Hit] {
    rows.map { Hit(score: distance($0.row, query), id: $0.id) }.sorted(by: ranks)
  }

  private static func ranks(_ hit: Hit, ahead other: Hit) -> Bool {
    (hit.score, hit.id) < (other.score, other.id)
  }

  private static func distance(_ row: [Float], _ query: [Float]) -> Float {
    zip(row, query).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  }

  /// The ten rows of a round, before and after they move. Ids come back after 30 rounds.
  private func group(_ round: Int, _ writer: Int, moved: Bool) -> (ids: [Int64], rows: [[Float]]) {
    let first = Int64(10_000 * (writer + 1) + 10 * (round % 30))
    let query = queries[round % queries.count]
    let rows = (0..<10).map { number in
      var row = query
      row[number] += moved ? Float(3 + writer) : Float(1 + writer)
      return row
    }
    return (Array(first..<first + 10), rows)
  }

  /// Ids of a writer's own that go in a round: the nearest to a query, and others.
  private func gone(_ round: Int, _ writer: Int) -> [Int64] {
    let own = all[(round + 1) % queries.count].map(\.id).filter { $0 % 2 == writer }
    return (own.prefix(10) + own.dropFirst(40).prefix(10)).sorted()
  }

  /// The change that leads a writer to its state number `state`.
  func change(to state: Int, by writer: Int) -> Change {
    let round = (state - 1) / Self.period
    switch (state - 1) % Self.period {
    case 0:
      let (ids, rows) = group(round, writer, moved: false)
      return .add(ids, rows)
    case 1: return .remove(gone(round, writer))
    case 2:
      let (ids, rows) = group(round, writer, moved: true)
      return .update(ids, rows)
    case 3: return .remove(group(round, writer, moved: true).ids)
    default:
      let ids = gone(round, writer)
      return .add(ids, ids.map { base[Int($0)] })
    }
  }

  /// What a writer has added, and which rows of `base` it has removed, in its state number `state`.
  private func changed(
    _ state: Int, _ writer: Int
  ) -> (added: [(id: Int64, row: [Float])], gone: [Int64]) {
    let (round, place) = (state / Self.period, state % Self.period)
    let (ids, rows) = group(round, writer, moved: place >= 3)
    return (
      (1...3).contains(place) ? zip(ids, rows).map { ($0, $1) } : [],
      place >= 2 ? gone(round, writer) : []
    )
  }

  /// The hits of a query where each writer is in the given state, best first.
  func hits(_ query: Int, at states: [Int], k: Int = .max) -> [Hit] {
    let changes = states.enumerated().map { changed($1, $0) }
    let gone = Set(changes.flatMap(\.gone))
    let added = Self.ranked(changes.flatMap(\.added), queries[query])
    var hits: [Hit] = []
    var next = 0
    for hit in all[query] where !gone.contains(hit.id) {
      while next < added.count, Self.ranks(added[next], ahead: hit) {
        hits.append(added[next])
        next += 1
      }
      hits.append(hit)
      if hits.count >= k { return Array(hits.prefix(k)) }
    }
    return Array((hits + added[next...]).prefix(k))
  }

  /// Tells whether hits are rows that are there, as many as were asked for, best first.
  func holds(_ found: [Hit], _ query: Int, at states: [Int], k: Int) -> Bool {
    let there = hits(query, at: states)
    return found.count == min(k, there.count) && Set(found).count == found.count
      && Set(there).isSuperset(of: found) && found == found.sorted(by: Self.ranks)
  }

  /// Tells whether `fits` holds for some moment in which each writer was in one of a range of states.
  func anyMoment(from first: [Int], to last: [Int], _ fits: ([Int]) -> Bool) -> Bool {
    (first[0]...last[0]).contains { one in
      (first[1]...last[1]).contains { other in fits([one, other]) }
    }
  }
}
