import CTessera
import Testing

@testable import TesseraC

/// All tests that make handles. They run one after the other, because some of them count handles.
@Suite(.serialized) enum CInterface {}

/// Numbers that a test makes itself, and the things of the C interface that most tests need.
final class CFixture {
  static let rows = 300
  static let dimension = 8
  let values: [Float]
  let device: OpaquePointer
  let vectors: OpaquePointer

  init() throws {
    values = Self.numbers(Self.rows * Self.dimension, seed: 7)
    var (device, vectors): (OpaquePointer?, OpaquePointer?)
    try ok(tessera_device_open("cpu", nil, &device))
    try ok(values.rows { tessera_vectors_copy($0, &vectors) })
    self.device = try #require(device)
    self.vectors = try #require(vectors)
  }

  deinit {
    tessera_free(device)
    tessera_free(vectors)
  }

  /// Returns numbers between -1 and 1 that depend on the seed only.
  static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 33)) / 0x1p31 * 2 - 1
    }
  }
}

extension [Float] {
  /// Lends these numbers as rows of the C interface.
  func rows<Result>(
    dimension: Int = CFixture.dimension, _ body: (UnsafePointer<tessera_rows>) throws -> Result
  ) rethrows -> Result {
    try withUnsafeBytes { bytes in
      var rows = tessera_rows(
        data: bytes.baseAddress, element: tessera_element(TESSERA_FLOAT32),
        count: Int64(count / dimension), dimension: Int64(dimension), stride: 0)
      return try body(&rows)
    }
  }
}

/// Fails with the text of the error if a call went wrong.
func ok(_ status: tessera_status, _ location: SourceLocation = #_sourceLocation) throws {
  try #require(
    status == 0, "\(String(cString: tessera_last_error()))", sourceLocation: location)
}

/// Gives back a handle.
@discardableResult
func tessera_free(_ handle: OpaquePointer?) -> tessera_status {
  CTessera.tessera_free(handle.map { UnsafeMutableRawPointer($0) })
}
