public import TesseraCompute

extension OpenCLDevice {
  /// Runs a kernel that is made for the formula and for the way in which the tensors lie in memory;
  /// sizes, strides and parameters are its arguments. The first call with a formula compiles it.
  public func apply(
    _ formula: Formula, to inputs: [TensorView<Float>], parameters: [Float], random: RandomKey,
    into results: [TensorView<Float>]
  ) throws(TesseraError) {
    let inputs = try Shapes.apply(formula, to: inputs, parameters: parameters, into: results)
    guard results[0].count > 0 else { return }
    guard roundsAsIEEE, try trusts(.apply) else {
      return try HostPath(self).apply(
        formula, to: inputs, parameters: parameters, random: random, into: results)
    }
    let steps = FormulaText(formula)
    let walk = TensorWalk(results[0].shape, inputs + results)
    // Sixteen numbers of a line at a time are few lanes too many where lines are short.
    let lanes = body == .wideItem && walk.shape[walk.shape.count - 1] >= 16 ? 16 : 1
    let blocks = ElementBlocks(walk, lanes: lanes)
    let each = body == .wideItem ? max(1, min(2048 / lanes, loopLimit / 64)) : 1

    var kernel = KernelParameters()
    let sources = try steps.inputs.map { place throws(TesseraError) in
      try kernelView("x\(place)", inputs[place], place, of: walk, isResult: false)
    }
    let targets = try results.enumerated().map { place, result throws(TesseraError) in
      try kernelView("r\(place)", result, inputs.count + place, of: walk, isResult: true)
    }
    for view in sources + targets { view.declare(in: &kernel) }
    KernelView.declare(sides: Array(walk.shape.dropLast()), in: &kernel)
    kernel.add("lines", blocks.lines)
    kernel.add("columns", blocks.columns)
    kernel.add("each", each)
    steps.declare(parameters, random, in: &kernel)
    guard !kernel.isTooLong else {
      return try HostPath(self).apply(
        formula, to: inputs, parameters: parameters, random: random, into: results)
    }
    let text = Self.applyText(steps, sources, targets, walk, kernel)
    try launch(
      "apply", of: blocks.source("apply", text), kernel.arguments,
      over: grid(
        units: blocks.count, each: each, workPerUnit: lanes * (steps.work + 2 * targets.count)))
  }

  /// A view of the walk: its last side is the one that is taken LANES at a time.
  private func kernelView(
    _ name: String, _ view: TensorView<Float>, _ place: Int, of walk: TensorWalk, isResult: Bool
  ) throws(TesseraError) -> KernelView {
    let strides = walk.strides[place]
    return KernelView(
      name: name, memory: try argument(view, "apply"), outer: Array(strides.dropLast()),
      along: strides[strides.count - 1],
      rows: try rows(of: view, along: strides.count == 1 ? .along : .outer, "apply"),
      isResult: isResult)
  }

  private static func applyText(
    _ steps: FormulaText, _ sources: [KernelView], _ targets: [KernelView], _ walk: TensorWalk,
    _ kernel: KernelParameters
  ) -> String {
    let beforeLine =
      KernelView.coordinates(walk.shape.count - 1) + (sources + targets).map(\.base)
    let loads = zip(steps.inputs, sources).map { "tessera_float a\($0) = \($1.load());" }
    let stores = zip(targets, steps.results).map { $0.store($1) }
    return """
      __kernel void apply(\(kernel.text)) {
        index_t blocks = ((index_t)columns + (LANES - 1)) / LANES;
        index_t block = (index_t)get_global_id(0) * (index_t)each;
        index_t last = min(block + (index_t)each, (index_t)lines * blocks);
        index_t line = block / blocks;
        index_t column = block % blocks * LANES;
        for (; block < last; line++, column = 0) {
          \(beforeLine.joined(separator: "\n    "))
          index_t end = min((index_t)columns, column + (last - block) * LANES);
          block += (end - column + (LANES - 1)) / LANES;
          for (; column < end; column += LANES) {
            uint count = (uint)min(end - column, (index_t)LANES);
            ulong element = (ulong)line * columns + column;
            \((loads + steps.statements + stores).joined(separator: "\n      "))
          }
        }
      }

      """
  }

  /// Work items that take `each` units one after the other, or units side by side.
  func grid(units: Int, each: Int, workPerUnit: Int) -> Grid {
    body == .wideItem
      ? Grid(workGroups: ((units + each - 1) / each, 1), workEach: each * workPerUnit)
      : Grid(items: units, local: workGroupSize, workPerItem: workPerUnit)
  }
}

/// A walk's numbers in blocks of LANES along its last side.
struct ElementBlocks {
  let lanes: Int
  let lines: Int
  let columns: Int
  private let isLong: Bool

  /// - Parameter rounds: How often the walk is gone through.
  init(_ walk: TensorWalk, lanes: Int, rounds: Int = 1) {
    self.lanes = lanes
    columns = walk.shape[walk.shape.count - 1]
    lines = walk.shape.dropLast().reduce(1, *)
    // Items past the end count on for a while.
    isLong = walk.count * rounds >= 1 << 31
  }

  /// The blocks of all lines.
  var count: Int { lines * ((columns + lanes - 1) / lanes) }

  /// The program of a generated kernel.
  func source(_ name: String, _ text: String, reduction: Reduction? = nil) -> KernelSource {
    var macros = ["LANES": lanes]
    if isLong { macros["LONG_INDEX"] = 1 }
    if let reduction { macros["REDUCTION"] = Int(reduction.rawValue) }
    return KernelSource(name, after: "formula", text: text, macros)
  }
}
