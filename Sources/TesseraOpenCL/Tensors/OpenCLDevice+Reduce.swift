public import TesseraCompute

extension OpenCLDevice {
  /// Runs a kernel that is made for the formula, the reduction, and the way in which the tensors lie in
  /// memory. Where a line has several runs of 256, their results are combined by a second kernel.
  public func reduce(
    _ formula: Formula, of inputs: [TensorView<Float>], parameters: [Float],
    by reduction: Reduction, along side: Int, into results: [TensorView<Float>]
  ) throws(TesseraError) {
    let inputs = try Shapes.reduce(
      formula, of: inputs, parameters: parameters, along: side, into: results)
    guard results[0].count > 0 else { return }
    let length = inputs.first?.shape[side] ?? 1
    guard length > 0 else {
      // What no numbers give.
      let start = Formula(inputs: 0) { _, _ in results.map { _ in .constant(reduction.start) } }
      return try apply(start, to: [], into: results)
    }
    guard roundsAsIEEE, try trusts(.reduce) else {
      return try HostPath(self).reduce(
        formula, of: inputs, parameters: parameters, by: reduction, along: side, into: results)
    }
    let kernel = ReduceKernel(
      steps: FormulaText(formula), inputs: inputs, results: results, side: side, length: length,
      reduction: reduction)
    let runs = (length + Reduction.run - 1) / Reduction.run
    if runs == 1 {
      let targets = try results.indices.map { place throws(TesseraError) in
        try kernelView("r\(place)", of: kernel, result: place)
      }
      return try runReduce(kernel, parameters, runs: 1, into: targets)
    }
    let scratch = try reserve(results.count * runs * kernel.walk.count, of: Float.self)
    let targets = results.indices.map { place in
      scratchView("r\(place)", scratch, first: place * runs * kernel.walk.count, of: kernel)
    }
    try runReduce(kernel, parameters, runs: runs, into: targets)
    for place in results.indices {
      try combineRuns(
        kernel, scratch, first: place * runs * kernel.walk.count, runs: runs, result: place)
    }
  }

  // MARK: Runs

  private func runReduce(
    _ kernel: ReduceKernel, _ values: [Float], runs: Int, into targets: [KernelView]
  ) throws(TesseraError) {
    let isLines = kernel.isLines
    let (walk, steps) = (kernel.walk, kernel.steps)
    let sources = try steps.inputs.map { place throws(TesseraError) in
      try kernelView("x\(place)", of: kernel, input: place)
    }
    var parameters = KernelParameters()
    for view in sources + targets { view.declare(in: &parameters) }
    let outer = isLines ? walk.shape : Array(walk.shape.dropLast())
    KernelView.declare(sides: outer, in: &parameters)
    let lanes = body == .wideItem ? 16 : 1
    let blocks = ElementBlocks(walk, lanes: lanes, rounds: Reduction.lanes * runs)
    let units = runs * (isLines ? walk.count : blocks.count)
    let inUnit = min(Reduction.run, kernel.length) * (isLines ? 1 : lanes)
    let each = body == .wideItem ? max(1, min(4096, loopLimit / 16) / inUnit) : 1
    parameters.add("runs", runs)
    parameters.add("length", kernel.length)
    parameters.add("elements", walk.count)
    if !isLines { parameters.add("columns", blocks.columns) }
    parameters.add("distance", runs == 1 ? 0 : walk.count)
    parameters.add("each", each)
    steps.declare(values, RandomKey(seed: 0), in: &parameters)
    guard !parameters.isTooLong else {
      throw TesseraError(
        .unsupported, "reduce: the formula has too many parameters for a kernel; apply it first")
    }
    let beforeUnit = KernelView.coordinates(outer.count) + (sources + targets).map(\.base)
    let text =
      if !isLines {
        kernel.rowsText(sources, targets, parameters, beforeUnit)
      } else if body == .wideItem {
        kernel.wideLinesText(sources, targets, parameters, beforeUnit)
      } else {
        kernel.tileLinesText(sources, targets, parameters, beforeUnit)
      }
    let work = inUnit * (steps.work + 2 * targets.count)
    try launch(
      "reduce", of: blocks.source("reduce", text, reduction: kernel.reduction),
      parameters.arguments,
      over: isLines
        ? grid(units: units * (body == .tile ? 16 : 1), each: each, workPerUnit: work)
        : grid(units: units, each: each, workPerUnit: work))
  }

  // MARK: Runs of runs

  /// Combines neighbours of `runs` results of runs for every element, 64 at a time until one is left.
  private func combineRuns(
    _ kernel: ReduceKernel, _ scratch: OpenCLStorage, first: Int, runs: Int, result: Int
  ) throws(TesseraError) {
    let width = 64
    let (walk, count) = (kernel.walk, kernel.walk.count)
    var (source, start, runs) = (scratch, first, runs)
    repeat {
      let blocks = (runs + width - 1) / width
      let next = try reserve(blocks == 1 ? 1 : blocks * count, of: Float.self)
      // All sides are outer ones here.
      let target =
        blocks == 1
        ? try kernelView("r0", of: kernel, result: result, isAlongSide: true)
        : scratchView("r0", next, first: 0, of: kernel, isAlongSide: true)
      var parameters = KernelParameters()
      parameters.add(
        "x0", memoryOf: "const float",
        .memory(source, firstElement: source.start / MemoryLayout<Float>.stride + start))
      target.declare(in: &parameters)
      KernelView.declare(sides: walk.shape, in: &parameters)
      let each = body == .wideItem ? max(1, min(4096, loopLimit / 16) / min(width, runs)) : 1
      parameters.add("elements", count)
      parameters.add("runs", runs)
      parameters.add("distance", blocks == 1 ? 0 : count)
      parameters.add("units", blocks * count)
      parameters.add("each", each)
      let text = ReduceKernel.combineText(
        parameters, KernelView.coordinates(walk.shape.count) + [target.base], width: width)
      try launch(
        "combine_runs",
        of: ElementBlocks(walk, lanes: 1, rounds: 2 * blocks).source(
          "combine_runs", text, reduction: kernel.reduction), parameters.arguments,
        over: grid(units: blocks * count, each: each, workPerUnit: 2 * width))
      (source, start, runs) = (next, 0, blocks)
    } while runs > 1
  }

  // MARK: Views

  private func kernelView(
    _ name: String, of kernel: ReduceKernel, input place: Int
  ) throws(TesseraError) -> KernelView {
    let view = kernel.inputs[place]
    let strides = kernel.walk.strides[place]
    let side = view.strides[kernel.side]
    var result = KernelView(
      name: name, memory: try argument(view, "reduce"),
      outer: kernel.isLines ? strides : Array(strides.dropLast()),
      along: kernel.isLines ? side : strides[strides.count - 1],
      loop: kernel.isLines ? nil : side)
    let listed: KernelView.ListedSide =
      kernel.side > 0 ? .outer : kernel.isLines ? .along : .loop
    result.rows = try rows(of: view, along: listed, "reduce")
    return result
  }

  /// - Parameter isAlongSide: Whether all sides are outer ones; the kernel's own way if nil.
  private func kernelView(
    _ name: String, of kernel: ReduceKernel, result place: Int, isAlongSide: Bool? = nil
  ) throws(TesseraError) -> KernelView {
    let view = kernel.results[place]
    let strides = kernel.walk.strides[kernel.inputs.count + place]
    let isLines = isAlongSide ?? kernel.isLines
    var target = KernelView(
      name: name, memory: try argument(view, "reduce"),
      outer: isLines ? strides : Array(strides.dropLast()),
      along: isLines ? 0 : strides[strides.count - 1], isResult: true)
    target.rows = try rows(of: view, along: kernel.side == 0 ? .once : .outer, "reduce")
    if target.rows?.side == .once { target.loop = view.strides[0] }
    return target
  }

  /// Results of runs, element after element.
  private func scratchView(
    _ name: String, _ scratch: OpenCLStorage, first: Int, of kernel: ReduceKernel,
    isAlongSide: Bool? = nil
  ) -> KernelView {
    let shape = kernel.walk.shape
    var strides = [Int](repeating: 1, count: shape.count)
    for side in shape.indices.dropLast().reversed() {
      strides[side] = strides[side + 1] * shape[side + 1]
    }
    let isLines = isAlongSide ?? kernel.isLines
    return KernelView(
      name: name,
      memory: .memory(
        scratch, firstElement: scratch.start / MemoryLayout<Float>.stride + first),
      outer: isLines ? strides : Array(strides.dropLast()), along: isLines ? 0 : 1, isResult: true)
  }
}
