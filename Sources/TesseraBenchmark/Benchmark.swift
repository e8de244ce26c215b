public import TesseraCompute

/// Times what a device does, and checks what it computes.
///
///     let result = try Benchmark().measure(myDevice)
///
/// Inputs are generated and the same everywhere. Of every result a part is compared with the
/// reference device: a device that is fast and wrong gets an error, not a figure.
public struct Benchmark: Sendable {
  /// The tasks to time, in this order.
  public var tasks = BenchmarkTask.allCases
  /// The amounts of work to give, smallest first.
  public var sizes: [BenchmarkSize] = [.small, .medium, .large]
  /// Seconds of warm calls that are enough · 0 times one.
  public var targetSeconds = 0.25
  /// Warm calls at most.
  public var maxRepeats = 15

  /// Everything at three sizes: about 15 seconds for a CPU of two cores.
  public init() {}

  /// Small inputs, and fewer repeats: two or three seconds a device.
  public static var quick: Benchmark {
    var benchmark = Benchmark()
    benchmark.sizes = [.small]
    benchmark.targetSeconds = 0.05
    benchmark.maxRepeats = 5
    return benchmark
  }

  /// - Parameter progress: Is told the number of tasks that are done, of `stepCount`.
  /// - Throws: `.wrongResult` if a result is not the reference's. What a device fails at, or does not
  ///   support, is `unavailable`.
  public func measure(
    _ device: any Device, progress: (_ done: Int) -> Void = { _ in }
  ) throws(TesseraError) -> DeviceBenchmark {
    var result = DeviceBenchmark(device.info)
    var done = 0
    for task in tasks {
      for size in sizes {
        do throws(TesseraError) {
          result.measurements.append(try measure(task, size, on: device))
        } catch  where error.isFailureOfDevice {
          result.unavailable.append(
            Unavailable(what: "\(task.rawValue) \(size.rawValue)", reason: error.message))
        } catch  where error.code == .unsupported {
          let missing = Unavailable(what: task.rawValue, reason: error.message)
          if result.unavailable.last != missing { result.unavailable.append(missing) }
        }
        done += 1
        progress(done)
      }
    }
    for index in result.measurements.indices {
      result.measurements[index].shareOfPeak = result.measurements[index].task.peak
        .flatMap(result.peak).map { result.measurements[index].rate / $0 }
    }
    return result
  }

  /// The number of measurements that one device gets.
  public var stepCount: Int { tasks.count * sizes.count }

  private func measure(
    _ task: BenchmarkTask, _ size: BenchmarkSize, on device: any Device
  ) throws(TesseraError) -> BenchmarkFigure {
    let workload = try task.workload(on: device, size)
    func seconds() throws(TesseraError) -> Double {
      let start = ContinuousClock.now
      try workload.run()
      try device.synchronize()
      return start.duration(to: .now) / .seconds(1)
    }
    try device.synchronize()
    let cold = try seconds()
    // Checked before it is timed: a wrong device should not take long to be found out.
    let checked = try workload.check()
    var warm: [Double] = []
    var total = 0.0
    repeat {
      let one = try seconds()
      warm.append(one)
      total += one
    } while warm.count < maxRepeats && (total < targetSeconds || warm.count < 3)
      && total < 8 * targetSeconds
    warm.sort()
    let median = max((warm[(warm.count - 1) / 2] + warm[warm.count / 2]) / 2, 1e-9)
    return BenchmarkFigure(
      task: task, size: size, shape: workload.shape, coldSeconds: cold, warmSeconds: median,
      leastSeconds: warm[0], mostSeconds: warm[warm.count - 1], repeats: warm.count,
      rate: workload.work / median, unit: task.unit, checked: checked)
  }
}

extension DeviceBenchmark {
  init(_ info: DeviceInfo) {
    self.init(
      device: info.identifier, name: info.name, kind: info.kind.rawValue, vendor: info.vendor,
      driver: info.driver, variant: info.variant, computeUnits: info.computeUnits,
      memoryBytes: info.memoryBytes, measurements: [], unavailable: [])
  }
}
