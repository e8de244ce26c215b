import Synchronization
import TesseraCPU
import TesseraCompute
import TesseraDevices
import TestSupport
import Testing

@testable import TesseraQuantization

/// Work that is ended from outside, at every stage.
@Suite(.serialized) struct KMeansStopTests {
  struct Work: CustomTestStringConvertible {
    let testDescription: String
    let options: KMeans.Options
    var dimension = 64
    var count = 60_000
    var choice: KMeans.CountCriterion?
  }

  static let all: [Work] = [
    Work(testDescription: "Lloyd", options: .init(clusterCount: 512, iterations: 400)),
    Work(
      testDescription: "k-means||",
      options: .init(clusterCount: 4000, initialization: .kMeansParallel)),
    Work(
      testDescription: "a sample",
      options: .init(clusterCount: 256, iterations: 400, trainingSampleLimit: 50_000)),
    Work(
      testDescription: "blocks",
      options: .init(clusterCount: 256, iterations: 400, memoryLimit: 8 << 20)
    ),
    Work(
      testDescription: "weights and inner products",
      options: .init(
        clusterCount: 256, iterations: 400, metric: .innerProduct,
        weights: (0..<60_000).map { Float($0 % 5) })),
    Work(
      testDescription: "mini-batches",
      options: .init(clusterCount: 512, iterations: 4000, algorithm: .miniBatch(size: 20_000))),
    Work(
      testDescription: "a hierarchy", options: .init(clusterCount: 20_000, algorithm: .hierarchical)
    ),
    Work(
      testDescription: "exact", options: .init(clusterCount: 300, algorithm: .exact1D),
      dimension: 1,
      count: 2_000_000),
    Work(
      testDescription: "silhouettes", options: .init(clusterCount: 1, iterations: 50),
      choice: .silhouette),
  ]

  private static let values: [Float] = {
    var random = SplitMix64(seed: 4)
    return (0..<60_000 * 64).map { _ in random.nextGaussian() }
  }()

  private func run(_ work: Work, on device: any Device, _ control: RunControl) throws {
    let numbers = work.count * work.dimension
    let points = try Vectors(Array(Self.values.prefix(numbers)), dimension: work.dimension)
    if let choice = work.choice {
      _ = try KMeans.chooseClusterCount(
        of: points, among: Array(2...64), by: choice, options: work.options,
        silhouetteSample: 4000, on: device, control: control)
    } else {
      _ = try KMeans(work.options).cluster(points, on: device, control: control)
    }
  }

  @Test(
    "work stops soon after its deadline, whatever it is doing", arguments: all,
    [10, 60, 250, 700])
  func deadline(_ work: Work, _ milliseconds: Int) throws {
    let cores: [any Device] =
      try [CPUDevice()]
      + Devices.all().devices.filter {
        $0.info.identifier.hasPrefix("opencl")
      }
    for device in cores {
      // Programs are compiled, and trusted, outside of what is measured.
      _ = try KMeans(.init(clusterCount: 3, iterations: 1)).cluster(
        Vectors(Array(Self.values.prefix(64 * 50)), dimension: 64), on: device)
      // The machine may be busy with other things: the best of some tries is looked at.
      let limit = 0.1
      var late: [Double] = []
      for _ in 0..<12 where late.allSatisfy({ $0 > limit }) {
        let deadline = ContinuousClock.now + .milliseconds(milliseconds)
        let error = #expect(throws: TesseraError.self) {
          try run(work, on: device, RunControl(stop: StopSignal(deadline: deadline)))
        }
        late.append((ContinuousClock.now - deadline) / .seconds(1))
        #expect(error?.code == .deadlineExceeded)
      }
      #expect(late.contains { $0 <= limit }, "\(device.info.identifier): \(late) s late")
    }
  }

  @Test("a signal raised on another thread, and a cancelled task, end the work")
  func signals() async throws {
    let control = RunControl()
    let work = Self.all[0]
    let task = Task.detached { () -> TesseraError? in
      do {
        try run(work, on: CPUDevice(), control)
        return nil
      } catch { return error as? TesseraError }
    }
    try await Task.sleep(for: .milliseconds(50))
    control.stop.raise()
    #expect(await task.value?.code == .cancelled)

    let other = Task.detached { () -> TesseraError? in
      do {
        try run(work, on: CPUDevice(), RunControl())
        return nil
      } catch { return error as? TesseraError }
    }
    try await Task.sleep(for: .milliseconds(50))
    other.cancel()
    #expect(await other.value?.code == .cancelled)
  }

  @Test("a call within a longer call ends with that")
  func nested() throws {
    let outer = StopSignal()
    outer.raise()
    let error = #expect(throws: TesseraError.self) {
      try outer.govern { () throws(TesseraError) in
        _ = try KMeans(.init(clusterCount: 1)).cluster(
          Vectors([1, 2], dimension: 1), on: ReferenceDevice.shared)
      }
    }
    #expect(error?.code == .cancelled)
  }

  @Test("a fallback takes over from a device that fails")
  func fallback() throws {
    let heard = Mutex<[String]>([])
    let points = try Vectors(KMeansTests.points(100, dimension: 4), dimension: 4)
    let failing = FailingDevice()
    let control = RunControl(
      fallback: ReferenceDevice.shared, note: { text in heard.withLock { $0.append(text) } })
    let result = try KMeans(.init(clusterCount: 3)).cluster(points, on: failing, control: control)
    #expect(result.labels.count == 100)
    #expect(heard.withLock { $0.count } == 1)
  }
}

/// A device that loses everything when it is asked for memory.
private final class FailingDevice: NoMemory {
  let info = ReferenceDevice.shared.info
  let absence = TesseraError(.deviceFailure, "no memory today")
}
