import ArgumentParser
import Tessera

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Write random vectors: normally distributed, or in clusters.",
    discussion: """
      Row i depends on the seed and i alone: equal seeds give equal files on every
      machine. --skip continues the rows of another file, which gives queries of
      the same distribution. The extension says the format: .npy .fvecs .bvecs
      .fbin .f16bin .u8bin .i8bin. Integers hold 32 times the number, unsigned
      ones 128 more, cut to their range.

      Examples:
        tessera generate --rows 100000 --dimension 64 --clusters 1000 base.npy
        tessera generate --rows 1000 --skip 100000 --dimension 64 \\
          --clusters 1000 queries.npy
        tessera generate --rows 5000 --dimension 96 --element i1 --seed 7 i.npy
      """)

  @Option(help: "Vectors to write.")
  var rows: Int

  @Option(help: "Numbers in each.")
  var dimension: Int

  @Option(help: "Centers the vectors gather around; 0 for none.")
  var clusters: Int = 0

  @Option(help: "Chooses the vectors.")
  var seed: UInt64 = 1

  @Option(help: "Vectors of the sequence to leave out first.")
  var skip: Int = 0

  @Option(help: "Numbers in an .npy file: f4, f2, i1 or u1; by default f4.")
  var element: ElementName?

  @Flag(help: "Show no progress bar.")
  var quiet = false

  @Argument(help: "The file to write.", completion: .file())
  var path: String

  /// The types NumPy files have, by NumPy's names.
  enum ElementName: String, ExpressibleByArgument, CaseIterable {
    case f4, f2, i1, u1

    var element: ElementType {
      switch self {
      case .f4: .float32
      case .f2: .float16
      case .i1: .int8
      case .u1: .uint8
      }
    }
  }

  func validate() throws {
    for (name, value, least) in [
      ("--rows", rows, 0), ("--dimension", dimension, 1), ("--clusters", clusters, 0),
      ("--skip", skip, 0),
    ] where value < least {
      throw ValidationError("\(name) is \(value), it must be at least \(least)")
    }
    guard !rows.addingReportingOverflow(skip).overflow else {
      throw ValidationError("--rows and --skip together are beyond 64 bits; lower them")
    }
    // The centers, and one row at least.
    try MemoryNeed.require(
      [clusters, 1], times: dimension, copies: 2, "lower --clusters or --dimension")
  }

  func run() throws {
    let element = element?.element ?? Self.usualElement(of: path)
    let writer = try VectorFileWriter(
      path, element: element, count: rows, dimension: dimension, rounding: .nearest)
    let generator = RowGenerator(seed: seed, dimension: dimension, clusterCount: clusters)
    let progress = ProgressBar("generate", total: rows, unit: "rows", isQuiet: quiet)
    defer { progress.finish() }
    let chunk = max(1, (1 << 20) / dimension)
    for start in stride(from: 0, to: rows, by: chunk) {
      let end = min(start + chunk, rows)
      let values = generator.rows(skip + start..<skip + end)
      try writer.append(Self.fit(values, element))
      progress.update(Double(end) / Double(rows))
    }
    try writer.finish()
  }

  /// The type a format has, or .npy has unless asked otherwise.
  private static func usualElement(of path: String) -> ElementType {
    switch path.split(separator: ".").last?.lowercased() {
    case "f16bin": .float16
    case "bvecs", "u8bin": .uint8
    case "i8bin": .int8
    default: .float32
    }
  }

  /// Numbers that `element` can hold.
  private static func fit(_ values: [Float], _ element: ElementType) -> [Float] {
    switch element {
    case .int8: values.map { min(max(32 * $0, -128), 127) }
    case .uint8: values.map { min(max(32 * $0 + 128, 0), 255) }
    default: values
    }
  }
}

/// An endless sequence of random rows. Each depends on the seed and its own number alone, so any
/// part can be made at any time and is always the same.
struct RowGenerator {
  let dimension: Int
  private let seed: UInt64
  /// `clusterCount` x `dimension`; empty where rows are not clustered.
  private let centers: [Float]
  private let clusterCount: Int

  /// The deviation of rows from their cluster's center; centers have deviation 1.
  private static let spread: Float = 0.25

  init(seed: UInt64, dimension: Int, clusterCount: Int) {
    self.seed = seed
    self.dimension = dimension
    self.clusterCount = clusterCount
    // Rows have the streams from 0 up, centers one that no row reaches.
    var random = SplitMix64(seed: seed, stream: .max)
    centers = (0..<clusterCount * dimension).map { _ in random.nextGaussian() }
  }

  func rows(_ range: Range<Int>) -> [Float] {
    unsafe [Float](unsafeUninitializedCapacity: range.count * dimension) { values, count in
      for row in range {
        var random = SplitMix64(seed: seed, stream: UInt64(row))
        let center = clusterCount > 0 ? random.nextIndex(below: clusterCount) * dimension : nil
        for column in 0..<dimension {
          let number = random.nextGaussian()
          unsafe values[count] =
            center.map { centers[$0 + column] + Self.spread * number } ?? number
          count += 1
        }
      }
    }
  }
}
