import Dispatch
import Synchronization
import TestSupport
import Tessera
import Testing

@testable import TesseraCollections

@Suite("Collections that many tasks use", .serialized)
struct ConcurrentCollectionTests {
  @Test("are searched while they change: each change is seen whole, and no hit is lost")
  func searchedWhileChanging() async throws {
    for kind in CollectionTests.kinds {
      let folder = try ScratchFolder()
      let notes = try await CollectionTests.open(CollectionTests.place(kind, folder))
      // These stay; others come and go in pairs.
      let staying = CollectionTests.items(0..<40)
      try await notes.add(staying)
      let done = Flag()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for searcher in 0..<3 {
          group.addTask {
            var searches = 0
            while !done.isRaised || searches == 0 {
              searches += 1
              let item = staying[searches * 7 % 40]
              if searcher == 0 {
                let hits = try await notes.search(item.vector, k: 3) { $0.year < 2050 }
                #expect(hits.count == 3 && hits[0].id == item.id)
              } else {
                let hits = try await notes.search(item.vector, k: 100)
                #expect(hits[0].id == item.id)
                let ids = Set(hits.map(\.id))
                #expect(hits.count == ids.count && ids.isSuperset(of: staying.map(\.id)))
                let coming = ids.filter { $0.hasPrefix("pair") }
                #expect(coming.count % 2 == 0, "half of a change: \(coming)")
                for hit in hits where hit.id.hasPrefix("pair") {
                  #expect(
                    ids.contains(hit.metadata.title), "\(hit.id) without \(hit.metadata.title)")
                }
              }
            }
          }
        }
        group.addTask {
          defer { done.raise() }
          for round in 0..<30 {
            var pair = CollectionTests.items(1000 + 2 * round..<1002 + 2 * round)
            pair = pair.enumerated().map { place, item in
              Notes.Item(
                id: "pair \(round) \(place)", vector: item.vector,
                metadata: Note(title: "pair \(round) \(1 - place)", year: 2000))
            }
            try await notes.add(pair)
            if round % 3 == 0 { try await notes.update(pair) }
            if round % 10 == 9 { try await notes.compact() }
            if round == 15 { try await notes.rebuild("IVF2,Flat") }
            if round >= 2 {
              #expect(try await notes.remove(["pair \(round - 2) 0", "pair \(round - 2) 1"]) == 2)
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(notes.count == 44)
    }
  }

  @Test("make changes that come together one after the other")
  func manyWriters() async throws {
    let folder = try ScratchFolder()
    let notes = try await CollectionTests.open(.folder(folder("notes")))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<20 {
        group.addTask { try await notes.add(CollectionTests.items(writer * 5..<writer * 5 + 5)) }
      }
      try await group.waitForAll()
    }
    #expect(notes.count == 100)
    let all = CollectionTests.items(0..<100)
    let hits = try await notes.search(Vectors(all.map(\.vector)), k: 1)
    #expect(hits.map { $0[0].id } == all.map(\.id))
  }

  @Test("end a call within a tenth of a second when its task is cancelled, and nothing has changed")
  func cancelled() async throws {
    let notes = try await CollectionTests.open(.memory)
    let items = CollectionTests.items(0..<20_000)
    try await notes.add(Array(items[..<5000]))
    // What is tested is the collection, and others use the machine: the soonest of some counts.
    func soonest(_ work: @escaping @Sendable () async throws -> Void) async throws -> Duration {
      var soonest = Duration.seconds(60)
      for _ in 0..<12 where soonest > .milliseconds(100) {
        let task = Task { () -> (code: TesseraError.Code?, end: ContinuousClock.Instant) in
          let error = await refusal(work)
          return (error?.code, .now)
        }
        try await Task.sleep(for: .milliseconds(30))
        let start = ContinuousClock.now
        task.cancel()
        let (code, end) = await task.value
        #expect(code == .cancelled)
        soonest = min(soonest, end - start)
      }
      return soonest
    }
    // Metadata are read from the database, and a predicate that takes long is asked.
    let filtered = try await soonest {
      _ = try await notes.search(items[0].vector) { note in
        var sum = 0
        for number in 0..<2000 { sum &+= number ^ note.year }
        return sum != 1
      }
    }
    #expect(filtered < .milliseconds(100), "a search took \(filtered)")
    let adding = try await soonest { try await notes.add(Array(items[5000...])) }
    #expect(adding < .milliseconds(100), "adding took \(adding)")
    #expect(notes.count == 5000)
    #expect(try notes.store.read { try $0.numbers() } == notes.store.view.snapshot.ids)
    // One change waits for another.
    let held = DispatchSemaphore(value: 0)
    let begun = DispatchSemaphore(value: 0)
    let holder = Task {
      try await notes.store.turns.run(RunControl()) { _ throws(TesseraError) in
        begun.signal()
        held.wait()
      }
    }
    await withCheckedContinuation { continuation in
      DispatchQueue(label: "tessera.tests.begun").async {
        begun.wait()
        continuation.resume()
      }
    }
    let waiting = try await soonest { try await notes.remove(["0"]) }
    #expect(waiting < .milliseconds(100), "waiting took \(waiting)")
    held.signal()
    try await holder.value
    #expect(try await notes.remove(["0"]) == 1)
  }
}

/// Tells tasks that another one has come to its end.
private final class Flag: Sendable {
  private let raised = Atomic(false)
  var isRaised: Bool { raised.load(ordering: .relaxed) }
  func raise() { raised.store(true, ordering: .relaxed) }
}
