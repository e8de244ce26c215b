internal import CSIMD
internal import Synchronization
public import TesseraCompute

extension CPUDevice {
  /// A Float32 filter finds each nearest codeword; the few that its error bound leaves open are
  /// decided canonically.
  public func encode(
    _ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>
  ) throws(TesseraError) {
    try Shapes.encode(points, codebook, into: codes)
    let book = try PackedCodebook(codebook)
    let rows = try HostSpan(points, "encode")
    let codes = try HostSpan(codes, "encode")
    let nonFinite = Mutex<[Int]>([])
    try workers.split(points.rows, minimum: 64) { range throws(TesseraError) in
      let scratch = try HostStorage(
        allocating: book.width * Int(CSIMD_ENCODE_SCRATCH) * MemoryLayout<Float>.stride)
      let squares = try HostStorage(allocating: Self.encodeBlock * 8)
      for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.encodeBlock) {
        let count = min(Self.encodeBlock, range.upperBound - first)
        let block = rows.start + first * points.columns
        let bad = kernels.nonFiniteRows(
          block, count: count, dimension: points.columns, squares: squares.doubles)
        guard bad.isEmpty else {
          nonFinite.withLock { $0 += bad.map { first + $0 } }
          continue
        }
        for subspace in 0..<book.subspaceCount {
          var own = book[subspace]
          kernels.table.pointee.encode_subspace(
            &own, block + subspace * book.width, points.columns, count,
            codes.start + first * book.subspaceCount + subspace, book.subspaceCount, scratch.floats)
        }
      }
    }
    let bad = nonFinite.withLock { $0.sorted() }
    guard bad.isEmpty else { throw Shapes.nonFinite("encode: points", rows: bad) }
  }

  /// Points that stay in the cache while the codewords of every subspace pass by.
  private static let encodeBlock = 128
}

extension Kernels {
  /// Returns those of `count` Float32 rows that hold NaN or infinity.
  fileprivate func nonFiniteRows(
    _ rows: UnsafePointer<Float>, count: Int, dimension: Int, squares: UnsafeMutablePointer<Double>
  ) -> [Int] {
    let source = csimd_rows(
      start: rows, stride: dimension * MemoryLayout<Float>.stride, dimension: dimension,
      element: Int32(CSIMD_FLOAT32.rawValue))
    table.pointee.widen_rows(source, 0, count, nil, squares)
    return (0..<count).filter { !squares[$0].isFinite }
  }
}

/// The codewords of all subspaces as `encode_subspace` reads them.
struct PackedCodebook: @unchecked Sendable {
  // Safe: written only by `init`.
  private let floats: HostStorage
  private let doubles: HostStorage
  private let longest: [Float]
  private let whole: [WholeCodewords?]
  let width: Int
  let count: Int
  let subspaceCount: Int
  private let padded: Int

  /// - Throws: `.nonFinite`, naming rows of the codebook; `.outOfMemory`.
  init(_ codebook: ProductCodebook) throws(TesseraError) {
    try Shapes.requireFinite(codebook.codewords.hostVectors("encode"), "encode: codewords")
    width = codebook.codewords.columns
    count = codebook.codewordCount
    subspaceCount = codebook.subspaceCount
    padded = csimd_padded_codewords(count)
    doubles = try HostStorage(allocating: subspaceCount * width * padded * 8)
    floats = try HostStorage(allocating: subspaceCount * (width + (width + 1) * padded) * 4)
    let source = try codebook.codewords.hostElements("encode")
    var longest: [Float] = []
    var whole: [WholeCodewords?] = []
    for subspace in 0..<subspaceCount {
      let start = floats.floats + subspace * (width + (width + 1) * padded)
      let codewords = UnsafeBufferPointer(
        rebasing: source[subspace * count * width..<(subspace + 1) * count * width])
      Self.transpose(codewords, width, padded, into: doubles.doubles + subspace * width * padded)
      longest.append(Self.pack(codewords, width, padded, into: start))
      whole.append(
        try WholeCodewords(
          start + width, count: count, width: width, longest: longest[subspace]))
    }
    self.longest = longest
    self.whole = whole
  }

  subscript(subspace: Int) -> csimd_codebook {
    let start = floats.floats + subspace * (width + (width + 1) * padded)
    return csimd_codebook(
      width: width, count: count, middle: start, panels: start + width, longest: longest[subspace],
      exact: doubles.doubles + subspace * width * padded, whole: whole[subspace]?.words,
      scale: whole[subspace]?.scale ?? 0, whole_rest: whole[subspace]?.rest ?? 0)
  }

  private static func transpose(
    _ codewords: UnsafeBufferPointer<Float>, _ width: Int, _ padded: Int,
    into target: UnsafeMutablePointer<Double>
  ) {
    for d in 0..<width {
      for codeword in 0..<padded {
        let index = codeword * width + d
        target[d * padded + codeword] =
          index < codewords.count ? Double(codewords[index]) : .infinity
      }
    }
  }

  /// Writes `middle` and, after it, the panels; returns the largest sum of squares.
  private static func pack(
    _ codewords: UnsafeBufferPointer<Float>, _ width: Int, _ padded: Int,
    into target: UnsafeMutablePointer<Float>
  ) -> Float {
    let count = codewords.count / width
    for d in 0..<width {
      var sum = 0.0
      for codeword in 0..<count { sum += Double(codewords[codeword * width + d]) }
      target[d] = Float(sum / Double(count))
    }
    let panels = target + width
    let lanes = Int(CSIMD_CODEWORDS)
    var longest = 0.0
    for codeword in 0..<padded {
      let column = panels + codeword / lanes * lanes * (width + 1) + codeword % lanes
      var squares = 0.0
      for d in 0..<width {
        let value = codeword < count ? codewords[codeword * width + d] - target[d] : 0
        squares += Double(value) * Double(value)
        column[(d + 1) * lanes] = -value
      }
      column[0] = codeword < count ? Float(squares / 2) : .infinity
      longest = max(longest, squares)
    }
    // Rounded up, as it is part of an error bound.
    return Float(longest).nextUp
  }
}
