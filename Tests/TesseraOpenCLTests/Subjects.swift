import COpenCL
import Foundation
import TesseraCompute
import TesseraHost
import Testing

@testable import TesseraOpenCL

/// The devices under test: every OpenCL device found, once with each body.
struct Subject: Sendable, CustomTestStringConvertible {
  let device: OpenCLDevice

  var testDescription: String { "\(device.info.identifier) \(device.info.variant)" }

  static let all: [Subject] = KernelBody.allCases.flatMap { body in
    var options = Self.options
    options.body = body
    return OpenCLDevice.all(options).devices.map { Subject(device: $0) }
  }

  /// The defaults, with a program cache where `TESSERA_TEST_PROGRAMS` names a folder: for drivers
  /// that keep no programs themselves.
  static var options: OpenCLOptions {
    var options = OpenCLOptions()
    options.cacheDirectory = Environment["TESSERA_TEST_PROGRAMS"]
    return options
  }
}

/// The first driver's entry points, for entry points that cannot capture them.
struct RealDriver: @unchecked Sendable {
  // Safe: entry points never change.
  let api: copencl_api
}
let real = Discovery.platforms(nil).platforms.first.map { RealDriver(api: $0.library.api) }

/// A folder that is removed with the test.
final class Folder {
  let path = NSTemporaryDirectory() + "tessera-cache-\(UUID().uuidString)"
  deinit { try? FileManager.default.removeItem(atPath: path) }
  var files: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
      .map { path + "/" + $0 }
  }
}

/// Numbers that repeat for a seed (SplitMix64).
struct Numbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &self) }
  }
}

/// Returns the bits of numbers, so that NaN equals itself and -0 differs from 0.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// A device, a body, and where the canonical scores are computed.
struct SearchSubject: Sendable, CustomTestStringConvertible {
  let device: OpenCLDevice
  let scoresOnDevice: Bool

  var testDescription: String {
    "\(device.info.identifier) \(device.info.variant), scores on the "
      + (scoresOnDevice ? "device" : "host")
  }

  static let all = Subject.all.flatMap { subject in
    [true, false].map { SearchSubject(device: subject.device, scoresOnDevice: $0) }
  }

  func limits(capacity: Int? = nil, segmentBytes: Int? = nil) -> SearchLimits {
    var limits = SearchLimits()
    limits.capacity = capacity
    limits.segmentBytes = segmentBytes
    limits.scoresOnDevice = scoresOnDevice
    return limits
  }
}

/// Rows and queries to search in.
struct SearchInput {
  var rows: Vectors
  var queries: Vectors
  var metric: Metric
  var k: Int

  init(
    _ rows: [Float], _ queries: [Float], dimension: Int, metric: Metric, k: Int,
    element: ElementType = .float32
  ) throws {
    self.rows = try Vectors(rows, dimension: dimension).stored(as: element)
    self.queries = try Vectors(queries, dimension: dimension).stored(as: element)
    self.metric = metric
    self.k = k
  }

  /// Expects the hits of the reference device, ids and score bits, and returns what was counted.
  @discardableResult
  func expectReference(
    _ subject: SearchSubject, _ limits: SearchLimits? = nil, firstID: Int64 = 0,
    only selector: IDSelector? = nil, comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> SearchStatistics {
    let limits = limits ?? subject.limits()
    let device = subject.device
    let set = try device.prepare(
      rows, in: RowLists(one: .consecutive(from: firstID, count: rows.count)), metric: metric,
      limits: limits)
    let got = try device.nearest(queries, in: set, k: k, only: selector, limits: limits)
    let reference = ReferenceDevice.shared
    let want = try reference.nearest(
      queries, in: reference.prepare(rows, metric: metric, firstID: firstID), k: k,
      only: selector)
    #expect(got.queryCount == want.queryCount && got.hitCount == want.hitCount)
    #expect(got.ids == want.ids, comment, sourceLocation: sourceLocation)
    #expect(
      got.scores.map(\.bitPattern) == want.scores.map(\.bitPattern), comment,
      sourceLocation: sourceLocation)
    #expect(got.statistics.certified)
    #expect(got.statistics.candidates >= got.ids.count)
    return got.statistics
  }
}

extension Vectors {
  /// The same numbers, rounded, in another element type: integers hold the number times 100.
  func stored(as element: ElementType) throws -> Vectors {
    let values = widened()
    let memory =
      switch element {
      case .float32: HostMemory(copying: values)
      case .float16: HostMemory(copying: values.map(\.halfBits))
      case .bfloat16: HostMemory(copying: values.map { UInt16($0.bitPattern >> 16) })
      case .int8: HostMemory(copying: values.map { Int8(clamping: Int(($0 * 100).rounded())) })
      case .uint8: HostMemory(copying: values.map { UInt8(clamping: Int(($0 * 100).rounded())) })
      }
    return try Vectors(memory, element: element, count: count, dimension: dimension)
  }
}

extension Float {
  /// The bits of a binary16 near the number: truncated, subnormal below 2^-14, at most 65504.
  var halfBits: UInt16 {
    let sign = UInt16(truncatingIfNeeded: bitPattern >> 16) & 0x8000
    let magnitude = Swift.min(abs(self), 65504)
    if magnitude < 0x1p-14 { return sign | UInt16(magnitude * 0x1p24) }
    return sign | UInt16(truncatingIfNeeded: (magnitude.bitPattern >> 13) &- (112 << 10))
  }
}
