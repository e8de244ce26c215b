package import TesseraHost

/// All eigenvalues and eigenvectors of a symmetric matrix: Householder reduction to three diagonals,
/// then QL steps with implicit shifts (the EISPACK routines tred2 and tql2). Float64 in a fixed
/// order, so the same bits everywhere.
///
/// Cost: about 9 count^3 operations; 400 dimensions take a second or less.
package struct SymmetricEigen {
  package let count: Int
  /// Largest first.
  package let values: [Double]
  /// `count` x `count`, row-major: row i is the unit vector of `values[i]`.
  package let vectors: [Double]

  /// - Precondition: `matrix` is `count` x `count`, symmetric and finite.
  /// - Throws: `.cancelled` or `.deadlineExceeded` if the call under way should end.
  package init(_ matrix: [Double], count: Int) throws(TesseraError) {
    precondition(matrix.count == count * count, "a symmetric matrix is square")
    var diagonal = [Double](repeating: 0, count: count)
    var beside = diagonal
    var rows = matrix
    if count > 0 {
      try rows.withUnsafeMutableBufferPointer { v throws(TesseraError) in
        try Self.reduce(v, count, &diagonal, &beside)
        try Self.iterate(v, count, &diagonal, &beside)
      }
    }
    // Ties keep their order: the sort is by value, then place.
    let order = (0..<count).sorted { (diagonal[$1], $0) < (diagonal[$0], $1) }
    self.count = count
    values = order.map { diagonal[$0] }
    let found = rows
    vectors = order.flatMap { found[$0 * count..<($0 + 1) * count] }
  }

  /// Leaves the transformation in `v`, transposed: row i belongs to diagonal element i.
  private static func reduce(
    _ v: UnsafeMutableBufferPointer<Double>, _ n: Int, _ d: inout [Double], _ e: inout [Double]
  ) throws(TesseraError) {
    // v is symmetric at first, so reading it transposed changes nothing; rows are contiguous.
    for j in 0..<n { d[j] = v[j * n + n - 1] }
    for i in stride(from: n - 1, to: 0, by: -1) {
      try StopSignal.check()
      var scale = 0.0
      var h = 0.0
      for k in 0..<i { scale += abs(d[k]) }
      if scale == 0 {
        e[i] = d[i - 1]
        for j in 0..<i {
          d[j] = v[j * n + i - 1]
          v[j * n + i] = 0
          v[i * n + j] = 0
        }
      } else {
        for k in 0..<i {
          d[k] /= scale
          h += d[k] * d[k]
        }
        var f = d[i - 1]
        var g = f > 0 ? -h.squareRoot() : h.squareRoot()
        e[i] = scale * g
        h -= f * g
        d[i - 1] = f - g
        for j in 0..<i { e[j] = 0 }
        for j in 0..<i {
          f = d[j]
          v[i * n + j] = f
          g = e[j] + v[j * n + j] * f
          let row = j * n
          for k in j + 1..<max(i, j + 1) {
            g += v[row + k] * d[k]
            e[k] += v[row + k] * f
          }
          e[j] = g
        }
        f = 0
        for j in 0..<i {
          e[j] /= h
          f += e[j] * d[j]
        }
        let share = f / (h + h)
        for j in 0..<i { e[j] -= share * d[j] }
        for j in 0..<i {
          f = d[j]
          g = e[j]
          let row = j * n
          for k in j..<i { v[row + k] -= f * e[k] + g * d[k] }
          d[j] = v[row + i - 1]
          v[row + i] = 0
        }
      }
      d[i] = h
    }
    try accumulate(v, n, &d)
    e[0] = 0
  }

  /// Multiplies the reflections together.
  private static func accumulate(
    _ v: UnsafeMutableBufferPointer<Double>, _ n: Int, _ d: inout [Double]
  ) throws(TesseraError) {
    for i in 0..<n - 1 {
      try StopSignal.check()
      v[i * n + n - 1] = v[i * n + i]
      v[i * n + i] = 1
      let h = d[i + 1]
      let reflection = (i + 1) * n
      if h != 0 {
        for k in 0...i { d[k] = v[reflection + k] / h }
        for j in 0...i {
          var g = 0.0
          let row = j * n
          for k in 0...i { g += v[reflection + k] * v[row + k] }
          for k in 0...i { v[row + k] -= g * d[k] }
        }
      }
      for k in 0...i { v[reflection + k] = 0 }
    }
    for j in 0..<n {
      d[j] = v[j * n + n - 1]
      v[j * n + n - 1] = 0
    }
    v[n * n - 1] = 1
  }

  private static func iterate(
    _ v: UnsafeMutableBufferPointer<Double>, _ n: Int, _ d: inout [Double], _ e: inout [Double]
  ) throws(TesseraError) {
    for i in 1..<max(1, n) { e[i - 1] = e[i] }
    e[n - 1] = 0
    var shift = 0.0
    var largest = 0.0
    for l in 0..<n {
      largest = max(largest, abs(d[l]) + abs(e[l]))
      var m = l
      while m < n - 1, abs(e[m]) > 0x1p-52 * largest { m += 1 }
      // 30 steps for one value are never needed; a bound keeps odd rounding from turning for ever.
      var steps = 0
      while m > l, abs(e[l]) > 0x1p-52 * largest, steps < 60 {
        steps += 1
        try StopSignal.check()
        var g = d[l]
        var p = (d[l + 1] - g) / (2 * e[l])
        var r = length(p, 1)
        if p < 0 { r = -r }
        d[l] = e[l] / (p + r)
        d[l + 1] = e[l] * (p + r)
        let next = d[l + 1]
        var h = g - d[l]
        for i in l + 2..<max(n, l + 2) { d[i] -= h }
        shift += h
        p = d[m]
        var (c, c2, c3) = (1.0, 1.0, 1.0)
        let beside = e[l + 1]
        var (s, s2) = (0.0, 0.0)
        for i in stride(from: m - 1, through: l, by: -1) {
          (c3, c2, s2) = (c2, c, s)
          g = c * e[i]
          h = c * p
          r = length(p, e[i])
          e[i + 1] = s * r
          (s, c) = r > 0 ? (e[i] / r, p / r) : (0, 1)
          p = c * d[i] - s * g
          d[i + 1] = h + s * (c * g + s * d[i])
          let (row, below) = (i * n, (i + 1) * n)
          for k in 0..<n {
            h = v[below + k]
            v[below + k] = s * v[row + k] + c * h
            v[row + k] = c * v[row + k] - s * h
          }
        }
        p = next == 0 ? 0 : -s * s2 * c3 * beside * e[l] / next
        e[l] = s * p
        d[l] = c * p
      }
      d[l] += shift
      e[l] = 0
    }
  }

  /// The length of (a, b), also where squares leave Float64.
  private static func length(_ a: Double, _ b: Double) -> Double {
    let squares = a * a + b * b
    guard !squares.isFinite || squares < 0x1p-900 else { return squares.squareRoot() }
    let largest = max(abs(a), abs(b))
    guard largest > 0, largest.isFinite else { return largest }
    let (x, y) = (a / largest, b / largest)
    return largest * (x * x + y * y).squareRoot()
  }
}
