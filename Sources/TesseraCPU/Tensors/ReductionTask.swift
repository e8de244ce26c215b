internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// Combines what a formula gives, along one side.
struct ReductionTask: Sendable {
  let program: FormulaProgram
  let kernels: Kernels
  let workers: WorkerPool
  let reduction: Reduction

  private var table: csimd_kernels { kernels.table.pointee }
  private var code: Int32 { reduction.rawValue }
  private static let random = RandomKey(seed: 0)

  // MARK: Along the last side

  /// Combines numbers that follow each other: sides after `side` are 1.
  func reduceLines(
    _ shape: [Int], _ side: Int, _ sources: [WalkedView], _ targets: [WalkedView]
  ) throws(TesseraError) {
    let length = shape[side]
    let lines = shape[..<side].reduce(1, *)
    var sources = sources
    let walk = TileWalk(shape, &sources)
    var targets = targets
    let results = TileWalk(Self.without(side, shape), &targets)
    // Whole lines in a tile where they fit; else a line is several tiles.
    let linesInTile = length == 0 ? FormulaProgram.tile : max(1, FormulaProgram.tile / length)
    let worthwhile = max(linesInTile, program.worthwhile / max(1, length))
    try workers.split(lines, minimum: worthwhile, maximum: 64 * linesInTile) {
      [sources, targets] range throws(TesseraError) in
      let runner = try FormulaRunner(program, kernels, random: Self.random)
      let scratch = try HostStorage(
        allocating: 4 * (targets.count * (linesInTile + length / Reduction.run + 1)))
      for line in stride(from: range.lowerBound, to: range.upperBound, by: linesInTile) {
        let count = min(linesInTile, range.upperBound - line)
        if length <= FormulaProgram.tile {
          if length > 0 {
            runner.run(
              walk, inputs: sources, results: [], first: line * length, count: count * length,
              element: 0)
          }
          for (place, target) in targets.enumerated() {
            table.combine_lines(
              code, length > 0 ? runner.result(place) : scratch.floats, count, length,
              scratch.floats)
            results.store(scratch.floats, first: line, count: count, in: target)
          }
        } else {
          reduceLine(walk, sources, runner, line, length, results, targets, scratch.floats)
        }
      }
    }
  }

  /// Combines a line of several tiles. `scratch` holds the results of its runs.
  private func reduceLine(
    _ walk: TileWalk, _ sources: [WalkedView], _ runner: FormulaRunner, _ line: Int, _ length: Int,
    _ results: TileWalk, _ targets: [WalkedView], _ scratch: UnsafeMutablePointer<Float>
  ) {
    let runs = (length + Reduction.run - 1) / Reduction.run
    for first in stride(from: 0, to: length, by: FormulaProgram.tile) {
      let count = min(FormulaProgram.tile, length - first)
      runner.run(
        walk, inputs: sources, results: [], first: line * length + first, count: count, element: 0)
      for place in targets.indices {
        table.combine_runs(
          code, runner.result(place), count, scratch + place * runs + first / Reduction.run)
      }
    }
    for (place, target) in targets.enumerated() {
      var value = table.combine_pairs(code, scratch + place * runs, runs)
      results.store(&value, first: line, count: 1, in: target)
    }
  }

  // MARK: Along another side

  /// The most columns that are combined side by side: sixteen lanes of them fit the nearest cache.
  private static let columns = 64

  /// Combines rows of numbers: the last side is not the one that goes away.
  func reduceRows(
    _ shape: [Int], _ side: Int, _ sources: [WalkedView], _ targets: [WalkedView]
  ) throws(TesseraError) {
    let last = shape.count - 1
    // Every other side: each of its places is a task of its own, as is each block of columns.
    let outer = shape.indices.filter { $0 != side && $0 != last }
    let blocks = (shape[last] + Self.columns - 1) / Self.columns
    let tasks = outer.reduce(1) { $0 * shape[$1] } * blocks
    let each = max(1, shape[side] * min(Self.columns, shape[last]))
    try workers.split(tasks, minimum: max(1, program.worthwhile / each)) {
      range throws(TesseraError) in
      let runner = try FormulaRunner(program, kernels, random: Self.random)
      for task in range {
        try StopSignal.check()
        let first = task % blocks * Self.columns
        let width = min(Self.columns, shape[last] - first)
        func place(_ view: WalkedView) -> WalkedView {
          var (view, rest) = (view, task / blocks)
          for side in outer.reversed() {
            let index = rest % shape[side]
            rest /= shape[side]
            view.start += side == 0 ? view.rowDistance(index) : index * view.strides[side]
          }
          view.start += first * view.strides[last]
          if side != 0 { view.rows = nil }
          view.strides = [view.strides[side], view.strides[last]]
          return view
        }
        var inputs = sources.map(place)
        let walk = TileWalk([shape[side], width], &inputs)
        try reduceColumns(walk, inputs, runner, rows: shape[side], width, targets.map(place))
      }
    }
  }

  /// Combines `width` columns.
  private func reduceColumns(
    _ walk: TileWalk, _ inputs: [WalkedView], _ runner: FormulaRunner, rows: Int, _ width: Int,
    _ targets: [WalkedView]
  ) throws(TesseraError) {
    let runs = max(1, (rows + Reduction.run - 1) / Reduction.run)
    let lanes = try HostStorage(allocating: 4 * targets.count * Reduction.lanes * width)
    let found = try HostStorage(allocating: 4 * targets.count * runs * width)
    let rowsInTile = FormulaProgram.tile / width / Reduction.lanes * Reduction.lanes
    for run in 0..<runs {
      let end = min(rows, (run + 1) * Reduction.run)
      lanes.floats.update(
        repeating: reduction.start, count: targets.count * Reduction.lanes * width)
      for row in stride(from: run * Reduction.run, to: end, by: rowsInTile) {
        let count = min(rowsInTile, end - row)
        runner.run(
          walk, inputs: inputs, results: [], first: row * width, count: count * width, element: 0)
        for place in targets.indices {
          table.combine_rows(
            code, runner.result(place), 0, count, width,
            lanes.floats + place * Reduction.lanes * width)
        }
      }
      for place in targets.indices {
        let own = lanes.floats + place * Reduction.lanes * width
        table.combine_wide_lanes(code, own, width)
        for column in 0..<width {
          found.floats[(place * width + column) * runs + run] = own[column]
        }
      }
    }
    for (place, target) in targets.enumerated() {
      for column in 0..<width {
        let own = found.floats + (place * width + column) * runs
        target.start[column * target.strides[1]] = table.combine_pairs(code, own, runs)
      }
    }
  }

  private static func without(_ side: Int, _ shape: [Int]) -> [Int] {
    var shape = shape
    shape[side] = 1
    return shape
  }
}
