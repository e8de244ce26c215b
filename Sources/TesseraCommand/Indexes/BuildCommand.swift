import ArgumentParser
import Tessera
import TesseraDevices
internal import TesseraHost

struct BuildCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Build an index of vectors.",
    discussion: """
      An index divides rows into lists by nearness, so that searches look at few
      of them. SPEC says how, as FAISS writes it: Flat keeps rows in one list;
      IVF1024,Flat in 1024 lists; IVF1024,SQ8 or IVF1024,PQ96x4fs keep codes of
      rows; RFlat at the end keeps rows beside them, to score hits again. PCA64,
      PCAR64, OPQ48_192, RR64, L2norm and Center before these transform rows and
      queries. BFlat and BIVF1024 are of rows of bits, eight in each uint8. Equal seeds give the same file on every device.

      Examples:
        tessera build --spec IVF1024,Flat --base base.npy --out words.index
        tessera build --spec IVF1024,PQ96x4fs,RFlat --base base.npy \\
          --metric l2 --out small.index --json
        tessera build --spec PCA64,IVF1024,Flat,RFlat --base base.npy \\
          --out narrow.index
        tessera build --spec IVF1024,SQ8 --base big.fbin --memory 2G \\
          --out big.index
        tessera build --spec IVF256,Flat --base base.npy --ids ids.npy \\
          --out named.index
        tessera build --spec BIVF256 --base bits.npy --metric hamming \\
          --out bits.index
      """)

  @Option(help: "What to build, as in IVF1024,Flat.")
  var spec: String

  @Option(help: "The vectors.", completion: .file())
  var base: String

  @Option(
    help: ArgumentHelp(
      "How vectors are compared: ip, l2 or cosine; rows of bits: hamming or jaccard.",
      discussion: "By default ip, and hamming for BFlat and BIVF."))
  var metric: RowMetric?

  @Option(
    help: "The ids of the vectors, one column; by default rows counted from 0.", completion: .file()
  )
  var ids: String?

  @Option(
    help: "Vectors to train on, at most; by default 256 for each list, 16384 for a transform.")
  var trainLimit: Int?

  @Option(
    help: ArgumentHelp(
      "Memory to build in, as in 512M or 4G.",
      discussion:
        "Vectors that need more pass through in blocks of their file, and what is made of "
        + "them lies in the folder TMPDIR, or /var/tmp. The index is the same. By default as much as "
        + "there is.",
      valueName: "size"),
    transform: { try ByteSize.parse($0) })
  var memory: Int?

  @Option(help: "Chooses the random start.")
  var seed: UInt64 = 1234

  @Option(help: "Write the index.", completion: .file())
  var out: String

  @OptionGroup var devices: DeviceOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let trainLimit, trainLimit < 1 {
      throw ValidationError("--train-limit is \(trainLimit), it must be at least 1")
    }
  }

  func run() throws {
    let specification = try IndexSpecification(spec)
    let metric = metric ?? (specification.keepsBits ? .bits(.hamming) : .numbers(.innerProduct))
    let loadStart = ContinuousClock.now
    let base = try VectorFile.open(self.base)
    let ids = try RowIDs.open(self.ids, count: base.count)
    let loadSeconds = loadStart.secondsAgo
    try LivingIndex.requireReplaceable(out)
    let files = try OutputFiles([out], inputs: [self.base] + (self.ids.map { [$0] } ?? []))
    let shape = SearchShape(
      rows: specification.listCount ?? 1, dimension: base.dimension, element: base.element,
      metric: .squaredL2, queryCount: base.count, k: 1)
    let selection = try devices.select(for: shape, output)
    let progress = ProgressBar("build", total: 100, unit: "%", isQuiet: output.quiet)
    defer { progress.finish() }
    let (built, device) = try selection.run(self.base, output) { device throws(TesseraError) in
      let options = Index.BuildOptions(
        trainingLimit: trainLimit, seed: seed, memoryLimit: memory)
      let control = progress.control(output)
      switch metric {
      case .numbers(let metric):
        return try Index.build(
          specification, base, metric: metric, ids: ids, options: options, on: device,
          control: control)
      case .bits(let metric):
        return try Index.build(
          specification, base, metric: metric, ids: ids, options: options, on: device,
          control: control)
      }
    }
    progress.finish()
    let saveStart = ContinuousClock.now
    try IndexFile.write(built.index, into: files[out])
    try files.commit()
    for note in built.notes { output.note(note.description) }
    let summary = Summary(
      of: built, on: device.info, loadSeconds: loadSeconds, saveSeconds: saveStart.secondsAgo,
      bytes: files[out].byteCount)
    if output.json { try JSONOutput.print(summary) } else { summary.table().print() }
  }

  /// The result that `build` prints: as JSON under these names, or as a table.
  struct Summary: Encodable {
    let device: String
    let variant: String
    let spec: String
    let metric: String
    let rows: Int
    let dimension: Int
    let lists: Int
    /// The mean length of a row's list over the mean length of a list.
    let listImbalance: Double
    let bytes: Int
    /// Lists that held 90, 95 and 99 % of the true neighbors of rows that were asked.
    let probesForRecall: [String: Int]
    let notes: [String]
    let seconds: Seconds
    let peakBytes: Int

    struct Seconds: Encodable {
      let load: Double
      let train: Double
      let add: Double
      let save: Double
    }

    init(
      of built: Index.Built, on device: DeviceInfo, loadSeconds: Double, saveSeconds: Double,
      bytes: Int
    ) {
      let index = built.index
      self.device = device.identifier
      variant = device.variant
      spec = index.specification.description
      metric = index.metricName
      rows = index.count
      dimension = index.dimension
      lists = index.listCount
      listImbalance = index.listImbalance
      self.bytes = bytes
      probesForRecall = index.probesForRecall
      notes = built.notes.map(\.description)
      seconds = Seconds(
        load: loadSeconds, train: built.trainSeconds, add: built.addSeconds, save: saveSeconds)
      peakBytes = HostLimits.current.peakResidentBytes
    }

    func table() -> Table {
      var table = Table()
      table.add("device", "\(device) (\(variant))")
      table.add("index", "\(spec), \(rows) x \(dimension), \(metric)")
      if lists > 1 {
        table.add("lists", "\(lists), imbalance \(listImbalance.short)")
        table.add("recall by probes", index(probesForRecall))
      }
      table.add(
        "time",
        "train \(seconds.train.short) s, add \(seconds.add.short) s, save "
          + "\(seconds.save.short) s")
      table.add("file", bytes.asBytes)
      table.add("peak memory", peakBytes.asBytes)
      return table
    }

    private func index(_ probes: [String: Int]) -> String {
      probes.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        .joined(separator: ", ")
    }
  }
}

extension Index {
  /// The lists that held so much of the true neighbors, for shares that people ask for.
  var probesForRecall: [String: Int] {
    guard listCount > 1, isMeasured else { return [:] }
    return ["0.90": 0.9, "0.95": 0.95, "0.99": 0.99].mapValues { probes(forRecall: $0) }
  }
}

/// Reads the ids that rows are given.
enum RowIDs {
  /// The ids in the file at `path`, one for each of `count` rows; nil without a file.
  static func open(_ path: String?, count: Int) throws(TesseraError) -> [Int64]? {
    guard let path else { return nil }
    let table = try IDFile.open(path)
    guard table.rows == count, table.columns == 1 else {
      throw TesseraError(
        .invalidShape,
        "\(path.printable): has \(table.rows) x \(table.columns) ids for \(count) vectors; give one "
          + "column with an id for each")
    }
    let ids = (0..<count).map { table[$0, 0] }
    if let row = ids.firstIndex(of: -1) {
      throw TesseraError(
        .invalidArgument,
        "\(path.printable): row \(row) has the id -1, by which files of hits say that there is none"
      )
    }
    return ids
  }
}
