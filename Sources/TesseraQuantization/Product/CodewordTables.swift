internal import Synchronization
import TesseraCompute
import TesseraHost

/// Computes what every codeword of a product quantizer adds to the score of a query, in
/// ``FixedOrder``.
struct CodewordTables: Sendable {
  private let quantizer: ProductQuantizer
  /// Coordinates side by side, [subspace][width][codeword], so that four codewords are compared at
  /// once.
  private let columns: [Double]

  private var width: Int { quantizer.width }
  private var codewordCount: Int { quantizer.codewordCount }
  /// Entries of a query's tables.
  var perQuery: Int { quantizer.subspaceCount * codewordCount }

  init(_ quantizer: ProductQuantizer) {
    self.quantizer = quantizer
    columns = quantizer.columns.made(of: quantizer)
  }

  /// Returns one row a query, subspaces x codewords.
  ///
  /// - Parameter firstRow: The number of the first query, for messages.
  /// - Throws: `.nonFinite` for a query so far away that the sum of its entries might be infinite.
  func tables(
    of queries: Vectors, metric: Metric, on device: any Device, firstRow: Int = 0
  ) throws(TesseraError) -> [Float] {
    let rows = try quantizer.layout.padded(queries.widened())
    let stride = quantizer.layout.paddedDimension
    let isDistance = metric == .squaredL2
    let tables: [Float] = try device.hostWorkers.makeRows(queries.count, of: perQuery, minimum: 4) {
      range, tables in
      let (rows, columns) = (rows.span, columns.span)
      // A subspace's codewords stay in the cache while all queries pass by.
      for subspace in 0..<quantizer.subspaceCount {
        let own = columns.extracting(.row(subspace, of: width * codewordCount))
        for (index, query) in range.enumerated() {
          let start = query * stride + subspace * width
          fill(
            &tables, from: index * perQuery + subspace * codewordCount,
            rows.extracting(start..<start + width), own, isDistance: isDistance)
        }
      }
    }
    let limit = Float.greatestFiniteMagnitude / Float(2 * quantizer.subspaceCount)
    if tables.span.exceeds(.greatestFiniteMagnitude / limit),
      let entry = tables.firstIndex(where: { !($0.magnitude <= limit) })
    {
      throw TesseraError(
        .nonFinite,
        "scores: query row \(firstRow + entry / perQuery) is so large that its scores are beyond "
          + "Float32; scale the vectors down")
    }
    return tables
  }

  private typealias Lane = SIMD4<Double>

  /// Writes the entries of one subspace, from `first` on.
  private func fill(
    _ target: inout MutableSpan<Float>, from first: Int, _ query: Span<Float>,
    _ columns: Span<Double>, isDistance: Bool
  ) {
    if isDistance {
      fill(&target, from: first, query, columns) { query, codeword in
        let difference = query - codeword
        return difference * difference
      }
    } else {
      fill(&target, from: first, query, columns) { $0 * $1 }
    }
  }

  @inline(__always)
  private func fill(
    _ target: inout MutableSpan<Float>, from first: Int, _ query: Span<Float>,
    _ columns: Span<Double>, term: (Lane, Lane) -> Lane
  ) {
    let (width, count) = (width, codewordCount)
    precondition(
      query.count == width && columns.count == width * count && count % 4 == 0
        && first + count <= target.count, "a subspace's codewords and its room in the tables")
    for codeword in stride(from: 0, to: count, by: 4) {
      // Within what was just checked: this is all that making tables takes.
      @inline(__always) func at(_ d: Int) -> Lane {
        let start = d * count + codeword
        return term(
          Lane(repeating: Double(query[unchecked: d])),
          Lane(
            columns[unchecked: start], columns[unchecked: start + 1],
            columns[unchecked: start + 2], columns[unchecked: start + 3]))
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
      for lane in 0..<4 { target[unchecked: first + codeword + lane] = sums[lane] }
    }
  }
}

/// The coordinates of a product quantizer's codewords side by side, [subspace][width][codeword]. They are
/// made when they are first asked for, so that a query alone need not wait for them each time.
final class CodewordColumns: Sendable {
  private let values = Mutex<[Double]?>(nil)

  func made(of quantizer: ProductQuantizer) -> [Double] {
    values.withLock { values in
      if let values { return values }
      let (width, count) = (quantizer.width, quantizer.codewordCount)
      var columns = [Double](repeating: 0, count: quantizer.codewords.count)
      for subspace in 0..<quantizer.subspaceCount {
        for codeword in 0..<count {
          for d in 0..<width {
            columns[(subspace * width + d) * count + codeword] =
              Double(quantizer.codewords[(subspace * count + codeword) * width + d])
          }
        }
      }
      values = columns
      return columns
    }
  }
}
