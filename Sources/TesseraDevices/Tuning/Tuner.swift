import TesseraCompute
import TesseraOpenCL

/// Looks for launch parameters that are faster than the defaults.
///
/// Knob by knob, each value is measured against the defaults in turn (A B A B), on top of what was
/// best so far. What remains at the end is confirmed with more turns, and kept only if it is better
/// by ``margin`` in the median and better in all turns but one: by luck alone, one choice in fifty
/// gets that far. Every result has to be the defaults' bit for bit.
struct Tuner {
  let device: OpenCLDevice
  var tasks: [TuningTask]
  /// The gain that a choice must have to be kept.
  var margin = 1.05
  /// Turns of a trial and of a confirmation.
  var trialTurns = 3
  var confirmationTurns = 9
  /// Least seconds of one measurement; shorter work is repeated.
  var sampleSeconds = 0.01

  init(device: OpenCLDevice) {
    self.device = device
    tasks = TuningTask.all(for: device.info.kind)
  }

  /// Goes on with `record` until `budget` seconds are over or nothing is left to try; at least one
  /// trial is made. Calls `save` with each change.
  ///
  /// - Returns: The number of new trials.
  func run(
    _ record: inout TuningRecord, budget: Double, save: (TuningRecord) -> Void,
    progress: (_ fraction: Double) -> Void
  ) throws(TesseraError) -> Int {
    let start = ContinuousClock.now
    var trialCount = 0
    func isOver() -> Bool { trialCount > 0 && start.duration(to: .now) / .seconds(1) >= budget }
    defer { device.tuning = (try? record.launchTuning()) ?? LaunchTuning() }
    for (index, task) in tasks.enumerated() {
      progress(Double(index) / Double(tasks.count))
      var state = record.classes[task.shapes.description] ?? TuningRecord.ClassRecord()
      guard !state.isFinished else { continue }
      if isOver() { return trialCount }
      guard let contest = try Contest(task, on: device, sampleSeconds: sampleSeconds) else {
        state.isFinished = true
        record.classes[task.shapes.description] = state
        continue
      }
      var best = LaunchValues()
      var bestGain = 1.0
      for knob in device.knobs(of: task.shapes.operation) {
        let base = best
        for value in knob.alternatives {
          var values = base
          values[knob] = value
          if let known = state.trials.first(where: { $0.values == values.byName }) {
            if known.gain > bestGain { (best, bestGain) = (values, known.gain) }
            continue
          }
          if isOver() { return trialCount }
          let gain = try contest.gains(of: values, turns: trialTurns).median
          trialCount += 1
          state.trials.append(TuningRecord.Trial(values: values.byName, gain: gain))
          record.classes[task.shapes.description] = state
          save(record)
          if gain > bestGain { (best, bestGain) = (values, gain) }
        }
      }
      if !best.chosen.isEmpty, bestGain >= margin {
        let gains = try contest.gains(of: best, turns: confirmationTurns)
        trialCount += 1
        if gains.median >= margin, gains.count(where: { $0 > 1 }) >= confirmationTurns - 1 {
          (state.chosen, state.gain) = (best.byName, gains.median)
        }
      }
      state.isFinished = true
      record.classes[task.shapes.description] = state
      save(record)
    }
    progress(1)
    return trialCount
  }
}

/// Measures values against the defaults, on the same work.
private final class Contest {
  private let task: TuningTask
  private let device: OpenCLDevice
  private let work: TuningWork
  private let expected: [UInt32]
  private let callsPerSample: Int

  /// Nil if the work does not fit the device's memory.
  init?(
    _ task: TuningTask, on device: OpenCLDevice, sampleSeconds: Double
  ) throws(TesseraError) {
    self.task = task
    self.device = device
    device.tuning = LaunchTuning()
    do throws(TesseraError) {
      work = try task.makeWork(device)
      try work.run()
    } catch  where error.code == .outOfMemory {
      return nil
    }
    expected = try work.result()
    let start = ContinuousClock.now
    try work.run()
    let seconds = start.duration(to: .now) / .seconds(1)
    callsPerSample = max(1, Int((sampleSeconds / max(seconds, 1e-6)).rounded(.up)))
  }

  /// Of each turn the defaults' time over that of `values` right after; 0 if the device cannot run
  /// them or finds something else. Gives up early on what is clearly slower.
  func gains(of values: LaunchValues, turns: Int) throws(TesseraError) -> [Double] {
    // Builds programs, and checks.
    use(values)
    do throws(TesseraError) {
      try work.run()
      guard try work.result() == expected else { return [0] }
    } catch  where error.isFailureOfDevice {
      return [0]
    }
    var ratios: [Double] = []
    for turn in 0..<turns {
      use(LaunchValues())
      let plain = try seconds()
      use(values)
      ratios.append(plain / (try seconds()))
      if turn == 0, ratios[0] < 0.8 { break }
    }
    return ratios
  }

  private func use(_ values: LaunchValues) {
    var tuning = LaunchTuning()
    tuning[task.shapes] = values
    device.tuning = tuning
  }

  private func seconds() throws(TesseraError) -> Double {
    let start = ContinuousClock.now
    for _ in 0..<callsPerSample { try work.run() }
    return max(start.duration(to: .now) / .seconds(1), 1e-9)
  }
}

extension [Double] {
  fileprivate var median: Double { sorted()[count / 2] }
}
