internal import Synchronization
import TesseraHost
import Testing

@Suite("Signals to stop")
struct StopSignalTests {
  @Test("raised, a signal stays raised")
  func raised() throws {
    let signal = StopSignal()
    try signal.check()
    signal.raise()
    for _ in 0..<2 {
      let error = #expect(throws: TesseraError.self) { try signal.check() }
      #expect(error?.code == .cancelled)
    }
  }

  @Test("after the deadline the code is another; cancellation comes first")
  func deadline() throws {
    try StopSignal(deadline: .now + .seconds(3600)).check()
    let late = StopSignal(deadline: .now - .milliseconds(1))
    #expect(throws: TesseraError.self) { try late.check() }
    do { try late.check() } catch { #expect(error.code == .deadlineExceeded) }
    late.raise()
    do { try late.check() } catch { #expect(error.code == .cancelled) }
  }

  @Test("what runs under a signal sees it, and only that")
  func governs() throws {
    let signal = StopSignal()
    signal.raise()
    let error = #expect(throws: TesseraError.self) {
      try signal.govern { () throws(TesseraError) in try StopSignal.check() }
    }
    #expect(error?.code == .cancelled)
    try StopSignal.check()
    #expect(try StopSignal().govern { () throws(TesseraError) in 7 } == 7)
  }

  @Test("a cancelled task needs no signal")
  func cancelledTask() async {
    let task = Task { () -> TesseraError.Code? in
      while !Task.isCancelled { await Task.yield() }
      do throws(TesseraError) { try StopSignal.check() } catch { return error.code }
      return nil
    }
    task.cancel()
    #expect(await task.value == .cancelled)
  }
}

@Suite("Pools of workers")
struct WorkerPoolTests {
  static let counts = [1, 2, 7]

  @Test("every task runs once", arguments: counts, [0, 1, 2, 100])
  func once(_ workers: Int, _ taskCount: Int) throws {
    let runs = Mutex([Int](repeating: 0, count: taskCount))
    try WorkerPool(count: workers).run(taskCount) { index throws(TesseraError) in
      runs.withLock { $0[index] += 1 }
    }
    #expect(runs.withLock { $0 } == [Int](repeating: 1, count: taskCount))
  }

  @Test("the first error ends the rest", arguments: counts)
  func firstError(_ workers: Int) throws {
    let started = Atomic(0)
    let error = #expect(throws: TesseraError.self) {
      try WorkerPool(count: workers).run(10_000) { index throws(TesseraError) in
        started.add(1, ordering: .relaxed)
        if index == 3 { throw TesseraError(.nonFinite, "row 3") }
        if index > 3 { usleep(100) }
      }
    }
    #expect(error?.message == "row 3")
    #expect(started.load(ordering: .relaxed) < 10_000)
  }

  @Test("a raised signal ends the work between tasks", arguments: counts)
  func stops(_ workers: Int) throws {
    let started = Atomic(0)
    let signal = StopSignal()
    let error = #expect(throws: TesseraError.self) {
      try signal.govern { () throws(TesseraError) in
        try WorkerPool(count: workers).run(10_000) { index throws(TesseraError) in
          if started.add(1, ordering: .relaxed).newValue == 5 { signal.raise() }
          usleep(100)
        }
      }
    }
    #expect(error?.code == .cancelled)
    #expect(started.load(ordering: .relaxed) <= 5 + workers)
  }

  @Test("ranges cover everything once", arguments: counts, [0, 1, 5, 1000])
  func split(_ workers: Int, _ count: Int) throws {
    let seen = Mutex<[Int]>([])
    try WorkerPool(count: workers).split(count, minimum: 3) { range throws(TesseraError) in
      seen.withLock { $0 += Array(range) }
    }
    #expect(seen.withLock { $0.sorted() } == Array(0..<count))
  }

  @Test("many callers at once are all served")
  func concurrentCallers() async {
    let sums = await withTaskGroup(of: Int.self) { group in
      for caller in 0..<32 {
        group.addTask {
          let sum = Atomic(0)
          try? WorkerPool(count: 4).run(100) { index throws(TesseraError) in
            sum.add(index * caller, ordering: .relaxed)
          }
          return sum.load(ordering: .relaxed)
        }
      }
      return await group.reduce(into: Set<Int>()) { $0.insert($1) }
    }
    #expect(sums == Set((0..<32).map { $0 * 4950 }))
  }

  @Test("counts beyond any machine count as the limit")
  func clamped() {
    #expect(WorkerPool(count: .max).count == WorkerPool.limit)
    #expect(WorkerPool(count: -3).count == 1)
  }
}
