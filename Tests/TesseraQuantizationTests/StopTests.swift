import Dispatch
import Synchronization
import TesseraCPU
import TesseraCompute
import TestSupport
import TesseraIndex
import Testing

@testable import TesseraQuantization

/// Ends long calls from outside, at several moments of each.
@Suite("calls end when they should", .serialized)
struct StopTests {
  /// One of each family, and those that take other ways, on points that take seconds to train.
  static let specifications = [
    "PQ32x8", "PQ1x9", "OPQ16,PQ16x8", "RQ4x8", "PRQ2x2x8", "SQ8", "SQfp16", "RaBitQ4", "LRVQ8_6x8",
  ]

  static let dimension = 256
  static let points = {
    var random = SplitMix64(seed: 21)
    return (0..<24_000 * dimension).map { _ in random.nextGaussian() }
  }()

  /// Raises after `milliseconds` from another thread, and returns how long `work` went on then;
  /// nil if it was done before.
  static func wait(
    _ milliseconds: Int, _ stop: StopSignal, _ work: @escaping @Sendable () throws -> Void
  ) async throws -> Double? {
    // On threads of their own: where the pool of all tests is busy, tasks begin and wake late.
    let outcome: Result<Double?, any Error> = await withCheckedContinuation { continuation in
      DispatchQueue(label: "tessera.tests.work").async {
        let raised = Mutex(ContinuousClock.now)
        let timer = DispatchQueue(label: "tessera.tests.stop")
        timer.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) {
          raised.withLock { $0 = .now }
          stop.raise()
        }
        let result = Result { () throws -> Double? in
          do {
            try work()
            return nil
          } catch let error as TesseraError {
            let end = ContinuousClock.now
            #expect(error.code == .cancelled)
            return (end - raised.withLock(\.self)) / .seconds(1)
          }
        }
        continuation.resume(returning: result)
      }
    }
    return try outcome.get()
  }

  /// The shortest of a few waits: the machine is shared, and what is tested is the work.
  static func shortestWait(
    _ milliseconds: Int, _ work: @escaping @Sendable (StopSignal) throws -> Void
  ) async throws -> Double? {
    var shortest: Double?
    for _ in 0..<12 {
      let stop = StopSignal()
      guard let found = try await wait(milliseconds, stop, { try work(stop) }) else { continue }
      shortest = min(shortest ?? .infinity, found)
      if found < 0.1 { break }
    }
    return shortest
  }

  @Test("training ends within a tenth of a second", arguments: specifications)
  func training(_ specification: String) async throws {
    let recipe = try QuantizerFactory.recipe(specification)
    let points = try Vectors(Self.points, dimension: Self.dimension)
    let device = try CPUDevice()
    var ended = 0
    for milliseconds in [1, 30, 300, 1000] {
      let wait = try await Self.shortestWait(milliseconds) { stop in
        _ = try recipe.train(points, on: device, control: RunControl(stop: stop))
      }
      guard let wait else { break }
      ended += 1
      #expect(wait < 0.1, "\(milliseconds) ms")
    }
    #expect(ended > 0)
  }

  @Test("encoding, decoding and searching end, too", arguments: ["PQ32x8", "RQ4x8", "RaBitQ4"])
  func coding(_ specification: String) async throws {
    var recipe = try QuantizerFactory.recipe(specification)
    if var tuned = recipe as? any CodewordRecipe {
      tuned.options.iterations = 1
      tuned.options.pointsPerCodeword = 2
      recipe = tuned
    }
    let points = try Vectors(Self.points, dimension: Self.dimension)
    let device = try CPUDevice()
    let quantizer = try recipe.train(points.rows(0..<1024), on: device).quantizer
    let codes = try quantizer.encode(points.rows(0..<1024), on: device)
    let many = try Codes(
      (0..<100).flatMap { _ in codes.bytes }, byteCount: codes.byteCount)
    let search = try IndexSearch(many, of: quantizer, metric: .innerProduct, on: device)
    for milliseconds in [1, 20] {
      let waits = [
        try await Self.shortestWait(milliseconds) { stop in
          _ = try quantizer.encode(points, on: device, control: RunControl(stop: stop))
        },
        try await Self.shortestWait(milliseconds) { stop in
          _ = try quantizer.decode(many, on: device, control: RunControl(stop: stop))
        },
        try await Self.shortestWait(milliseconds) { stop in
          _ = try search.nearest(points, k: 10, control: RunControl(stop: stop))
        },
      ]
      for wait in waits { #expect(wait ?? 0 < 0.1, "\(milliseconds) ms") }
    }
  }

  @Test("a signal that was raised lets nothing begin", arguments: QuantizerSamples.specifications)
  func raised(_ specification: String) throws {
    let device = ReferenceDevice.shared
    let points = try Vectors(
      QuantizerSamples.points(600, dimension: 10), dimension: 10)
    let quantizer = try QuantizerSamples.train(specification, points, on: device).quantizer
    let codes = try quantizer.encode(points, on: device)
    let search = try IndexSearch(codes, of: quantizer, metric: .squaredL2, on: device)
    let stop = StopSignal()
    stop.raise()
    let late = StopSignal(deadline: .now - .seconds(1))
    for (signal, code) in [
      (stop, TesseraError.Code.cancelled), (late, TesseraError.Code.deadlineExceeded),
    ] {
      let control = RunControl(stop: signal)
      let recipe = try QuantizerFactory.recipe(specification)
      let refusals = [
        refusedCode { _ = try recipe.train(points, on: device, control: control) },
        refusedCode { _ = try quantizer.encode(points, on: device, control: control) },
        refusedCode { _ = try quantizer.decode(codes, on: device, control: control) },
        refusedCode { _ = try search.nearest(points, k: 3, control: control) },
      ]
      #expect(refusals == Array(repeating: code, count: 4))
    }
  }

  private func refusedCode(_ work: () throws -> Void) -> TesseraError.Code? {
    do {
      try work()
      return nil
    } catch {
      return (error as? TesseraError)?.code
    }
  }

  @Test("training in a task that is cancelled ends, without a signal of its own")
  func task() async throws {
    let points = try Vectors(Self.points, dimension: Self.dimension)
    let device = try CPUDevice()
    var shortest = Duration.seconds(60)
    // The machine is shared, and what is tested is the work.
    for _ in 0..<12 where shortest > .milliseconds(100) {
      let call = Task.detached {
        () -> (code: TesseraError.Code?, moment: ContinuousClock.Instant) in
        do {
          _ = try ResidualRecipe(stageCount: 4).train(points, on: device)
          return (nil, .now)
        } catch let error as TesseraError {
          return (error.code, .now)
        }
      }
      try await Task.sleep(for: .milliseconds(200))
      call.cancel()
      let cancelled = ContinuousClock.now
      let end = try await call.value
      #expect(end.code == .cancelled)
      shortest = min(shortest, end.moment - cancelled)
    }
    #expect(shortest <= .milliseconds(100))
  }

  @Test("reducing tokens ends, and says how far it is")
  func tokens() async throws {
    let points = try Vectors(Self.points, dimension: Self.dimension)
    let device = try CPUDevice()
    let reducer = try TokenReducer(.silhouette(upTo: 512))
    let wait = try await Self.shortestWait(200) { stop in
      _ = try reducer.reduce(points, on: device, control: RunControl(stop: stop))
    }
    #expect(try #require(wait) < 0.1)
    let heard = Heard<Double>()
    _ = try TokenReducer(.elbow(upTo: 8)).reduce(
      points.rows(0..<200), on: device, control: RunControl(progress: { heard.add($0.done) }))
    #expect(heard.values.last == 1 && heard.values.count > 3)
  }

  @Test("progress rises from step to step to 1", arguments: QuantizerSamples.specifications)
  func progress(_ specification: String) throws {
    let device = try CPUDevice()
    let points = try Vectors(
      QuantizerSamples.points(600, dimension: 10), dimension: 10)
    let heard = Heard<Double>()
    let control = RunControl(progress: { heard.add($0.done) })
    let quantizer = try QuantizerFactory.recipe(specification).train(
      points, on: device, control: control
    ).quantizer
    #expect(heard.values == heard.values.sorted() && heard.values.last == 1)
    heard.clear()
    let codes = try quantizer.encode(points, on: device, control: control)
    #expect(heard.values == heard.values.sorted() && heard.values.last == 1)
    heard.clear()
    let search = try IndexSearch(codes, of: quantizer, metric: .cosine, on: device)
    _ = try search.nearest(points, k: 3, control: control)
    #expect(heard.values == heard.values.sorted() && heard.values.last == 1)
  }
}
