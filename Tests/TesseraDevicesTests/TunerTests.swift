import Foundation
import TesseraCompute
import TesseraOpenCL
import Testing

@testable import TesseraDevices

/// A device of these tests alone, because they change its launches.
private let openCL: OpenCLDevice? = OpenCLDevice.all().devices.first

/// The tuner at work on the first OpenCL device, with little to do.
@Suite(.serialized, .enabled(if: openCL != nil, "no OpenCL device on this machine"))
struct TunerTests {
  private let device: OpenCLDevice
  private let path =
    FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID()).json").path
  private var store: ProfileStore { ProfileStore(path: path) }

  init() throws { device = try #require(openCL) }

  /// Work whose time and result depend on the launch parameters in a known way.
  private func task(
    seconds: @escaping (LaunchValues) -> Double, result: @escaping (LaunchValues) -> UInt32
  ) -> TuningTask {
    let shapes = LaunchClass.topK(rows: 1, columns: 10)
    return TuningTask(shapes: shapes, description: "sleep") { device in
      TuningWork(
        run: {
          Thread.sleep(forTimeInterval: seconds(device.tuning[shapes]))
        }, result: { [result(device.tuning[shapes])] })
    }
  }

  private func tuner(_ tasks: [TuningTask]) -> Tuner {
    var tuner = Tuner(device: device)
    tuner.tasks = tasks
    tuner.sampleSeconds = 0
    // Sleeping is not exact on a busy machine.
    tuner.margin = 1.5
    return tuner
  }

  private func tune(
    _ tasks: [TuningTask], budget: Double = 60, afresh: Bool = false
  ) throws -> TuningReport {
    defer { device.tuning = LaunchTuning() }
    return try Devices.tune(
      tuner(tasks), in: store, budgetSeconds: budget, afresh: afresh, progress: { _ in })
  }

  @Test("what is faster is kept, and loaded at the next start; speeds are measured again")
  func keeps() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    store.save(DeviceChoiceTests.fast, for: device.info)
    let report = try tune([
      task(seconds: { $0[.segmentColumns] == 8192 ? 0.002 : 0.008 }, result: { _ in 1 })
    ])
    let found = try #require(report.classes.first)
    #expect(report.isComplete && found.isFinished && found.chosen == ["segmentColumns": 8192])
    #expect(found.gain > 1.5)
    // Every value once, and a confirmation.
    #expect(report.newTrials == LaunchKnob.segmentColumns.alternatives.count + 1)
    #expect(store.profile(for: device.info) == nil)

    #expect(store.tune([device]).isEmpty)
    #expect(device.tuning[.topK(rows: 1, columns: 10)][.segmentColumns] == 8192)
    #expect(try tune([task(seconds: { _ in 0 }, result: { _ in 1 })]).newTrials == 0)
  }

  @Test("what is as fast as the defaults, or gives another result, is not kept")
  func keepsDefaults() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let alike = try tune([task(seconds: { _ in 0.004 }, result: { _ in 1 })])
    #expect(alike.classes.first?.chosen == [:] && alike.classes.first?.gain == 1)
    let wrong = try tune(
      [
        task(
          seconds: { $0.chosen.isEmpty ? 0.004 : 0.001 },
          result: { $0.chosen.isEmpty ? 1 : UInt32($0[.segmentColumns]) })
      ], afresh: true)
    #expect(wrong.classes.first?.chosen == [:])
    #expect(wrong.classes.first?.best?.gain == 0)
  }

  @Test("work that does not fit is left at the defaults, and the next is tuned")
  func outOfMemory() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let tooLarge = TuningTask(shapes: .topK(rows: 9, columns: 9), description: "too large") {
      _ throws(TesseraError) in
      throw TesseraError(.outOfMemory, "no room")
    }
    let report = try tune([tooLarge, task(seconds: { _ in 0.001 }, result: { _ in 1 })])
    #expect(report.isComplete && report.classes[0].trials == 0 && report.classes[0].chosen == [:])
    #expect(report.classes[1].trials == LaunchKnob.segmentColumns.alternatives.count)
  }

  @Test("a run without time makes one trial, and the next goes on after it")
  func resumes() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let work = task(seconds: { _ in 0.001 }, result: { _ in 1 })
    for count in 1...3 {
      let report = try tune([work], budget: 0)
      #expect(report.newTrials == 1 && report.classes.first?.trials == count)
      #expect(!report.isComplete)
    }
    #expect(try tune([work]).isComplete)
  }

  @Test(
    "a tuning of other kernels, or with values there are not, is named and not used",
    arguments: [
      ("other", [:]), ("", ["topK few few many": ["segmentColumns": 3]]),
      ("", ["topK few few many": ["wings": 2]]), ("", ["sort few few many": [:]]),
    ] as [(String, [String: [String: Int]])])
  func foreign(_ kernels: String, _ chosen: [String: [String: Int]]) throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    var record = TuningRecord()
    if !kernels.isEmpty { record.kernels = kernels }
    record.classes = chosen.mapValues {
      TuningRecord.ClassRecord(trials: [], chosen: $0, gain: 2, isFinished: true)
    }
    store.save(record, for: device.info)
    device.tuning = LaunchTuning()
    let problems = store.tune([device])
    #expect(problems.count == 1 && problems.first?.code == .malformedFile)
    #expect(problems.first?.message.contains("run tessera tune again") == true)
    #expect(device.tuning == LaunchTuning())
    // And the next tuning starts afresh.
    let work = task(seconds: { _ in 0 }, result: { _ in 1 })
    #expect(try tune([work], budget: 0).newTrials == 1)
    #expect(store.tune([device]).isEmpty)
  }

  @Test("every class of the real tasks is another, and belongs to its shape")
  func tasks() {
    let names = TuningTask.all(for: .gpu).map(\.shapes.description)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { LaunchClass($0) != nil })
  }
}
