import ArgumentParser
import Tessera

struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract: "Find launch parameters that suit an OpenCL device, and keep them.",
    discussion: """
      Tries tile sizes, slices, blocks and segments for searches, products and
      selections of many shapes, each against the built-in value in turn. A value is
      kept only if it was 5 % faster in repeated turns and gave the same bytes.
      Stops when the budget is spent and goes on from there the next time. What was
      found is in devices.json in the cache folder, and used from then on.

      --json prints {device, name, driver, path, newTrials, complete, classes[{name,
      work, trials, finished, chosen{}, gain, bestTried{}, bestTriedGain}]}: gain is
      the time with the built-in values over the time with those chosen, 1 where the
      built-in ones stay.

      Examples:
        tessera tune
        tessera tune --budget 5m --device opencl:1
        tessera tune --afresh --json
      """)

  @Option(
    help: ArgumentHelp("opencl, or opencl:N.", valueName: "device"),
    transform: { try DeviceChoice($0) })
  var device: DeviceChoice = .openCL(nil)

  @Option(
    help: ArgumentHelp("When to stop: 60s, 5m, 500ms.", valueName: "time"),
    transform: { try TimeSpan.parse($0) })
  var budget: Double = 60

  @Flag(help: "Forget what was measured before.")
  var afresh = false

  @OptionGroup var output: OutputOptions

  func run() throws {
    let progress = ProgressBar("tune", total: 100, unit: "%", isQuiet: output.quiet)
    let report = try Devices.tune(device, budgetSeconds: budget, afresh: afresh) {
      progress.update($0)
    }
    progress.finish()
    let summary = Summary(report)
    if output.json { return try JSONOutput.print(summary) }
    var table = Table(header: ["work", "tried", "chosen", "gain"])
    for one in summary.classes where one.trials > 0 {
      let chosen = one.chosen.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      table.add(
        one.work, "\(one.trials)\(one.finished ? "" : " so far")",
        chosen.isEmpty ? "built-in" : chosen.joined(separator: ", "), one.gain.short)
    }
    table.print()
    let done = summary.classes.count { $0.finished }
    Console.print(
      "\n\(report.newTrials) new trials; \(done) of \(summary.classes.count) shapes done"
        + (report.isComplete ? "" : "; run it again to go on")
        + (report.path.map { "; kept in \($0)" } ?? "; not kept: there is no cache folder"))
  }

  /// The result that `tune` prints as JSON, under these names.
  struct Summary: Encodable {
    let device: String
    let name: String
    let driver: String
    let path: String?
    let newTrials: Int
    let complete: Bool
    let classes: [Entry]

    struct Entry: Encodable {
      let name: String
      let work: String
      let trials: Int
      let finished: Bool
      let chosen: [String: Int]
      let gain: Double
      let bestTried: [String: Int]?
      let bestTriedGain: Double?
    }

    init(_ report: TuningReport) {
      device = report.device.identifier
      name = report.device.name
      driver = report.device.driver
      path = report.path
      newTrials = report.newTrials
      complete = report.isComplete
      classes = report.classes.map {
        Entry(
          name: $0.name, work: $0.work, trials: $0.trials, finished: $0.isFinished,
          chosen: $0.chosen, gain: $0.gain, bestTried: $0.best?.values,
          bestTriedGain: $0.best?.gain)
      }
    }
  }
}

/// A time as people write it: 60s, 5m, 500ms, 1.5h; a bare number is seconds.
enum TimeSpan {
  static func parse(_ text: String) throws(TesseraError) -> Double {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)]
    let unit = units.first { text.hasSuffix($0.0) } ?? ("", 1)
    guard let number = Double(text.dropLast(unit.0.count)), number.isFinite, number > 0 else {
      throw TesseraError(
        .invalidArgument, "\"\(text)\" is not a time; write 60s, 5m, 500ms or the like")
    }
    return number * unit.1
  }
}
