import Foundation
import TesseraCompute
import TesseraIndex
import Testing

@testable import TesseraOpenCL

extension FaultTests {
  @Test("what was stored on a lost device is gone, and new memory works")
  func lostMemory() throws {
    let device = try FaultyDriver.device(Self.options(isTried: true))
    let kept = try device.upload([Float(1), 2], rows: 2, columns: 1)
    let set = try device.prepare(
      Vectors([1, 2, 3, 4], dimension: 2), metric: .innerProduct, firstID: 0)
    let codes = try device.prepare(ProductCodes([1, 2, 3], subspaceCount: 1, bits: 4))
    FaultyDriver.inject(
      Fault("", [.read], .losesContext(-5), times: 1, throws: .deviceLost))
    let first = #expect(throws: TesseraError.self) { try device.download(kept) }
    #expect(first?.code == .deviceLost && first?.status == -5)
    #expect(device.faults.isEmpty)
    let fresh = try device.upload([Float(3), 4], rows: 2, columns: 1)
    #expect(device.faults.map(\.code) == [.deviceLost])
    #expect(try device.download(fresh) == [3, 4])
    // Still that of the lost context.
    let second = #expect(throws: TesseraError.self) { try device.download(kept) }
    #expect(second == first)
    let third = #expect(throws: TesseraError.self) {
      try device.nearest(Vectors([1, 1], dimension: 2), in: set, k: 1)
    }
    #expect(third == first)
    let ofCodes = #expect(throws: TesseraError.self) {
      try device.nearestCodes(
        device.upload([Float](repeating: 1, count: 16), rows: 1, columns: 16), in: codes,
        order: .largestFirst, k: 1)
    }
    #expect(ofCodes == first)
    let both = #expect(throws: TesseraError.self) {
      try device.innerProducts(
        kept, fresh, into: device.allocate(Float.self, rows: 2, columns: 2))
    }
    #expect(both == first)
  }

  @Test("a search whose rows were lost by another search prepares them again")
  func sharedDevice() throws {
    let device = try FaultyDriver.device(Self.options(isTried: true))
    let notes = [Work.Notes(), Work.Notes()]
    let searches = try notes.map { _ in try Work.search(device) }
    let queries = try Vectors(Work.numbers(5 * 12, seed: 9), dimension: 12)
    let want = try searches.map { try $0.nearest(queries, k: 3).neighbors }
    FaultyDriver.inject(Fault("", [.launch], .losesContext(-36), times: 1, throws: nil))
    for ((search, want), notes) in zip(zip(searches, want), notes) {
      let report = try search.nearest(queries, k: 3, control: RunControl(note: notes.add))
      #expect(report.neighbors.ids == want.ids && report.device.identifier == "opencl:0")
    }
    #expect(notes.allSatisfy { $0.all.count == 1 && $0.all[0].contains("started anew") })
  }

  @Test("a device that is lost again is given up, and says so at once")
  func lostAgain() throws {
    let device = try FaultyDriver.device(Self.options(isTried: true))
    FaultyDriver.inject(Fault("", [.launch], .losesContext(-36), times: 2, throws: nil))
    let errors = (0..<4).map { _ in #expect(throws: TesseraError.self) { try gathered(device) } }
    #expect(errors.map(\.?.code) == [.deviceLost, .deviceLost, .deviceFailure, .deviceFailure])
    #expect(errors[2]?.message.contains("given up") == true)
    #expect(FaultyDriver.strikes == 2)
  }

  @Test("a device that is lost while it starts anew is given up")
  func lostAtOnce() throws {
    let device = try FaultyDriver.device(Self.options(isTried: true))
    // The first word that is written to a new context is to see whether it works.
    FaultyDriver.inject(Fault("", [.write], .losesContext(-36), times: 2, throws: nil))
    let errors = (0..<3).map { _ in
      #expect(throws: TesseraError.self) { try device.upload([Float(1)], rows: 1, columns: 1) }
    }
    #expect(errors.map(\.?.code) == [.deviceLost, .deviceFailure, .deviceFailure])
    #expect(errors[1]?.message.contains("does not come back") == true)
    #expect(FaultyDriver.strikes == 2)
  }

  @Test("a device that gives no answer is not asked again, and nothing of it is touched")
  func hang() throws {
    let device = try FaultyDriver.device(
      Self.options(isTried: true, deadline: .milliseconds(500)))
    let matrix = try device.upload([Float(1)], rows: 1, columns: 1)
    FaultyDriver.inject(Fault("", [.read], .hangs, throws: nil))
    let start = ContinuousClock.now
    let error = #expect(throws: TesseraError.self) { try device.download(matrix) }
    let later = #expect(throws: TesseraError.self) { try device.download(matrix) }
    #expect(throws: TesseraError.self) { try device.allocate(byteCount: 1 << 20) }
    #expect(start.duration(to: .now) < .seconds(5))
    #expect(error?.code == .deviceFailure && later == error && FaultyDriver.strikes == 1)
    #expect(error?.message.contains("TESSERA_OPENCL_TIMEOUT") == true)
    FaultyDriver.clear()
    // The answer comes after all, into memory that is still there.
    #expect(throws: TesseraError.self) { try device.download(matrix) }
  }

  @Test("a device that hangs while it is looked for is left out")
  func hangAtStart() throws {
    let error = #expect(throws: TesseraError.self) {
      try FaultyDriver.device(
        Self.options(isTried: true, deadline: .milliseconds(500)),
        fault: Fault("", [.read], .hangs, throws: nil))
    }
    FaultyDriver.clear()
    #expect(error?.code == .deviceFailure && error?.message.contains("no answer") == true)
  }

  @Test("a matrix unit that hangs is not used, no other is tried, and the device works without")
  func hangingMatrixUnit() throws {
    let units = [MatrixUnit.Kind.nvidia, .intel16].map { MatrixUnit(kind: $0, isEmulated: true) }
    func first(_ device: OpenCLDevice) -> (unit: MatrixUnit?, probes: Int) {
      var probes = 0
      let unit = MatrixProbe.firstWorking(of: units, .int8) { () throws(TesseraError) in
        probes += 1
        let context = try device.context.renewed()
        return MatrixProbe(
          context: context,
          arena: Arena(
            context, alignment: 128, sharedBlockBytes: 1 << 20, maxBlockBytes: 1 << 28,
            memoryBytes: 1 << 30),
          cache: device.cache, macros: ["BODY_TILE": 1, "GROUP": 64])
      }
      return (unit, probes)
    }
    // The first fills the cache with programs.
    let working = first(try FaultyDriver.device(Self.options(isTried: true)))
    #expect(working.unit == units[0] && working.probes == 1)
    let device = try FaultyDriver.device(
      Self.options(isTried: true, deadline: .seconds(1)))
    FaultyDriver.inject(Fault("", [.read], .hangs, kernel: "search_matrix", throws: nil))
    let hanging = first(device)
    #expect(hanging.unit == nil && hanging.probes == 1 && FaultyDriver.strikes == 1)
    #expect(try gathered(device) == [6, 5, 6])
    FaultyDriver.clear()
  }

  @Test("long work is not taken for a hang, and a queue never fills")
  func longWork() throws {
    let device = try FaultyDriver.device(
      Self.options(isTried: true, deadline: .milliseconds(500)))
    let (workGroups, rowsPerWorkGroup) = (40, 32)
    let count = workGroups * rowsPerWorkGroup
    let target = try device.upload([Float](repeating: 0, count: count), rows: count, columns: 1)
    let rows = try device.upload([Int32](repeating: 0, count: count), rows: count, columns: 1)
    let source = try device.upload([Float(7)], rows: 1, columns: 1)
    FaultyDriver.inject(Fault("", [.createContext], .doesNothing, throws: nil))
    func launch(workGroups: Int, work: Int) throws {
      try device.launch(
        "gather", of: KernelSource("gather", ["ROWS": rowsPerWorkGroup]),
        [
          device.argument(source, ""), device.argument(rows, ""), .int(count), .int(1),
          device.argument(target, ""),
        ], over: Grid(workGroups: (workGroups, 1), workEach: work))
    }
    // As if each group took a whole launch: as many launches, with a mark after each.
    try launch(workGroups: workGroups, work: Grid.workPerLaunch)
    #expect(FaultyDriver.launchCount == workGroups)
    for _ in 0..<1200 { try launch(workGroups: 1, work: 1) }
    #expect(FaultyDriver.launchCount == workGroups + 1200)
    #expect(try device.download(target) == [Float](repeating: 7, count: count))
  }
}

@Suite struct WatchdogTests {
  @Test("a call that goes on step by step may take its time")
  func steps() {
    let watchdog = Watchdog(limit: .milliseconds(400))
    let status = watchdog.wait { progress in
      for _ in 0..<8 {
        pause(milliseconds: 100)
        progress.step()
      }
      return 7
    }
    #expect(status == 7)
  }

  @Test("a call without a step is given up")
  func noStep() {
    let watchdog = Watchdog(limit: .milliseconds(50))
    let start = ContinuousClock.now
    let status = watchdog.wait { _ in
      pause(milliseconds: 1500)
      return 0
    }
    #expect(status == nil && start.duration(to: .now) < .milliseconds(1200))
  }

  @Test("without a limit it waits for ever")
  func unlimited() {
    #expect(Watchdog(limit: nil).wait { _ in 3 } == 3)
  }
}

private func pause(milliseconds: Int) {
  Thread.sleep(forTimeInterval: Double(milliseconds) / 1000)
}
