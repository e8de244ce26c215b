package import TesseraCompute

/// The grid points as numbers of 4 bits, whose entries add up to their product with a turned query.
///
/// A number has 4 dimensions of 1 bit, 2 of 2 bits, one of 3 or 4, or 4 bits of one of more. With c
/// the center, o = x - c and q the query, what is looked up is the product of the grid point and a
/// part of the query:
///
///     squared L2      |q - x|^2 = |o|^2 + |q - c|^2 - 2 (q - c).o
///     inner product   q.x = p.o + (q.u) (x.u), u = c / |c|, p = q - (q.u) u
///     cosine          the same over |q| |x|
///
/// each product with o being `scale` times that with the grid point. Around the centroids of lists, c
/// is the list's centroid and the center, and neither p nor q - c is known beforehand: there
///
///     squared L2      |q - x|^2 = |o|^2 + 2 c.o + |q - c|^2 - 2 q.o
///     inner product   q.x = q.c + c.o + (q - c).o
///
/// where the c.o that stands alone is known, and the others are estimated: so only what the query has
/// beside c makes errors. Codes that do not know the centroids leave both out, and estimate q.o.
extension RaBitQ: ScannedQuantizer {
  package var canScan: Bool { true }
  package var scanCenter: [Float]? { center }
  package var scanEntries: Int { 16 * numberCount }

  /// Dimensions that a number has, or numbers that a dimension has.
  private var together: Int { bits <= 2 ? 4 / bits : 1 }
  private var parts: Int { (bits + 3) / 4 }
  private var numberCount: Int { (dimension + together - 1) / together * parts }

  /// Which bits of which dimensions each number of 4 bits has.
  private var numbers: [Number] {
    (0..<numberCount).map { index in
      let first = index / parts * together
      let shift = index % parts * 4
      return Number(
        dimensions: first..<min(first + together, dimension), shift: shift,
        bits: min(4, bits - shift))
    }
  }

  /// A number of 4 bits: `bits` bits of each of its dimensions, from bit `shift` on.
  private struct Number {
    let dimensions: Range<Int>
    let shift: Int
    let bits: Int

    /// What each of sixteen values adds to the product with a vector.
    func entries(_ vector: Span<Float>, _ levels: Levels) -> SIMD16<Float> {
      var sums = SIMD16<Float>()
      for (place, d) in dimensions.enumerated() {
        sums += levels.of[4 * bits + place] * (vector[d] * Float(1 << shift))
      }
      return sums
    }
  }

  /// For each number of bits and each dimension that shares a number, its level in each of sixteen
  /// values, less half the largest, so that levels lie on both sides of 0.
  private struct Levels {
    let of: [SIMD16<Float>]

    init() {
      of = (0..<5).flatMap { bits in
        (0..<4).map { place in
          var levels = SIMD16<Float>()
          for value in 0..<16 where bits > 0 {
            let level = value >> (place * bits) & (1 << bits - 1)
            levels[value] = Float(level) - Float(1 << bits - 1) / 2
          }
          return levels
        }
      }
    }
  }

  /// The codes' grid points as bytes of two numbers each.
  private func numberBytes(_ codes: Codes) -> [UInt8] {
    let numbers = numbers
    let byteCount = (numbers.count + 1) / 2
    var bytes: [UInt8] = []
    bytes.reserveCapacity(codes.count * byteCount)
    var levels = [UInt16](repeating: 0, count: dimension)
    let isSame = 8 % bits == 0
    let packing = BitPacking(bits: 4, perRow: numbers.count)
    for code in 0..<codes.count {
      let own = codes.bytes.span.extracting(.row(code, of: codeByteCount))
      if isSame {
        // Bits of whole numbers lie together already.
        for byte in 0..<byteCount { bytes.append(own[byte]) }
      } else {
        self.levels.unpack(row: own, to: &levels)
        bytes += packing.pack(
          numbers.map { UInt8(levels[$0.dimensions.lowerBound] >> UInt16($0.shift) & 15) })
      }
    }
    return bytes
  }

  package func scanCodes(
    _ codes: Codes, metric: Metric, around centroids: ListedCentroids?
  ) throws(TesseraError) -> ProductCodes {
    let factors = try factors(of: codes)
    let squares = center.reduce(0) { $0 + Double($1) * Double($1) }
    let centerLength = squares.squareRoot()
    // The part of each vector along the center.
    let along = factors.map {
      centerLength > 0 ? (Double($0.centerProduct) + squares) / centerLength : 0
    }
    let bytes = numberBytes(codes)
    var scales = factors.map(\.scale)
    var offsets: [Float]?
    switch (metric, centroids) {
    case (.squaredL2, nil):
      offsets = factors.map { Self.finite(Double($0.length) * Double($0.length)) }
    case (.squaredL2, let centroids?):
      let products = centerProducts(bytes, centroids)
      offsets = zip(factors, products).map { own, product in
        Self.finite(Double(own.length) * Double(own.length) + 2 * Double(own.scale) * product)
      }
    case (.innerProduct, nil) where knowsCentroids:
      let lists = RowLists(one: .consecutive(count: codes.count))
      let origin = try Vectors([Float](repeating: 0, count: dimension), dimension: dimension)
      offsets = known(factors, centerProducts(bytes, ListedCentroids(lists, origin)))
    case (.innerProduct, nil):
      offsets = along.map { Float($0) }
    case (.cosine, nil):
      let lengths = factors.map { $0.vectorLength(centerSquares: squares) }
      offsets = zip(along, lengths).map { $1 > 0 ? Float($0 / $1) : 0 }
      scales = zip(factors, lengths).map { own, length in
        length > 0 ? Float(Double(own.scale) / length) : 0
      }
    case (.innerProduct, let centroids?), (.cosine, let centroids?):
      if knowsCentroids { offsets = known(factors, centerProducts(bytes, centroids)) }
    }
    return try ProductCodes(
      bytes, subspaceCount: numberCount, bits: 4, scales: scales, offsets: offsets)
  }

  /// What products with the center add where they are known, and take where they were estimated.
  private func known(_ factors: [RaBitQFactors], _ products: [Double]) -> [Float] {
    zip(factors, products).map { own, product in
      Self.finite(Double(own.centerProduct) - Double(own.scale) * product)
    }
  }

  /// Rounds to Float32. A row whose number is beyond it is as far away as one can be.
  private static func finite(_ value: Double) -> Float {
    let most = Double(Float.greatestFiniteMagnitude)
    return Float(min(max(value, -most), most))
  }

  /// The product of each grid point with its list's turned center.
  private func centerProducts(_ bytes: [UInt8], _ lists: ListedCentroids) -> [Double] {
    let (numbers, levels) = (numbers, Levels())
    let byteCount = (numbers.count + 1) / 2
    var products: [Double] = []
    products.reserveCapacity(bytes.count / byteCount)
    for list in 0..<lists.lists.count where !lists.lists[list].isEmpty {
      var turned = zip(lists.centroids.row(list), center).map { $0 + $1 }
      rotation.apply(&turned)
      let entries = numbers.map { $0.entries(turned.span, levels) }
      for row in lists.lists[list] {
        var sum = 0.0
        for (place, own) in entries.enumerated() {
          let byte = bytes[row * byteCount + place / 2]
          sum += Double(own[Int(byte >> UInt8(place % 2 * 4) & 15)])
        }
        products.append(sum)
      }
    }
    return products
  }

  package func scanQueries(
    _ queries: Vectors, metric: Metric, aroundCentroids: Bool, on device: any Device, firstRow: Int
  ) throws(TesseraError) -> ScanQueries {
    let (numbers, levels) = (numbers, Levels())
    let whole = queries.widened()
    let isWhole = aroundCentroids || knowsCentroids && metric == .innerProduct
    let prepared: [RaBitQQuery] =
      isWhole
      ? [] : (0..<queries.count).map { RaBitQQuery(queries.row($0), metric, self) }
    let tables: [Float] = try device.hostWorkers.makeRows(
      queries.count, of: scanEntries, minimum: 4
    ) { range, tables in
      for (index, query) in range.enumerated() {
        var turned =
          isWhole
          ? Array(whole[query * dimension..<(query + 1) * dimension]) : prepared[query].rest
        if metric == .cosine, aroundCentroids { UnitLength.scale(&turned, dimension: dimension) }
        rotation.apply(&turned)
        if metric == .squaredL2 { for d in turned.indices { turned[d] *= -2 } }
        for (place, number) in numbers.enumerated() {
          let entries = number.entries(turned.span, levels)
          for value in 0..<16 {
            tables[(index * numbers.count + place) * 16 + value] = entries[value]
          }
        }
      }
    }
    guard !aroundCentroids else { return ScanQueries(tables) }
    if isWhole {
      return ScanQueries(
        tables,
        terms: (0..<queries.count).map {
          CanonicalScore.score(.innerProduct, queries.row($0), center)
        })
    }
    return metric == .squaredL2
      ? ScanQueries(tables, terms: prepared.map { Float($0.length * $0.length) })
      : ScanQueries(tables, offsetWeights: prepared.map { Float($0.share) })
  }
}

/// What of a query the codes of ``RaBitQ`` are estimated with, and what is known without them.
struct RaBitQQuery {
  /// The query less the center, or at right angles to it; for the cosine over the query's length.
  let rest: [Float]
  /// The length of `rest`.
  let length: Double
  /// The part of the query along the center, which the vector's is multiplied by; of no use to
  /// distances.
  let share: Double
  /// The squared length of the center.
  private let centerSquares: Double

  init(_ row: [Float], _ metric: Metric, _ quantizer: RaBitQ) {
    let center = quantizer.center
    var (product, squares, centerSquares) = (0.0, 0.0, 0.0)
    for i in row.indices {
      product += Double(row[i]) * Double(center[i])
      squares += Double(row[i]) * Double(row[i])
      centerSquares += Double(center[i]) * Double(center[i])
    }
    let part = metric == .squaredL2 ? 1 : centerSquares > 0 ? product / centerSquares : 0
    let unit = metric == .cosine ? (squares > 0 ? 1 / squares.squareRoot() : 0) : 1
    let rest = row.indices.map { Float((Double(row[$0]) - part * Double(center[$0])) * unit) }
    self.rest = rest
    length = FixedOrder.squares(rest.span).squareRoot()
    share = part * unit * centerSquares.squareRoot()
    self.centerSquares = centerSquares
  }

  /// Returns how far the score may be from the exact one, at a given confidence.
  func bound(
    _ metric: Metric, _ factors: RaBitQFactors, squares: Double, confidence: Double,
    _ quantizer: RaBitQ
  ) -> Float {
    let cosine = factors.cosine(squares: squares)
    let tangent = max(0, 1 - cosine * cosine).squareRoot() / cosine
    let deviation = tangent / Double(max(1, quantizer.dimension - 1)).squareRoot()
    // No sum on the way is longer than the product of the lengths: each addition errs by 2^-24 of it at
    // most, and so do the few roundings of all entries together.
    let size = Double(factors.scale) * squares.squareRoot()
    let rounding = Double(quantizer.scanEntries / 16 + 8) * 0x1p-24 * 1.1
    let bound = length * (confidence * Double(factors.length) * deviation + size * rounding)
    switch metric {
    case .squaredL2: return Float(2 * bound)
    case .innerProduct: return Float(bound)
    case .cosine:
      let own = factors.vectorLength(centerSquares: centerSquares)
      return own > 0 ? Float(bound / own) : 0
    }
  }
}
