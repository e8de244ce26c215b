import Synchronization
import TesseraCompute
import TestSupport
import Testing

@Suite struct RunControlTests {
  /// Runs work that fails as `failures` say, and returns what came of it and who was asked.
  private func run(
    _ failures: [TesseraError.Code], fallback: Bool = true
  ) -> (result: Result<String, TesseraError>, asked: [String], notes: [String]) {
    let notes = Mutex<[String]>([])
    let control = RunControl(
      fallback: fallback ? ReferenceDevice.shared : nil,
      note: { note in notes.withLock { $0.append(note) } })
    var asked: [String] = []
    var failures = failures[...]
    let result = Result { () throws(TesseraError) in
      try control.run(on: OtherDevice()) { device throws(TesseraError) -> String in
        asked.append(device.info.identifier)
        if let failure = failures.popFirst() { throw TesseraError(failure, "as asked") }
        return "done"
      }.result
    }
    return (result, asked, notes.withLock { $0 })
  }

  private let device = OtherDevice().info.identifier

  @Test("a closure behind the call hears of progress, and a labelled one notes")
  func closures() throws {
    let (steps, notes) = (Heard<String>(), Heard<String>())
    let quiet = RunControl { step in steps.add(step.stage) }
    try quiet.report("alone", done: 0)
    quiet.note("nobody hears this")
    let both = RunControl { step in
      steps.add(step.stage)
    } note: { text in
      notes.add(text)
    }
    try both.report("both", done: 1)
    both.note("a note")
    #expect(steps.values == ["alone", "both"] && notes.values == ["a note"])
  }

  @Test("what works is done once, in silence")
  func works() {
    let (result, asked, notes) = run([])
    #expect(result == .success("done") && asked == [device] && notes.isEmpty)
  }

  @Test(
    "the fallback takes over from a device that fails, and it is said",
    arguments: [TesseraError.Code.outOfMemory, .deviceFailure, .buildFailure])
  func fails(_ code: TesseraError.Code) {
    let (result, asked, notes) = run([code])
    #expect(result == .success("done") && asked == [device, "reference"])
    #expect(notes == ["\(device) failed: as asked; reference takes over"])
  }

  @Test("a device that lost its memory is asked once more")
  func lost() {
    let once = run([.deviceLost])
    #expect(once.result == .success("done") && once.asked == [device, device])
    let twice = run([.deviceLost, .deviceLost])
    #expect(twice.result == .success("done") && twice.asked == [device, device, "reference"])
  }

  @Test("what is not the device's fault is thrown, and so is a failure without a fallback")
  func throwing() {
    for (code, fallback) in [(TesseraError.Code.nonFinite, true), (.deviceFailure, false)] {
      let (result, asked, notes) = run([code], fallback: fallback)
      #expect(result == .failure(TesseraError(code, "as asked")))
      #expect(asked == [device] && notes.isEmpty)
    }
  }
}

/// A device that is not the reference.
private final class OtherDevice: NoMemory {
  let info = DeviceInfo(
    identifier: "other", name: "Other", kind: .accelerator, variant: "none", memoryBytes: 0,
    computeUnits: 1, accelerated: [])

}
