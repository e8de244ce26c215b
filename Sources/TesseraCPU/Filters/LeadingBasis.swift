internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// Orthonormal directions along which rows differ most, so that a filter on the coordinates along
/// them sees most of a row in few numbers.
///
/// They span the leading principal directions of a sample (Jolliffe, Principal Component Analysis,
/// 2002; without subtracting the mean, which inner products would miss). Within that space they are
/// mixed until every one carries about the same: rounding to bytes suits numbers of one size.
///
/// With P the exact orthonormal matrix nearest to the stored one, a row x is `Pᵀ(P x)` and a
/// remainder r orthogonal to that, so `|r|² = |x|² - |P x|²`. What is known of `P x` is y, with
/// `|P x - y| <= slack |x|`.
final class LeadingBasis: @unchecked Sendable {
  // Safe: written only by `init`.
  let dimension: Int
  /// The number of directions, a multiple of ``panelWidth``.
  let width: Int
  /// The relative error of projected coordinates.
  let slack: Double
  private let panels: HostStorage

  /// - Parameter rows: `width` orthonormal rows of `dimension` numbers, to within rounding.
  /// - Throws: `.outOfMemory`.
  init(
    _ rows: UnsafePointer<Float>, width: Int, dimension: Int, on device: CPUDevice
  ) throws(TesseraError) {
    self.width = width
    self.dimension = dimension
    panels = try HostStorage(allocating: width * dimension * 4)
    for first in stride(from: 0, to: width, by: panelWidth) {
      device.kernels.table.pointee.pack(
        rows + first * dimension, dimension, panelWidth, panels.floats + first * dimension)
    }
    // A coordinate is a Float32 sum of products, off by (d + 1) u |direction| |x| at most (Higham
    // 2002, section 3.1). Directions that are orthonormal but for a matrix of norm e are as far
    // from exactly orthonormal ones.
    let rounding = Double(dimension + 8) * roundingUnit * Double(width).squareRoot()
    slack =
      rounding + 2 * (try Self.departure(rows, width: width, dimension: dimension, on: device))
  }

  var residentBytes: Int { panels.byteCount }

  /// Frobenius norm of the difference between the rows' inner products and the unit matrix.
  private static func departure(
    _ rows: UnsafePointer<Float>, width: Int, dimension: Int, on device: CPUDevice
  ) throws(TesseraError) -> Double {
    let products = try HostStorage(allocating: width * width * 8)
    let listed = (0..<Int32(width)).map { $0 }
    let source = StridedFloats.rows(rows, columns: dimension)
    // Rows in Float64, each with itself and those after it.
    try device.workers.run(width) { row in
      var scorer = csimd_scorer()
      scorer.query = source.start + row * dimension
      scorer.rows = csimd_rows(
        start: source.start, stride: dimension * 4, dimension: dimension,
        element: Int32(CSIMD_FLOAT32.rawValue))
      scorer.metric = Metric.innerProduct.kernelMetric
      listed.withUnsafeBufferPointer { listed in
        device.kernels.table.pointee.canonical_sums(
          &scorer, listed.baseAddress.map { $0 + row }, width - row,
          products.doubles + row * width + row)
      }
    }
    var squares = 0.0
    for row in 0..<width {
      for column in row..<width {
        let difference = products.doubles[row * width + column] - (row == column ? 1 : 0)
        squares += difference * difference * (row == column ? 1 : 2)
      }
    }
    return squares.squareRoot()
  }

  /// Coordinates along the directions: `count` rows of `width` numbers into `target`.
  func project(
    _ rows: UnsafePointer<Float>, count: Int, into target: UnsafeMutablePointer<Float>,
    scratch: HostStorage, kernels: Kernels
  ) {
    kernels.table.pointee.project(
      panels.floats, dimension, width, rows, count, scratch.floats, target)
  }

  /// Returns the bytes of scratch memory that ``project(_:count:into:scratch:kernels:)`` needs.
  func scratchBytes(_ kernels: Kernels) -> Int { kernels.queryBlock * dimension * 4 }
}
