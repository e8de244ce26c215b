import ArgumentParser
import Tessera
import TesseraBenchmark
import TesseraFormats
internal import TesseraHost
import protocol TesseraCompute.Device

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time every device: bandwidth, products, search, selection, k-means, codes.",
    discussion: """
      Inputs are generated and the same everywhere, and a part of every result is
      compared with the reference: a device that computes something else ends the
      command with status 70. Cold is the first call of a shape, warm the median of
      those after it. Shares are of the device's rate of multiply at its best, or of
      copy at the largest size; filters read and multiply less than the plain
      algorithm, and small work may stay in a cache, so they can pass 100 %.

      --json prints {version, date, problems[], devices[{device, name, kind, vendor,
      driver, variant, computeUnits, memoryBytes, measurements[{task, size, shape{},
      coldSeconds, warmSeconds, leastSeconds, mostSeconds, repeats, rate, unit,
      shareOfPeak, checked}], unavailable[{what, reason}]}]}. Rates are in `unit`:
      B/s, FLOP/s or lookups/s; checked is how many numbers were compared.

      Examples:
        tessera bench
        tessera bench --quick --html devices.html
        tessera bench --device opencl:0 --operations copy,multiply,nearest
        tessera bench --json > today.json
        tessera bench --html both.html --compare yesterday.json today.json
      """)

  @Option(
    help: ArgumentHelp(
      "cpu, opencl, opencl:N or reference, more than once for several.",
      discussion: "By default every device but the reference.", valueName: "device"),
    transform: { try DeviceChoice($0) })
  var device: [DeviceChoice] = []

  @Option(help: "CPU threads; by default TESSERA_THREADS, else one a core.")
  var threads: Int?

  @Flag(help: "Small inputs only: seconds instead of a minute.")
  var quick = false

  @Option(
    help: ArgumentHelp(
      "Only these, separated by commas: "
        + BenchmarkTask.allCases.map(\.rawValue).joined(separator: ", ") + ".",
      valueName: "names"),
    transform: { try NameList<BenchmarkTask>($0) })
  var operations: NameList<BenchmarkTask>?

  @Option(
    help: ArgumentHelp(
      "Only these, separated by commas: small, medium, large, huge (gigabytes, for GPUs).",
      valueName: "names"),
    transform: { try NameList<BenchmarkSize>($0) })
  var sizes: NameList<BenchmarkSize>?

  @Option(
    help: ArgumentHelp("Write a page with charts, complete in one file.", valueName: "file"),
    completion: .file())
  var html: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Saved --json runs to show beside this one in --html.", valueName: "run.json"),
    completion: .file())
  var compare: [String] = []

  @OptionGroup var output: OutputOptions

  func validate() throws {
    try DeviceOptions.requireThreads(threads)
    if device.contains(.auto) { throw ValidationError("--device auto is not one; name a device") }
    if quick, sizes != nil { throw ValidationError("give --quick or --sizes, not both") }
    if !compare.isEmpty, html == nil {
      throw ValidationError("--compare shows runs in a page; say where with --html")
    }
  }

  func run() throws {
    let saved = try compare.map { path throws(TesseraError) in
      BenchmarkPage.Entry(label: path, run: try SavedRun.read(path))
    }
    let files = try html.map { path throws(TesseraError) in try OutputFiles([path], inputs: compare)
    }
    let run = try measure()
    if let html, let files {
      let page = BenchmarkPage(
        [BenchmarkPage.Entry(label: "this run", run: run)] + saved)
      try unsafe files[html].append(Array(page.html.utf8).span.bytes)
      try files.commit()
    }
    if output.json { try JSONOutput.print(run) } else { show(run) }
  }

  private func measure() throws -> BenchmarkRun {
    let (devices, problems) = try chosen()
    for problem in problems { output.note(problem) }
    var benchmark = quick ? Benchmark.quick : Benchmark()
    if let operations { benchmark.tasks = operations.names }
    if let sizes { benchmark.sizes = sizes.names }
    var results: [DeviceBenchmark] = []
    for device in devices {
      let progress = ProgressBar(
        device.info.identifier, total: benchmark.stepCount, unit: "tasks", isQuiet: output.quiet)
      defer { progress.finish() }
      results.append(
        try benchmark.measure(device) {
          progress.update(Double($0) / Double(benchmark.stepCount))
        })
    }
    return BenchmarkRun(
      date: Date.now.formatted(.iso8601), devices: results, problems: problems)
  }

  private func chosen() throws(TesseraError) -> (devices: [any Device], problems: [String]) {
    if device.isEmpty {
      let (devices, problems) = Devices.all(threads: threads)
      return (devices.filter { $0.info.kind != .reference }, problems.map(\.description))
    }
    var devices: [any Device] = []
    for choice in device { devices.append(try Devices.choose(choice, threads: threads)) }
    return (devices, [])
  }

  private func show(_ run: BenchmarkRun) {
    for device in run.devices {
      Console.print(
        "\(device.device): \(device.name), \(device.variant), driver \(device.driver)\n")
      var table = Table(
        header: ["task", "size", "shape", "cold", "warm", "rate", "share of peak"])
      for one in device.measurements {
        table.add(
          one.task.rawValue, one.size.rawValue, one.shapeText,
          BenchmarkFigure.text(seconds: one.coldSeconds),
          BenchmarkFigure.text(seconds: one.warmSeconds),
          one.unit.text(one.rate), one.shareText ?? "")
      }
      table.print()
      for missing in device.unavailable {
        Console.print("\(missing.what): not available, \(missing.reason)")
      }
      Console.print("")
    }
  }
}

/// Names separated by commas, each one of a closed set.
struct NameList<Name: RawRepresentable & CaseIterable> where Name.RawValue == String {
  let names: [Name]

  init(_ text: String) throws(ValidationError) {
    var names: [Name] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let name = Name(rawValue: String(word)) else {
        let known = Name.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("\"\(word)\" is none of \(known)")
      }
      names.append(name)
    }
    self.names = names
  }
}

/// Runs of `bench` in files.
enum SavedRun {
  static func read(_ path: String) throws(TesseraError) -> BenchmarkRun {
    let file = try MappedFile(path)
    do {
      return try unsafe JSONDecoder().decode(BenchmarkRun.self, from: Data(file.memory.bytes))
    } catch {
      throw TesseraError(
        .malformedFile, "\(path): is not what tessera bench --json printed; save it again")
    }
  }
}
