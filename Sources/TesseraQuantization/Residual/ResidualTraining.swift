import TesseraCompute
import TesseraHost

/// The training of one subspace's stages.
struct ResidualTraining {
  private let recipe: ResidualRecipe
  private let points: [Float]
  private let width: Int
  private let stream: Int
  private let device: any Device
  private(set) var stages: ResidualStages
  private var rowCount: Int { points.count / width }

  /// - Parameter stream: Where its random numbers begin.
  init(
    _ recipe: ResidualRecipe, _ points: [Float], _ width: Int, stream: Int, on device: any Device
  ) throws(TesseraError) {
    self.recipe = recipe
    self.points = points
    self.width = width
    self.stream = stream
    self.device = device
    stages = ResidualStages(width: width, codewordCount: 1 << recipe.bits, codewords: [])
  }

  /// Adds a stage for what the stages so far leave over; returns the mean squared error with it.
  mutating func addStage() throws(TesseraError) -> Double {
    let left =
      stages.stageCount == 0 ? points : try residuals(try numbers(), except: nil)
    let found = try recipe.options.codewords(
      stages.codewordCount, of: left, width: width, stream: UInt64(stream + stages.stageCount),
      iterations: recipe.options.iterations, on: device)
    stages.codewords += found.values
    return found.objective
  }

  /// Encodes the points, and makes each codeword the mean of what the other stages leave over for
  /// its points; returns the mean squared error before. A codeword without points stays.
  mutating func refine() throws(TesseraError) -> Double {
    let numbers = try numbers()
    let left = try residuals(numbers, except: nil)
    let error = FixedOrder.squares(left.span) / Double(rowCount)
    let sums = try device.allocate(Double.self, rows: stages.codewordCount, columns: width)
    let counts = try device.allocate(Int32.self, rows: stages.codewordCount, columns: 1)
    for stage in 0..<stages.stageCount {
      try StopSignal.check()
      let targets = try device.upload(
        try residuals(numbers, except: stage), rows: rowCount, columns: width)
      let labels = (0..<rowCount).map { Int32(numbers[$0 * stages.stageCount + stage]) }
      try device.accumulateClusters(
        targets, device.upload(labels, rows: rowCount, columns: 1), into: sums, counts)
      let totals = try device.download(sums)
      for (codeword, count) in try device.download(counts).enumerated() where count > 0 {
        let start = (stage * stages.codewordCount + codeword) * width
        for d in 0..<width {
          stages.codewords[start + d] = Float(totals[codeword * width + d] / Double(count))
        }
      }
    }
    return error
  }

  private func numbers() throws(TesseraError) -> [UInt16] {
    try BeamEncoder(stages, beam: ResidualQuantizer.beam, on: device).numbers(points)
  }

  /// The points less what their numbers stand for.
  private func residuals(_ numbers: [UInt16], except stage: Int?) throws(TesseraError) -> [Float] {
    let workers = device.hostWorkers
    var left = try stages.decode(numbers, except: stage, on: workers)
    try workers.updateEachRow(of: &left, width: width) { row, values in
      let point = points.span.extracting(.row(row, of: width))
      for d in values.indices { values[d] = point[d] - values[d] }
    }
    return left
  }
}
