internal import CSIMD
public import TesseraCompute
internal import TesseraHost

extension CPUDevice {
  /// Interprets the formula over tiles of 1,024 numbers, which are divided among threads.
  public func apply(
    _ formula: Formula, to inputs: [TensorView<Float>], parameters: [Float], random: RandomKey,
    into results: [TensorView<Float>]
  ) throws(TesseraError) {
    let inputs = try Shapes.apply(formula, to: inputs, parameters: parameters, into: results)
    guard results[0].count > 0 else { return }
    let program = FormulaProgram(formula, parameters: parameters)
    var views = try walked(inputs + results, "apply")
    let walk = TileWalk(results[0].shape, &views)
    let (sources, targets) = (Array(views[..<inputs.count]), Array(views[inputs.count...]))
    try workers.split(
      walk.count, minimum: program.worthwhile, maximum: 64 * FormulaProgram.tile
    ) { range throws(TesseraError) in
      let runner = try FormulaRunner(program, kernels, random: random)
      for first in stride(from: range.lowerBound, to: range.upperBound, by: FormulaProgram.tile) {
        runner.run(
          walk, inputs: sources, results: targets, first: first,
          count: min(FormulaProgram.tile, range.upperBound - first), element: first)
      }
    }
    withExtendedLifetime((inputs, results)) {}
  }

  /// Interprets the formula over tiles, and adds up each tile while it is in the nearest cache.
  public func reduce(
    _ formula: Formula, of inputs: [TensorView<Float>], parameters: [Float],
    by reduction: Reduction, along side: Int, into results: [TensorView<Float>]
  ) throws(TesseraError) {
    let inputs = try Shapes.reduce(
      formula, of: inputs, parameters: parameters, along: side, into: results)
    guard results[0].count > 0 else { return }
    let shape = inputs.first?.shape ?? results[0].shape
    let program = FormulaProgram(formula, parameters: parameters)
    let task = ReductionTask(
      program: program, kernels: kernels, workers: workers, reduction: reduction)
    let sources = try walked(inputs, "reduce")
    let targets = try walked(results, "reduce")
    if shape[(side + 1)...].allSatisfy({ $0 == 1 }) {
      try task.reduceLines(shape, side, sources, targets)
    } else {
      try task.reduceRows(shape, side, sources, targets)
    }
    withExtendedLifetime((inputs, results)) {}
  }

  private func walked(
    _ views: [TensorView<Float>], _ operation: String
  ) throws(TesseraError) -> [WalkedView] {
    try views.map { view throws(TesseraError) in try WalkedView(view, operation) }
  }
}

extension FormulaProgram {
  /// Numbers that are worth waking a thread for, which takes some microseconds.
  var worthwhile: Int { max(Self.tile, 32_768 / max(1, steps.count / 4)) }
}
