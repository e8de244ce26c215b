internal import TesseraCompute
internal import TesseraQuantization

/// Trains the transforms of an index, each on rows that those before it have changed.
struct TransformTraining {
  let metric: Metric
  /// Chooses random rotations.
  let seed: UInt64
  let device: any Device
  /// The rows that the next transform is trained on.
  private var sample: Vectors
  private(set) var transforms: [Transform] = []
  private(set) var notes: [TrainingNote] = []
  private let rowCount: Int

  /// Rows that transforms are trained on, at most: they have few numbers to find.
  private static let rowLimit = 16_384

  /// - Parameter limit: Rows to train on, at most; nil takes the default.
  /// - Throws: `.invalidShape` for no rows, `.nonFinite` for NaN and infinity in any row.
  init(
    _ rows: Vectors, limit: Int?, metric: Metric, seed: UInt64, on device: any Device
  ) throws(TesseraError) {
    try Shapes.require(rows.count > 0, "build: transforms are trained on rows, there are none")
    try Shapes.requireFinite(rows, "build")
    self.metric = metric
    self.seed = seed
    self.device = device
    rowCount = rows.count
    let count = min(rows.count, limit ?? Self.rowLimit)
    sample = try rows.gathered((0..<count).map { $0 * rows.count / count })
  }

  /// Trains one more.
  mutating func train(_ recipe: TransformRecipe, control: RunControl) throws(TesseraError) {
    let inputs = sample.dimension
    switch recipe {
    case .unitLength: transforms.append(Transform(recipe, inputs: inputs))
    case .center:
      noteSample(recipe)
      transforms.append(Transform(recipe, inputs: inputs, mean: try sample.mean()))
    case .principalAxes(let outputs, let rotated):
      noteSample(recipe)
      transforms.append(try principalAxes(recipe, outputs, rotated))
    case .randomRotation(let outputs):
      let rows = try rotation(outputs ?? inputs, of: inputs)
      transforms.append(Transform(recipe, inputs: inputs, map: Self.map(rows, inputs: inputs)))
    case .optimizedRotation(let rotated):
      noteSample(recipe)
      let found = try rotated.rotation(of: sample, on: device, control: control)
      notes += found.notes
      transforms.append(Transform(recipe, inputs: inputs, map: found.map))
    }
    sample = try transforms.suffix(1).map { $0 }.apply(to: sample, on: device, "build")
    try control.report(recipe.description, done: 1)
  }

  /// The directions of most spread: about the mean, or about the origin where scores depend on it,
  /// where the sum of squares of what is dropped is least either way.
  private func principalAxes(
    _ recipe: TransformRecipe, _ outputs: Int, _ rotated: Bool
  ) throws(TesseraError) -> Transform {
    let inputs = sample.dimension
    let points = try CenteredPoints(sample, on: device)
    var moments = try points.covariance(on: device)
    let isCentered = metric == .squaredL2
    if !isCentered {
      for i in 0..<inputs {
        for j in 0..<inputs {
          moments[i * inputs + j] += Double(points.mean[i]) * Double(points.mean[j])
        }
      }
    }
    var rows = Array(
      try SymmetricEigen(moments, count: inputs).vectors.prefix(outputs * inputs))
    if rotated {
      rows = try Orthogonal.multiply(
        rotation(outputs, of: outputs), rows, outputs, outputs, inputs)
    }
    return Transform(
      recipe, inputs: inputs, mean: isCentered ? points.mean : nil,
      map: Self.map(rows, inputs: inputs))
  }

  /// A random rotation, another one for each transform.
  private func rotation(_ rows: Int, of columns: Int) throws(TesseraError) -> [Double] {
    try Orthogonal.random(
      rows: rows, columns: columns, seed: seed &+ UInt64(transforms.count))
  }

  private static func map(_ rows: [Double], inputs: Int) -> LinearMap {
    LinearMap(rows.map { Float($0) }, outputs: rows.count / inputs, inputs: inputs)
  }

  private mutating func noteSample(_ recipe: TransformRecipe) {
    guard sample.count < rowCount else { return }
    notes.append(
      TrainingNote(
        quantizer: recipe.description, knob: "trainingLimit",
        effect: "trained on \(sample.count) of \(rowCount) rows"))
  }
}
