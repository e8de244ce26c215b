internal import COpenBLAS
internal import CSIMD
internal import TesseraCompute

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
  fileprivate init(
    _ rows: UnsafePointer<Float>, width: Int, dimension: Int, kernels: Kernels
  ) throws(TesseraError) {
    self.width = width
    self.dimension = dimension
    panels = try HostStorage(allocating: width * dimension * 4)
    for first in stride(from: 0, to: width, by: panelWidth) {
      kernels.table.pointee.pack(
        rows + first * dimension, dimension, panelWidth, panels.floats + first * dimension)
    }
    // A coordinate is a Float32 sum of products, off by (d + 1) u |direction| |x| at most (Higham
    // 2002, section 3.1). Directions that are orthonormal but for a matrix of norm e are as far
    // from exactly orthonormal ones.
    let rounding = Double(dimension + 8) * roundingUnit * Double(width).squareRoot()
    slack = rounding + 2 * (try Self.departure(rows, width: width, dimension: dimension))
  }

  var residentBytes: Int { panels.byteCount }

  /// Frobenius norm of the difference between the rows' inner products and the unit matrix.
  private static func departure(
    _ rows: UnsafePointer<Float>, width: Int, dimension: Int
  ) throws(TesseraError) -> Double {
    let wide = try HostStorage(allocating: width * dimension * 8)
    for index in 0..<width * dimension { wide.doubles[index] = Double(rows[index]) }
    let products = try HostStorage(allocating: width * width * 8)
    cblas_dsyrk(
      CblasRowMajor, CblasUpper, CblasNoTrans, Int32(width), Int32(dimension), 1, wide.doubles,
      Int32(dimension), 0, products.doubles, Int32(width))
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

  /// What ``project(_:count:into:scratch:kernels:)`` needs.
  func scratchBytes(_ kernels: Kernels) -> Int { kernels.queryBlock * dimension * 4 }
}

/// The principal directions of a sample, most telling first.
struct PrincipalDirections {
  let dimension: Int
  private let vectors: HostStorage

  /// The directions of `count` rows, or nil where their squares leave the range of Float32.
  ///
  /// - Complexity: O(count * dimension² + dimension³).
  /// - Throws: `.outOfMemory`.
  init?(_ rows: UnsafePointer<Float>, count: Int, dimension: Int) throws(TesseraError) {
    self.dimension = dimension
    vectors = try HostStorage(allocating: dimension * dimension * 4)
    cblas_ssyrk(
      CblasRowMajor, CblasLower, CblasTrans, Int32(dimension), Int32(count), 1, rows,
      Int32(dimension), 0, vectors.floats, Int32(dimension))
    let trace = (0..<dimension).reduce(0) { $0 + vectors.floats[$1 * (dimension + 1)] }
    guard trace > 0x1p-80, trace < 0x1p80 else { return nil }

    // Lower triangle by rows is upper triangle by columns, as Fortran counts.
    var n = Int32(dimension)
    var work: [Float] = [0]
    var whole: [Int32] = [0]
    var info: Int32 = 0
    let values = try HostStorage(allocating: dimension * 4)
    var ask: Int32 = -1
    ssyevd_("V", "U", &n, vectors.floats, &n, values.floats, &work, &ask, &whole, &ask, &info, 1, 1)
    guard info == 0 else { return nil }
    var workCount = Int32(work[0])
    var wholeCount = whole[0]
    work = Array(repeating: 0, count: Int(workCount))
    whole = Array(repeating: 0, count: Int(wholeCount))
    ssyevd_(
      "V", "U", &n, vectors.floats, &n, values.floats, &work, &workCount, &whole, &wholeCount,
      &info, 1, 1)
    guard info == 0 else { return nil }
  }

  /// The space of the first `width` directions, a multiple of ``panelWidth``.
  ///
  /// - Throws: `.outOfMemory`.
  func leading(_ width: Int, kernels: Kernels) throws(TesseraError) -> LeadingBasis {
    let mixed = try HostStorage(allocating: width * dimension * 4)
    let groups = width / panelWidth
    // Groups of 32 directions, spread evenly from the most telling to the least, each mixed by a
    // Hadamard matrix: the sign of (i, j) is the parity of the bits they share.
    let scale = 1 / Float(panelWidth).squareRoot()
    for group in 0..<groups {
      for i in 0..<panelWidth {
        let target = mixed.floats + (group * panelWidth + i) * dimension
        for d in 0..<dimension { target[d] = 0 }
        for j in 0..<panelWidth {
          let source = vectors.floats + (dimension - 1 - (j * groups + group)) * dimension
          let sign = (i & j).nonzeroBitCount % 2 == 0 ? scale : -scale
          for d in 0..<dimension { target[d] += sign * source[d] }
        }
      }
    }
    return try LeadingBasis(mixed.floats, width: width, dimension: dimension, kernels: kernels)
  }
}
