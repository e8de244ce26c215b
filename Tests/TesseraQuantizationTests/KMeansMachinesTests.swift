import TesseraCPU
import TesseraCompute
import TesseraHost
import Testing

@testable import TesseraQuantization

@Suite("k-means on many machines")
struct KMeansMachinesTests {
  private static let dimension = 6
  private static let chunkRows = 64
  /// The last chunk is short.
  private static let rowCount = 500
  private static let reference = ReferenceDevice.shared

  private static func points(scale: Float = 1) throws -> Vectors {
    let values = KMeansTests.points(rowCount, dimension: dimension, centers: 12)
    return try Vectors(values.map { $0 * scale }, dimension: dimension)
  }

  /// What one machine does, and what many do together.
  private struct Result: Equatable {
    var centroids: [UInt32]
    var counts: [Int]
    var objective: UInt64
    var iterations: Int
    var converged: Bool
  }

  private static func onOne(
    _ points: Vectors, _ options: KMeans.Options, _ given: (any Device)? = nil
  ) throws -> Result {
    let device: any Device = try given ?? CPUDevice()
    let found = try KMeans(options).cluster(points, on: device)
    return Result(
      centroids: found.centroids.map(\.bitPattern), counts: found.counts,
      objective: found.finalObjective.bitPattern, iterations: found.iterations,
      converged: found.converged)
  }

  /// Shares chunks out among machines at random, merges in random groupings, and sends bytes.
  private static func onMany(
    _ points: Vectors, _ options: KMeans.Options, _ random: inout SplitMix64,
    _ given: (any Device)? = nil
  ) throws -> Result {
    let device: any Device = try given ?? CPUDevice()
    let kMeans = KMeans(options)
    let chunkRows = try #require(options.chunkRows)
    func part(of rows: Range<Int>) -> KMeans {
      var own = options
      own.weights = options.weights.map { Array($0[rows]) }
      return KMeans(own)
    }
    var centroids: [Float]
    if case .given(let given) = options.initialization {
      centroids = given.widened()
    } else {
      let rows = try kMeans.startRows(of: points.count)
      var own = options
      own.weights = options.weights.map { all in rows.map { all[$0] } }
      centroids = try KMeans(own).start(
        from: points.gathered(rows), of: points.count, on: device)
    }
    var updates = 0
    while true {
      let old = try Vectors(centroids, dimension: points.dimension)
      var parts: [KMeansPartial] = []
      var start = 0
      while start < points.count {
        // A machine has some chunks in a row.
        let end = min(start + (1 + random.nextIndex(below: 5)) * chunkRows, points.count)
        parts.append(
          try part(of: start..<end).partial(
            points.rows(start..<end), firstRow: start, centroids: old, on: device))
        start = end
      }
      while parts.count > 1 {
        parts.shuffle(using: &random)
        let some = 2 + random.nextIndex(below: parts.count - 1)
        parts = [try KMeansPartial.merging(Array(parts[..<some]))] + parts[some...]
      }
      let all = try KMeansPartial(bytes: parts[0].bytes)
      #expect(all == parts[0] && all.rowCount == points.count)
      let step = try all.step(ofAll: points.count, from: old)
      guard step.isRepair || (updates < options.iterations && !step.converged) else {
        return Result(
          centroids: centroids.map(\.bitPattern), counts: step.counts,
          objective: step.objective.bitPattern, iterations: updates, converged: step.converged)
      }
      if !step.isRepair { updates += 1 }
      centroids = step.centroids
    }
  }

  private static func options(
    _ metric: Metric, clusters: Int = 9, iterations: Int = 30
  ) -> KMeans.Options {
    .init(
      clusterCount: clusters, iterations: iterations, seed: 77, metric: metric,
      chunkRows: chunkRows)
  }

  @Test("any division of the chunks gives the bytes of one machine", arguments: Metric.allCases)
  func areOne(_ metric: Metric) throws {
    var random = SplitMix64(seed: 9)
    let points = try Self.points()
    for iterations in [0, 30] {
      for isRandom in [false, true] {
        var options = Self.options(metric, iterations: iterations)
        if isRandom { options.initialization = .random }
        let want = try Self.onOne(points, options, Self.reference)
        #expect(try Self.onMany(points, options, &random) == want)
      }
    }
  }

  @Test("a sample to start from, weights, and points that have to be scaled change nothing")
  func moreOptions() throws {
    var random = SplitMix64(seed: 4)
    let many = try Vectors(
      KMeansTests.points(3000, dimension: 3, centers: 30), dimension: 3)
    var options = Self.options(.squaredL2, clusters: 20, iterations: 3)
    options.chunkRows = 500
    #expect(try Self.onMany(many, options, &random) == Self.onOne(many, options))

    let points = try Self.points()
    for metric in Metric.allCases {
      var weighted = Self.options(metric)
      // A whole chunk weighs nothing.
      weighted.weights = (0..<points.count).map { $0 < 64 ? 0 : Float($0 % 5) + 0.25 }
      #expect(try Self.onMany(points, weighted, &random) == Self.onOne(points, weighted))
    }
    for scale: Float in [0x1p70, 0x1p-70] {
      let scaled = try Self.points(scale: scale)
      let options = Self.options(.squaredL2)
      #expect(try Self.onMany(scaled, options, &random) == Self.onOne(scaled, options))
    }
  }

  @Test(
    "clusters without rows start again where they do on one machine", arguments: Metric.allCases)
  func repair(_ metric: Metric) throws {
    var random = SplitMix64(seed: 2)
    let points = try Self.points()
    let far: [Float] = [1, 2, 3, 4, 5, 6] + [Float](repeating: -1e6, count: 19 * 6)
    var options = Self.options(metric, clusters: 20, iterations: 3)
    options.initialization = .given(try Vectors(far, dimension: 6))
    let want = try Self.onOne(points, options)
    #expect(!want.counts.contains(0))
    #expect(try Self.onMany(points, options, &random) == want)
    // Fewer distinct rows than clusters leave some empty, and end all the same.
    let few = try Vectors(
      (0..<300).flatMap { row in [Float](repeating: Float(row % 3), count: 6) }, dimension: 6)
    options.initialization = .random
    var one = try Self.onOne(few, options)
    // The start is its own mean, which one machine sees by an update that changes nothing.
    #expect(one.iterations == 1 && one.converged && one.counts.contains(0))
    one.iterations = 0
    #expect(try Self.onMany(few, options, &random) == one)
  }

  @Test("one chunk of all rows is what k-means without chunks does", arguments: Metric.allCases)
  func oneChunk(_ metric: Metric) throws {
    let points = try Self.points()
    var options = Self.options(metric)
    options.chunkRows = nil
    let want = try Self.onOne(points, options)
    options.chunkRows = points.count
    #expect(try Self.onOne(points, options) == want)
    var random = SplitMix64(seed: 1)
    options.chunkRows = 4096
    #expect(try Self.onMany(points, options, &random) == want)
  }

  @Test("memory that holds a few points at a time changes nothing")
  func blocks() throws {
    let points = try Self.points()
    var options = Self.options(.squaredL2)
    let want = try Self.onOne(points, options)
    options.memoryLimit = 10 * 8 * Self.dimension
    #expect(try Self.onOne(points, options) == want)
    var random = SplitMix64(seed: 8)
    #expect(try Self.onMany(points, options, &random) == want)
  }

  @Test("a tree of chunks has one sum, in whatever order they come")
  func tree() throws {
    var random = SplitMix64(seed: 6)
    for count in [1, 2, 3, 7, 8, 13, 100] {
      // Sums of these depend on the order.
      let numbers = (0..<count).map { _ in Double(random.nextGaussian()) * 0x1p40 + 1 / 3 }
      var wants: Set<UInt64> = []
      for _ in 0..<20 {
        var tree = ChunkTree<Double>()
        for chunk in (0..<count).shuffled(using: &random) {
          try tree.insert(.init(first: chunk, numbers[chunk]))
        }
        #expect(tree.blocks.count == count.nonzeroBitCount)
        wants.insert(try #require(tree.total).bitPattern)
      }
      #expect(wants.count == 1)
    }
    var tree = ChunkTree<Double>()
    try tree.insert(.init(first: 4, count: 4, 1))
    for block in [ChunkTree<Double>.Block(first: 5, 1), .init(first: 0, count: 8, 1)] {
      #expect(throws: TesseraError.self) { try tree.insert(block) }
    }
  }

  @Test("rows to start from are named beyond 32 bits, and the seed alone decides")
  func startRows() throws {
    let options = Self.options(.squaredL2)
    let rows = try KMeans(options).startRows(of: 1 << 40)
    #expect(rows == rows.sorted() && Set(rows).count == 2048 && rows.last! > 1 << 39)
    #expect(try KMeans(options).startRows(of: 1 << 40) == rows)
    var other = options
    other.seed += 1
    #expect(try KMeans(other).startRows(of: 1 << 40) != rows)
    #expect(try KMeans(options).startRows(of: 100) == Array(0..<100))
  }

  // MARK: What is refused

  private static func partial(
    _ rows: Range<Int>, _ change: (inout KMeans.Options) -> Void = { _ in },
    centroids: [Float]? = nil
  ) throws -> KMeansPartial {
    let points = try points()
    var options = options(.squaredL2, clusters: 3)
    change(&options)
    return try KMeans(options).partial(
      points.rows(rows), firstRow: rows.lowerBound,
      centroids: Vectors(centroids ?? points.rows(0..<3).widened(), dimension: dimension),
      on: reference)
  }

  @Test("chunks that are missing, twice there, short or of something else are refused")
  func refuse() throws {
    let centroids = try Self.points().rows(0..<3)
    let first = try Self.partial(0..<128)
    let last = try Self.partial(448..<500)
    func step(_ parts: [KMeansPartial], _ rows: Int) throws(TesseraError) {
      _ = try KMeansPartial.merging(parts).step(ofAll: rows, from: centroids)
    }
    func code(_ body: () throws -> Void) -> TesseraError.Code? {
      do { try body() } catch { return (error as? TesseraError)?.code }
      return nil
    }
    #expect(code { try step([first], 128) } == nil)
    #expect(code { try step([first], 129) } == .invalidShape)
    #expect(code { try step([last], 52) } == .invalidShape)
    #expect(code { try step([first, last], 180) } == .invalidShape)
    #expect(code { try step([first, first], 128) } == .invalidArgument)
    #expect(code { try step([last, last], 128) } == .invalidArgument)
    #expect(code { try step([first, Self.partial(64..<128)], 128) } == .invalidArgument)
    #expect(code { try step([], 0) } == .invalidArgument)
    // A short chunk before others, on the same machine and on another.
    #expect(
      code { try step([Self.partial(0..<40), Self.partial(64..<128)], 104) } == .invalidShape)
    let moved = [Float](repeating: 1, count: 18)
    #expect(
      code { try step([first, Self.partial(128..<192, centroids: moved)], 192) }
        == .invalidArgument)
    #expect(
      code { try step([first, Self.partial(128..<256, { $0.chunkRows = 128 })], 256) }
        == .invalidArgument)
    #expect(
      code { _ = try first.step(ofAll: 128, from: Vectors(moved, dimension: 6)) }
        == .invalidArgument)
    #expect(code { _ = try first.step(ofAll: 128, from: Self.points()) } == .invalidShape)

    #expect(code { _ = try Self.partial(1..<65) } == .invalidArgument)
    #expect(code { _ = try Self.partial(0..<0) } == .invalidShape)
    #expect(code { _ = try Self.partial(0..<64, { $0.chunkRows = nil }) } == .invalidArgument)
    #expect(code { _ = try Self.partial(0..<64, { $0.chunkRows = 0 }) } == .invalidArgument)
    #expect(code { _ = try Self.partial(0..<64, { $0.clusterCount = 4 }) } == .invalidShape)
    #expect(code { _ = try Self.partial(0..<64, { $0.restarts = 2 }) } == .unsupported)
    #expect(code { _ = try Self.partial(0..<64, { $0.weights = [1] }) } == .invalidShape)
    #expect(
      code { _ = try Self.partial(0..<64, centroids: Array(repeating: .nan, count: 18)) }
        == .nonFinite)

    var options = Self.options(.squaredL2)
    options.initialization = .kMeansParallel
    #expect(code { _ = try KMeans(options).startRows(of: 100) } == .unsupported)
    #expect(code { _ = try KMeans(Self.options(.cosine)).startRows(of: 3) } == .invalidShape)
    #expect(
      code {
        _ = try KMeans(Self.options(.cosine)).start(from: centroids, of: 100, on: Self.reference)
      } == .invalidShape)
    options = Self.options(.squaredL2)
    options.algorithm = .miniBatch(size: 10)
    #expect(
      code { _ = try KMeans(options).cluster(Self.points(), on: Self.reference) }
        == .invalidArgument)
  }

  @Test("damaged bytes are refused, or are another value; nothing traps")
  func damage() throws {
    // One of three centroids has no rows, so that there is a far row.
    let part = try Self.partial(
      0..<192, centroids: Self.points().rows(0..<2).widened() + [1e6, 0, 0, 0, 0, 0])
    let bytes = part.bytes
    #expect(part.farthest.count == 1 && part.tree.blocks.count == 2)
    #expect(try KMeansPartial(bytes: bytes) == part)
    for count in 0..<bytes.count {
      #expect(throws: TesseraError.self) { try KMeansPartial(bytes: Array(bytes.prefix(count))) }
    }
    #expect(throws: TesseraError.self) { try KMeansPartial(bytes: bytes + [0]) }
    var random = SplitMix64(seed: 3)
    var (refused, taken) = (0, 0)
    for place in 0..<bytes.count {
      var changed = bytes
      changed[place] ^= UInt8(1 << random.nextIndex(below: 8))
      #expect(throws: TesseraError.self) { try KMeansPartial(bytes: changed) }
      guard place >= 16 else { continue }
      // With its checksum put right, the numbers themselves are read.
      let sum = changed[16...].withUnsafeBytes { Checksum.crc32($0) }
      withUnsafeBytes(of: UInt64(sum).littleEndian) { changed.replaceSubrange(8..<16, with: $0) }
      do {
        let other = try KMeansPartial(bytes: changed)
        let isWhatItSays = other.bytes == changed
        #expect(isWhatItSays, "byte \(place)")
        _ = try? KMeansPartial.merging([part, other])
        _ = try? other.step(ofAll: 192, from: Self.points().rows(0..<3))
        taken += 1
      } catch { refused += 1 }
    }
    #expect(refused > 100 && taken > 100)
  }
}
