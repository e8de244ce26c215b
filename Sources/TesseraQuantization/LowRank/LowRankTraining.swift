import TesseraCompute
import TesseraHost

/// A low-rank quantizer on its way: start from principal axes, then turn by turn.
struct LowRankTraining {
  private let recipe: LowRankRecipe
  private let device: any Device
  private let dimension: Int
  private let subspaceCount: Int
  private let latent: Int
  private let mean: [Float]
  /// The points less their mean, here and on the device.
  private let points: [Float]
  private let devicePoints: Matrix<Float>
  private let squares: Double
  private var projection: [Float]
  private var codewords: [Float]
  private var numbers: [UInt16]
  private var random: SplitMix64

  private var columns: Int { subspaceCount * latent }
  private var pointCount: Int { points.count / dimension }

  /// Rows that the principal axes are taken from at most: enough to know them, and the product of
  /// all pairs of dimensions is slow.
  private static let axisRows = 8192

  init(
    _ recipe: LowRankRecipe, _ rows: [Float], _ dimension: Int, on device: any Device
  ) throws(TesseraError) {
    self.recipe = recipe
    self.device = device
    self.dimension = dimension
    subspaceCount = (dimension + recipe.blockLength - 1) / recipe.blockLength
    mean = try Vectors(rows, dimension: dimension).mean()
    points = try rows.subtracting(mean)
    devicePoints = try device.upload(points, rows: rows.count / dimension, columns: dimension)
    squares = points.reduce(0) { $0 + Double($1) * Double($1) }
    random = SplitMix64(seed: recipe.options.seed, stream: 1)

    let step = max(1, rows.count / dimension / Self.axisRows)
    let axes = try Self.principalAxes(
      points, dimension: dimension, everyNth: step, device.hostWorkers)
    let shape = LowRankShape(
      variances: axes.values.map { max(0, $0) }, subspaceCount: subspaceCount,
      codewordCount: 1 << recipe.bits)
    let limit = min(recipe.blockLength, dimension / subspaceCount)
    if let asked = recipe.latent, asked > limit {
      throw .badSpecification(
        recipe.specification,
        "\(subspaceCount) subspaces of \(asked) latent numbers are more than \(dimension) dimensions; "
          + "expected at most \(limit)")
    }
    latent = recipe.latent ?? shape.bestLatent(limit: limit)
    projection = LowRankShape.balanced(shape.variances, subspaceCount: subspaceCount, width: latent)
      .joined().flatMap { axis in
        axes.vectors[axis * dimension..<(axis + 1) * dimension].map(Float.init)
      }
    codewords = []
    numbers = []
    try startCodewords()
  }

  private static func principalAxes(
    _ points: [Float], dimension: Int, everyNth step: Int, _ workers: WorkerPool
  ) throws(TesseraError) -> SymmetricEigen {
    let rows = (points.count / dimension + step - 1) / step
    var covariance: [Double] = try workers.makeEachRow(dimension, of: dimension, minimum: 1) {
      i, products in
      // Within what is checked here: products of all pairs of dimensions are slow.
      precondition(products.count == dimension && i < dimension)
      for j in 0..<dimension { products[j] = 0 }
      for row in 0..<rows {
        let point = points.span.extracting(.row(row * step, of: dimension))
        let value = Double(point[i])
        for j in 0...i { products[unchecked: j] += value * Double(point[unchecked: j]) }
      }
    }
    for i in 0..<dimension {
      for j in 0...i {
        covariance[i * dimension + j] /= Double(rows)
        covariance[j * dimension + i] = covariance[i * dimension + j]
      }
    }
    return try SymmetricEigen(covariance, count: dimension)
  }

  private func latents() throws(TesseraError) -> [Float] {
    try quantizer.map.apply(
      to: Vectors(points, dimension: dimension), on: device, recipe.specification)
  }

  private mutating func startCodewords() throws(TesseraError) {
    let latents = try latents()
    for subspace in 0..<subspaceCount {
      codewords += try recipe.options.codewords(
        1 << recipe.bits,
        of: latents.columns(subspace * latent..<(subspace + 1) * latent, of: columns),
        width: latent, stream: UInt64(subspace),
        iterations: recipe.options.iterations, on: device
      ).values
    }
    numbers = try LowRankCoder(quantizer, on: device).nearest(latents, on: device)
  }

  var quantizer: LowRankQuantizer {
    LowRankQuantizer(
      blockLength: recipe.blockLength, latent: latent, bits: recipe.bits, mean: mean,
      projection: projection, codewords: codewords)
  }

  /// Chooses codes, codewords and projection anew, each given the others, and returns the mean
  /// squared error of the training points.
  mutating func turn() throws(TesseraError) -> Double {
    var coder = try LowRankCoder(quantizer, on: device)
    try coder.refine(&numbers, try latents(), random: &random, on: device)
    codewords = coder.codewords
    let products = try products()
    // A trace of the old projection decides where the codes leave it open.
    let trace = (0..<columns).reduce(0) { $0 + products.gram[$1 * columns + $1] }
    let weight = 1e-6 * trace / Double(columns)
    guard weight > 0 else { return squares / Double(pointCount) }
    var right = products.right
    for i in right.indices { right[i] += weight * Double(projection[i]) }
    var solution = try Cholesky.solve(
      products.gram, size: columns, adding: weight, right, columns: dimension)
    var explained = 0.0
    for i in solution.indices { explained += products.right[i] * solution[i] }
    try orthonormalize(&solution)
    projection = solution.map(Float.init)
    return max(0, squares - explained) / Double(pointCount)
  }

  /// The products of all latent numbers with each other and with the points' numbers, summed over
  /// the points, by way of sums over the points of each codeword.
  private func products() throws(TesseraError) -> (gram: [Double], right: [Double]) {
    let latents = try device.upload(
      quantizer.latents(numbers), rows: pointCount, columns: columns)
    var gram = [Double](repeating: 0, count: columns * columns)
    var right = [Double](repeating: 0, count: columns * dimension)
    for subspace in 0..<subspaceCount {
      try StopSignal.check()
      let labels = try device.upload(
        stride(from: subspace, to: numbers.count, by: subspaceCount).map { Int32(numbers[$0]) },
        rows: pointCount, columns: 1)
      try add(latents, labels, subspace, to: &gram)
      try add(devicePoints, labels, subspace, to: &right)
    }
    // Each half was summed in another order.
    for i in 0..<columns {
      for j in 0..<i { gram[i * columns + j] = gram[j * columns + i] }
    }
    return (gram, right)
  }

  private func add(
    _ rows: Matrix<Float>, _ labels: Matrix<Int32>, _ subspace: Int, to target: inout [Double]
  ) throws(TesseraError) {
    let codewordCount = 1 << recipe.bits
    let width = rows.columns
    let deviceSums = try device.allocate(Double.self, rows: codewordCount, columns: width)
    let counts = try device.allocate(Int32.self, rows: codewordCount, columns: 1)
    try device.accumulateClusters(rows, labels, into: deviceSums, counts)
    let sums = try device.download(deviceSums)
    try device.hostWorkers.updateEachRow(of: &target, width: width, minimum: 1) { row, target in
      let i = row - subspace * latent
      guard (0..<latent).contains(i) else { return }
      for codeword in 0..<codewordCount {
        let number = Double(codewords[(subspace * codewordCount + codeword) * latent + i])
        let own = sums.span.extracting(.row(codeword, of: width))
        for j in target.indices { target[j] += number * own[j] }
      }
    }
  }

  /// Makes the rows of each subspace of unit length and orthogonal, and writes the codewords in the
  /// new rows, so that what they stand for stays the same (Gram and Schmidt, each row twice).
  private mutating func orthonormalize(_ rows: inout [Double]) throws(TesseraError) {
    let codewordCount = 1 << recipe.bits
    for subspace in 0..<subspaceCount {
      try StopSignal.check()
      // Old row i is the sum over l of factors[i, l] times new row l.
      var factors = [Double](repeating: 0, count: latent * latent)
      for i in 0..<latent {
        let row = (subspace * latent + i) * dimension
        for _ in 0..<2 {
          for l in 0..<i {
            let base = (subspace * latent + l) * dimension
            var product = 0.0
            for d in 0..<dimension { product += rows[row + d] * rows[base + d] }
            for d in 0..<dimension { rows[row + d] -= product * rows[base + d] }
            factors[i * latent + l] += product
          }
        }
        var squares = 0.0
        for d in 0..<dimension { squares += rows[row + d] * rows[row + d] }
        let length = squares.squareRoot()
        factors[i * latent + i] = length
        // A row that adds nothing to the others stays 0.
        if length > 0 { for d in 0..<dimension { rows[row + d] /= length } }
      }
      for codeword in subspace * codewordCount..<(subspace + 1) * codewordCount {
        for l in 0..<latent {
          var sum = 0.0
          for i in l..<latent {
            sum += Double(codewords[codeword * latent + i]) * factors[i * latent + l]
          }
          codewords[codeword * latent + l] = Float(sum)
        }
      }
    }
  }
}
