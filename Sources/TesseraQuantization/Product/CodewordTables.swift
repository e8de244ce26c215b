import TesseraCompute

/// Computes what every codeword of a product quantizer adds to the score of a query, in
/// ``FixedOrder``.
struct CodewordTables: Sendable {
  private let quantizer: ProductQuantizer
  /// The rotation that queries go through first; nil if there is none.
  private let rotation: LinearMap?
  /// Coordinates side by side, [part][width][codeword], so that four codewords are compared at once.
  private let columns: [Double]

  private var width: Int { quantizer.width }
  private var codewordCount: Int { quantizer.codewordCount }
  /// Entries of a query's tables.
  var perQuery: Int { quantizer.subspaceCount * codewordCount }

  init(_ quantizer: ProductQuantizer, after rotation: LinearMap? = nil) {
    self.quantizer = quantizer
    self.rotation = rotation
    let (width, count) = (quantizer.width, quantizer.codewordCount)
    columns = [Double](
      unsafeUninitializedCapacity: quantizer.codewords.count
    ) { target, initialized in
      quantizer.codewords.withUnsafeBufferPointer { codewords in
        for part in 0..<quantizer.subspaceCount {
          for codeword in 0..<count {
            for d in 0..<width {
              target[(part * width + d) * count + codeword] =
                Double(codewords[(part * count + codeword) * width + d])
            }
          }
        }
      }
      initialized = quantizer.codewords.count
    }
  }

  /// One row a query, parts x codewords.
  func tables(
    of queries: Vectors, metric: Metric, on device: any Device
  ) throws(TesseraError) -> [Float] {
    let rotated = try rotation?.apply(to: queries, on: device, "scores: queries")
    let rows = quantizer.layout.padded(rotated ?? queries.widened())
    let stride = quantizer.layout.paddedDimension
    let count = queries.count
    return [Float](unsafeUninitializedCapacity: count * perQuery) { target, initialized in
      initialized = count * perQuery
      guard let target = target.baseAddress else { return }
      let tables = SharedRows(start: target)
      device.forEachRange(of: count) { range in
        rows.withUnsafeBufferPointer { rows in
          columns.withUnsafeBufferPointer { columns in
            guard let rows = rows.baseAddress, let columns = columns.baseAddress else { return }
            // A part's codewords stay in the cache while all queries pass by.
            for part in 0..<quantizer.subspaceCount {
              for query in range {
                fill(
                  tables.start + query * perQuery + part * codewordCount,
                  rows + query * stride + part * width, columns + part * width * codewordCount,
                  isDistance: metric == .squaredL2)
              }
            }
          }
        }
      }
    }
  }

  private typealias Lane = SIMD4<Double>

  private func fill(
    _ target: UnsafeMutablePointer<Float>, _ query: UnsafePointer<Float>,
    _ columns: UnsafePointer<Double>, isDistance: Bool
  ) {
    if isDistance {
      fill(target, query, columns) { query, codeword in
        let difference = query - codeword
        return difference * difference
      }
    } else {
      fill(target, query, columns) { $0 * $1 }
    }
  }

  @inline(__always)
  private func fill(
    _ target: UnsafeMutablePointer<Float>, _ query: UnsafePointer<Float>,
    _ columns: UnsafePointer<Double>, term: (Lane, Lane) -> Lane
  ) {
    let (width, count) = (width, codewordCount)
    for codeword in stride(from: 0, to: count, by: 4) {
      @inline(__always) func at(_ d: Int) -> Lane {
        let values = UnsafeRawPointer(columns + d * count + codeword)
        return term(Lane(repeating: Double(query[d])), values.loadUnaligned(as: Lane.self))
      }
      var lanes = (Lane(), Lane(), Lane(), Lane())
      var d = 0
      while d + 4 <= width {
        lanes.0 += at(d)
        lanes.1 += at(d + 1)
        lanes.2 += at(d + 2)
        lanes.3 += at(d + 3)
        d += 4
      }
      if d < width { lanes.0 += at(d) }
      if d + 1 < width { lanes.1 += at(d + 1) }
      if d + 2 < width { lanes.2 += at(d + 2) }
      let sums = SIMD4<Float>((lanes.0 + lanes.2) + (lanes.1 + lanes.3))
      UnsafeMutableRawPointer(target + codeword).storeBytes(of: sums, as: SIMD4<Float>.self)
    }
  }
}
