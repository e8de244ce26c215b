public import ArgumentParser
public import Tessera
import TesseraDevices
internal import TesseraHost
import protocol TesseraCompute.Device

/// The options that choose the device.
struct DeviceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "auto, cpu, opencl, opencl:N, opencl:all or reference.",
      discussion: "By default TESSERA_DEVICE, else auto: the device that is expected to take the "
        + "shortest time for this work, by speeds measured on this machine.",
      valueName: "device"),
    transform: { try DeviceChoice($0) })
  var device: DeviceChoice?

  @Option(help: "CPU threads; by default TESSERA_THREADS, else one a core.")
  var threads: Int?

  func validate() throws {
    try Self.requireThreads(threads)
  }

  /// Refuses numbers of threads that no machine has.
  static func requireThreads(_ threads: Int?) throws(ValidationError) {
    guard let threads, !(1...WorkerPool.limit).contains(threads) else { return }
    throw ValidationError(
      "--threads is \(threads), it must be at least 1 and at most \(WorkerPool.limit)")
  }

  /// The device for `search`, with what stood in the way of others said on stderr.
  func select(for search: SearchShape, _ output: OutputOptions) throws(TesseraError)
    -> DeviceSelection
  {
    let selection = try Devices.select(choice(), for: search, threads: threads)
    for note in selection.notes {
      output.note("\(note); using \(selection.device.info.identifier)")
    }
    for estimate in selection.estimates {
      output.explain("\(estimate.identifier) should need \(estimate.seconds.short) s")
    }
    return selection
  }

  private func choice() throws(TesseraError) -> DeviceChoice {
    if let device { return device }
    guard let text = Environment["TESSERA_DEVICE"] else { return .auto }
    do throws(TesseraError) {
      return try DeviceChoice(text)
    } catch {
      throw TesseraError(error.code, "TESSERA_DEVICE: \(error.message)")
    }
  }
}

extension DeviceSelection {
  /// Runs `work`; under auto the CPU takes over from a device that fails. Returns the result and
  /// the device that made it. Errors that data cause name `input`.
  func run<Result>(
    _ input: String, _ output: OutputOptions,
    _ work: (any Device) throws(TesseraError) -> Result
  ) throws(TesseraError) -> (result: Result, device: any Device) {
    do throws(TesseraError) {
      return try RunControl(fallback: fallback, note: output.note).run(on: device, work)
    } catch {
      throw error.code == .nonFinite || error.code == .invalidShape
        ? TesseraError(error.code, "\(input): \(error.message)") : error
    }
  }
}

/// The options of what a command prints.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print the result as one JSON object.")
  var json = false

  @Flag(help: "Say nothing on stderr but errors: no notes, no progress bar.")
  var quiet = false

  /// A sentence about something that was overcome.
  func note(_ text: String) {
    if !quiet { Console.error("tessera: \(text)") }
  }

  /// A sentence for those who ask why: TESSERA_LOG=info or debug.
  func explain(_ text: String) {
    if ["info", "debug", "trace"].contains(Environment["TESSERA_LOG"] ?? "") { note(text) }
  }
}

/// The options of how a search is cut, repeated and kept.
struct SearchOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Memory for prepared rows, as in 512M or 4G.",
      discussion: "A base that needs more is searched in chunks, with the same result. By default "
        + "half of this machine's memory, or nine tenths of a GPU's.",
      valueName: "size"),
    transform: { try ByteSize.parse($0) })
  var memory: Int?

  @Option(help: "Queries given to the device at a time; changes no result.")
  var batch: Int?

  @Option(name: .customLong("repeat"), help: "Searches to time; rates are from their median.")
  var repeats: Int = 1

  @Option(
    help: ArgumentHelp(
      "Write PREFIX.ids.npy (int64) and PREFIX.scores.npy (float32), best first.",
      valueName: "prefix"))
  var out: String?

  func validate() throws {
    if let batch, batch < 1 {
      throw ValidationError("--batch is \(batch), it must be at least 1")
    }
    if repeats < 1 { throw ValidationError("--repeat is \(repeats), it must be at least 1") }
  }

  /// Searches as often as was asked for.
  ///
  /// - Parameter searchOnce: Searches once, and tells the closure it is given how far it is.
  func ask<Report>(
    _ queries: Vectors, _ output: OutputOptions,
    _ searchOnce: (@escaping @Sendable (RunControl.Progress) -> Void) throws(TesseraError) -> Report
  ) throws(TesseraError) -> [Report] {
    var reports: [Report] = []
    for round in 1...repeats {
      let progress = ProgressBar(
        repeats > 1 ? "search \(round)/\(repeats)" : "search",
        total: queries.count, unit: "queries", isQuiet: output.quiet)
      defer { progress.finish() }
      reports.append(try searchOnce { progress.update($0.done) })
    }
    return reports
  }
}

extension Metric: ExpressibleByArgument {}

/// A metric of rows of numbers, or of rows of bits.
enum RowMetric: ExpressibleByArgument {
  case numbers(Metric)
  case bits(BitMetric)

  init?(argument: String) {
    if let metric = Metric(rawValue: argument) {
      self = .numbers(metric)
    } else if let metric = BitMetric(rawValue: argument) {
      self = .bits(metric)
    } else {
      return nil
    }
  }

  var name: String {
    switch self {
    case .numbers(let metric): metric.rawValue
    case .bits(let metric): metric.rawValue
    }
  }

  static var allValueStrings: [String] {
    Metric.allCases.map(\.rawValue) + BitMetric.allCases.map(\.rawValue)
  }
}
