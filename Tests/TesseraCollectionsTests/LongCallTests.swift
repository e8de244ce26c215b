import Synchronization
import Tessera
import Testing

@Suite("Long calls")
struct LongCallTests {
  static func points(_ count: Int) throws -> Vectors {
    var random = SplitMix64(seed: 5)
    return try Vectors((0..<count * 8).map { _ in random.nextGaussian() }, dimension: 8)
  }

  @Test("tell their progress to a task, and return what the call returns")
  func progress() async throws {
    let device = try Devices.choose(.cpu)
    let points = try Self.points(4000)
    let options = KMeans.Options(clusterCount: 8, seed: 3)
    let call = LongCall { control throws(TesseraError) in
      try KMeans(options).cluster(points, on: device, control: control)
    }
    var steps: [RunControl.Progress] = []
    for await step in call.progress { steps.append(step) }
    let clusters = try await call.value
    let expected = try KMeans(options).cluster(points, on: device)
    #expect(clusters.labels == expected.labels)
    #expect(!steps.isEmpty && steps.map(\.done) == steps.map(\.done).sorted())
    #expect(try await call.value.labels == expected.labels)
  }

  @Test("tell the control they were given too, and hand on its fallback and notes")
  func control() async throws {
    let device = try Devices.choose(.cpu)
    let base = try Self.points(2000)
    let heard = Mutex<[String]>([])
    let control = RunControl(
      fallback: device, progress: { step in heard.withLock { $0.append(step.stage) } },
      note: { note in heard.withLock { $0.append(note) } })
    let call = LongCall(control) { control throws(TesseraError) in
      #expect(control.fallback === device)
      control.note("a note")
      return try Index.build("IVF8,Flat", base, metric: .squaredL2, on: device, control: control)
    }
    let built = try await call.value.index
    #expect(built.listCount == 8)
    let told = heard.withLock { $0 }
    #expect(told.contains("a note") && told.count > 1)
    // Nobody listened: the last step is still there, and then the end.
    var steps = 0
    for await _ in call.progress { steps += 1 }
    #expect(steps <= 1)
    let found = try await IndexSearch(built, on: device).nearest(base.rows(0..<3), k: 1)
    #expect(found.neighbors.ids == [0, 1, 2])
    let living = LivingIndex(inMemory: built)
    try living.add(base.rows(0..<1), ids: [9999])
    let again = try await LivingSearch(living, on: device).nearest(
      base.rows(0..<1), k: 2, effort: .all)
    #expect(again.neighbors.ids == [0, 9999])
  }

  @Test("end when they are cancelled, by hand, with their task, or by a signal they were given")
  func cancelled() async throws {
    let stop = StopSignal()
    for kind in 0..<3 {
      let call = LongCall(RunControl(stop: stop)) { control throws(TesseraError) -> Int in
        var step = 0
        while true {
          step += 1
          control.progress(.init("turn", done: 0))
          try control.stop.check()
          if step == .max { return step }
        }
      }
      let task = Task { () -> TesseraError.Code? in
        do throws(TesseraError) {
          _ = try await call.value
          return nil
        } catch {
          return error.code
        }
      }
      // It has begun.
      for await _ in call.progress { break }
      let start = ContinuousClock.now
      switch kind {
      case 0: call.cancel()
      case 1: task.cancel()
      default: stop.raise()
      }
      #expect(await task.value == .cancelled)
      #expect(ContinuousClock.now - start < .seconds(5))
    }
    let late = LongCall(RunControl(stop: StopSignal(deadline: .now - .seconds(1)))) {
      _ throws(TesseraError) in 1
    }
    await #expect(throws: TesseraError(.deadlineExceeded, "the work was not done by its deadline"))
    {
      try await late.value
    }
  }
}
