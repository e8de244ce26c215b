import Foundation
import TesseraCompute
import Testing

@testable import TesseraOpenCL

/// One after the other: there is one faulty driver.
@Suite(.serialized, .enabled(if: FaultyDriver.isPresent))
struct FaultTests {
  /// Programs, and the word that the kernels work, as a process before this one left them.
  private static let cache = NSTemporaryDirectory() + "tessera-faults-\(UUID().uuidString)"

  static func options(isTried: Bool, deadline: Duration? = .seconds(60)) throws -> OpenCLOptions {
    var options = OpenCLOptions()
    // Small blocks, so that matrices have buffers of their own, which can fail.
    options.sharedBlockBytes = 2048
    options.launchDeadline = deadline
    guard isTried else { return options }
    options.cacheDirectory = cache
    if !FileManager.default.fileExists(atPath: cache) {
      let device = try FaultyDriver.device(options)
      for work in Work.allCases { _ = try work.run(on: device) }
    }
    return options
  }

  @Test(
    "every fault ends in the right answer or in its own error, soon",
    arguments: Fault.all, Work.allCases)
  func table(_ fault: Fault, _ work: Work) throws {
    let hangs = fault.effect == .hangs
    let device = try FaultyDriver.device(
      Self.options(isTried: fault.isTried, deadline: .seconds(hangs ? 1 : 60)))
    let want = try work.run(on: ReferenceDevice.shared).bits
    let notes = Work.Notes()
    let start = ContinuousClock.now
    FaultyDriver.inject(fault)
    defer { FaultyDriver.clear() }
    do throws(TesseraError) {
      let (bits, place) = try work.run(on: device, notes: notes)
      #expect(bits == want, "\(place), \(notes.all)")
      #expect(work.recovers || fault.error == nil || FaultyDriver.strikes == 0)
      // Nothing is overcome in silence.
      #expect(place == device.info.identifier || !notes.all.isEmpty)
    } catch {
      #expect(!work.recovers && error.code == fault.error, "\(error)")
      #expect(FaultyDriver.strikes > 0)
    }
    #expect(fault.work ?? work != work || FaultyDriver.strikes > 0, "the fault never struck")
    #expect(start.duration(to: .now) < .seconds(30))
  }
}
