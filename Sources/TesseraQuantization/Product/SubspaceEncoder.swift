import TesseraCompute
import TesseraHost

/// The nearest codeword of each subspace of rows on a device, however many codewords there are.
struct SubspaceEncoder {
  private let device: any Device
  private let codewords: Matrix<Float>
  private let subspaceCount: Int
  private let width: Int
  private var codewordCount: Int { codewords.rows / subspaceCount }

  /// - Parameter codewords: `subspaceCount` groups of equally many, of `width` numbers.
  init(
    _ codewords: [Float], subspaceCount: Int, width: Int, on device: any Device
  ) throws(TesseraError) {
    self.device = device
    self.subspaceCount = subspaceCount
    self.width = width
    self.codewords = try device.upload(codewords, rows: codewords.count / width, columns: width)
  }

  /// The numbers of each row's codewords, packed.
  func packed(_ rows: Matrix<Float>, _ packing: BitPacking) throws(TesseraError) -> [UInt8] {
    guard codewordCount <= 256 else { return packing.pack(try wideNumbers(rows)) }
    let codes = try numbers(rows)
    return packing.bits == 8 ? codes : packing.pack(codes)
  }

  /// One byte a row and subspace, for up to 256 codewords.
  func numbers(_ rows: Matrix<Float>) throws(TesseraError) -> [UInt8] {
    let codes = try device.allocate(UInt8.self, rows: rows.rows, columns: subspaceCount)
    try device.encode(rows, ProductCodebook(codewords, subspaceCount: subspaceCount), into: codes)
    return try device.download(codes)
  }

  /// For any number of codewords: subspace by subspace, as assignment to centroids.
  private func wideNumbers(_ rows: Matrix<Float>) throws(TesseraError) -> [Int32] {
    let values = try device.download(rows)
    let labels = try device.allocate(Int32.self, rows: rows.rows, columns: 1)
    let scores = try device.allocate(Float.self, rows: rows.rows, columns: 1)
    var numbers = [Int32](repeating: 0, count: rows.rows * subspaceCount)
    for subspace in 0..<subspaceCount {
      try StopSignal.check()
      let points = try device.upload(
        values.columns(subspace * width..<(subspace + 1) * width, of: subspaceCount * width),
        rows: rows.rows,
        columns: width)
      let own = codewords.rows(subspace * codewordCount..<(subspace + 1) * codewordCount)
      try device.assignNearest(points, to: own, metric: .squaredL2, into: labels, scores)
      for (row, label) in try device.download(labels).enumerated() {
        numbers[row * subspaceCount + subspace] = label
      }
    }
    return numbers
  }
}

extension [Float] {
  /// Returns some columns of rows of `width` numbers.
  func columns(_ range: Range<Int>, of width: Int) throws(TesseraError) -> [Float] {
    let rows = count / width
    var columns: [Float] = []
    columns.reserveCapacity(rows * range.count)
    try StopSignal.checkEvery((1 << 20) / range.count + 1, of: rows) { some in
      for row in some {
        columns += self[row * width + range.lowerBound..<row * width + range.upperBound]
      }
    }
    return columns
  }
}
