import Foundation
import TesseraCompute
import TesseraHost
import Testing

@testable import TesseraOpenCL

extension FaultTests {
  /// Calls that take their time, and how many numbers are moved: few pass through memory of the
  /// call's own, many through memory that later calls use too, once the queue is empty.
  static let slowCalls: [(FaultyDriver.Call, Int)] = [
    (.build, 3), (.launch, 3), (.flush, 3), (.read, 3), (.write, 3), (.launch, 1 << 15),
    (.finish, 1 << 15),
  ]

  @Test(
    "a driver that takes its time is left when the work should end, and goes on later",
    arguments: slowCalls)
  func left(_ call: FaultyDriver.Call, _ count: Int) throws {
    let device = try FaultyDriver.device(Self.options(isTried: call != .build))
    defer { FaultyDriver.clear() }
    let values = (0..<count).map(Float.init)
    func turned() throws(TesseraError) -> [Float] {
      let source = try device.upload(values, rows: count, columns: 1)
      let rows = try device.upload((0..<Int32(count)).reversed(), rows: count, columns: 1)
      let target = try device.allocate(Float.self, rows: count, columns: 1)
      // Kernels that were never tried are tried first, which is building, launching and reading.
      try device.gather(source, rows: rows, into: target)
      return try device.download(target)
    }
    if call != .build { _ = try turned() }
    FaultyDriver.inject(Fault("", [call], .hangs, times: 1, throws: nil))
    let deadline = ContinuousClock.now + .milliseconds(50)
    let error = #expect(throws: TesseraError.self) {
      try StopSignal(deadline: deadline).govern { () throws(TesseraError) in _ = try turned() }
    }
    #expect(error?.code == .deadlineExceeded && FaultyDriver.strikes == 1)
    // The driver would come back after 40 seconds; the machine may be busy with other things.
    #expect(ContinuousClock.now - deadline < .seconds(2))
    FaultyDriver.clear()
    #expect(try turned() == values.reversed())
    #expect(device.faults.isEmpty && device.info.accelerated.contains(.gather))
  }

  @Test("a stop while kernels are tried says nothing of the kernels")
  func stoppedTrial() throws {
    let device = try FaultyDriver.device(Self.options(isTried: false))
    let stop = StopSignal()
    stop.raise()
    let error = #expect(throws: TesseraError.self) {
      try stop.govern { () throws(TesseraError) in _ = try device.trusts(.gather) }
    }
    #expect(error?.code == .cancelled && device.faults.isEmpty)
    #expect(device.info.accelerated.contains(.gather))
    #expect(try device.trusts(.gather))
  }
}
