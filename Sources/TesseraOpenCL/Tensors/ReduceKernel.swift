internal import TesseraCompute

/// A reduction along one side: what it goes through, and the text of its kernels.
///
/// Every kernel takes units, each a run of at most 256 numbers for one element of the result or for
/// LANES of them. A run's result goes `run * distance` further than the element's place.
struct ReduceKernel {
  let steps: FormulaText
  let inputs: [TensorView<Float>]
  let results: [TensorView<Float>]
  let side: Int
  /// The numbers that are combined.
  let length: Int
  let reduction: Reduction
  /// The elements of a result: inputs, then results, along every side but the one combined.
  let walk: TensorWalk
  /// True if the numbers of a run are taken side by side, and not those of several elements.
  let isLines: Bool

  init(
    steps: FormulaText, inputs: [TensorView<Float>], results: [TensorView<Float>], side: Int,
    length: Int, reduction: Reduction
  ) {
    (self.steps, self.inputs, self.results) = (steps, inputs, results)
    (self.side, self.length, self.reduction) = (side, length, reduction)
    func others(_ sizes: [Int], _ missing: Int) -> [Int] {
      var sizes = sizes
      sizes.remove(at: side)
      return sizes.isEmpty ? [missing] : sizes
    }
    let views = inputs + results
    walk = TensorWalk(
      others(results[0].shape, 1), strides: views.map { others($0.strides, 0) },
      isSelection: views.map { $0.rows != nil && side != 0 })
    isLines =
      results[0].shape[(side + 1)...].allSatisfy { $0 == 1 }
      || inputs.allSatisfy { $0.strides[side] <= 1 && ($0.rows == nil || side != 0) }
  }

  // MARK: Text

  private func loads(_ sources: [KernelView], round: String? = nil) -> [String] {
    zip(steps.inputs, sources).map { "tessera_float a\($0) = \($1.load(round: round));" }
  }

  private func eachResult(_ text: (Int) -> String) -> [String] { results.indices.map(text) }

  /// An item combines sixteen numbers at a time.
  func wideLinesText(
    _ sources: [KernelView], _ targets: [KernelView], _ kernel: KernelParameters,
    _ beforeUnit: [String]
  ) -> String {
    let starts = eachResult { "tessera_float t\($0) = TESSERA_FLOAT(START);" }
    let sums = eachResult { "t\($0) = combine(t\($0), keep(\(steps.results[$0]), count));" }
    let stores = eachResult {
      "r\($0)[r\($0)_at + (ulong)run * distance] = combine_lanes(t\($0));"
    }
    return """
      __kernel void reduce(\(kernel.text)) {
        index_t unit = (index_t)get_global_id(0) * (index_t)each;
        index_t last = min(unit + (index_t)each, (index_t)(elements * runs));
        for (; unit < last; unit++) {
          index_t line = unit / (index_t)runs, run = unit - line * (index_t)runs;
          \((beforeUnit + starts).joined(separator: "\n    "))
          index_t column = run * 256;
          index_t end = min(column + 256, (index_t)length);
          for (; column < end; column += LANES) {
            uint count = (uint)min(end - column, (index_t)LANES);
            \((loads(sources) + steps.statements + sums).joined(separator: "\n      "))
          }
          \(stores.joined(separator: "\n    "))
        }
      }

      """
  }

  /// Sixteen items combine a run, each the numbers of one lane.
  func tileLinesText(
    _ sources: [KernelView], _ targets: [KernelView], _ kernel: KernelParameters,
    _ beforeUnit: [String]
  ) -> String {
    let lanes = eachResult { "__local float lanes\($0)[GROUP];" }
    let starts = eachResult { "float t\($0) = START;" }
    let sums = eachResult { "t\($0) = combine(t\($0), \(steps.results[$0]));" }
    let puts = eachResult { "lanes\($0)[item] = t\($0);" }
    let pairs = eachResult {
      "lanes\($0)[item] = combine(lanes\($0)[item], lanes\($0)[item + width]);"
    }
    let stores = eachResult { "r\($0)[r\($0)_at + (ulong)run * distance] = lanes\($0)[item];" }
    return """
      __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void reduce(\(kernel.text)) {
        \(lanes.joined(separator: "\n  "))
        uint item = get_local_id(0);
        uint lane = item % 16;
        index_t unit = (index_t)group_index(0) * (GROUP / 16) + item / 16;
        bool is_there = unit < (index_t)(elements * runs);
        if (!is_there) unit = 0;
        index_t line = unit / (index_t)runs, run = unit - line * (index_t)runs;
        \((beforeUnit + starts).joined(separator: "\n  "))
        index_t end = min(run * 256 + 256, (index_t)length);
        for (index_t column = run * 256 + lane; column < end; column += 16) {
          const uint count = 1;
          \((loads(sources) + steps.statements + sums).joined(separator: "\n    "))
        }
        \(puts.joined(separator: "\n  "))
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint width = 8; width > 0; width /= 2) {
          if (lane < width) {
            \(pairs.joined(separator: "\n      "))
          }
          barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (is_there && lane == 0) {
          \(stores.joined(separator: "\n    "))
        }
      }

      """
  }

  /// An item combines numbers of LANES elements, row after row.
  func rowsText(
    _ sources: [KernelView], _ targets: [KernelView], _ kernel: KernelParameters,
    _ beforeUnit: [String]
  ) -> String {
    let starts =
      eachResult { "tessera_float t\($0)[16];" }
      + eachResult { "for (uint i = 0; i < 16; i++) t\($0)[i] = TESSERA_FLOAT(START);" }
    let sums = eachResult {
      "t\($0)[i % 16] = combine(t\($0)[i % 16], \(steps.results[$0]));"
    }
    let pairs = eachResult { "t\($0)[i] = combine(t\($0)[i], t\($0)[i + width]);" }
    let stores = eachResult {
      targets[$0].store("t\($0)[0]", distance: " + (ulong)run * distance")
    }
    return """
      __kernel void reduce(\(kernel.text)) {
        index_t blocks = ((index_t)columns + (LANES - 1)) / LANES;
        index_t unit = (index_t)get_global_id(0) * (index_t)each;
        index_t last =
            min(unit + (index_t)each, (index_t)(elements / columns) * blocks * (index_t)runs);
        for (; unit < last; unit++) {
          index_t row = unit / blocks, line = row / (index_t)runs;
          index_t column = (unit - row * blocks) * LANES, run = row - line * (index_t)runs;
          uint count = (uint)min((index_t)columns - column, (index_t)LANES);
          \((beforeUnit + starts).joined(separator: "\n    "))
          index_t end = min(run * 256 + 256, (index_t)length);
          for (index_t i = run * 256; i < end; i++) {
            \((loads(sources, round: "i") + steps.statements + sums).joined(separator: "\n      "))
          }
          for (uint width = 8; width > 0; width /= 2) {
            for (uint i = 0; i < width; i++) {
              \(pairs.joined(separator: "\n        "))
            }
          }
          \(stores.joined(separator: "\n    "))
        }
      }

      """
  }

  /// Combines `width` neighbours of results that lie `elements` apart, by a counter of pairs: the same
  /// pairs as level by level.
  static func combineText(_ kernel: KernelParameters, _ beforeUnit: [String], width: Int) -> String
  {
    """
    __kernel void combine_runs(\(kernel.text)) {
      index_t unit = (index_t)get_global_id(0) * (index_t)each;
      index_t last = min(unit + (index_t)each, (index_t)units);
      for (; unit < last; unit++) {
        index_t block = unit / (index_t)elements, line = unit - block * (index_t)elements;
        \(beforeUnit.joined(separator: "\n    "))
        index_t first = block * \(width);
        uint count = (uint)min((index_t)runs - first, (index_t)\(width));
        __global const float *x = x0 + x0_start + (ulong)first * elements + line;
        // The first is never used: a compiler may read below the depth before it looks at it.
        float waiting[9];
        waiting[0] = 0.0f;
        uint depth = 0;
        for (uint i = 0; i < count; i++) {
          float value = x[(ulong)i * elements];
          for (uint pairs = i; pairs & 1; pairs >>= 1) value = combine(waiting[depth--], value);
          waiting[++depth] = value;
        }
        float value = waiting[depth--];
        while (depth > 0) value = combine(waiting[depth--], value);
        r0[r0_at + (ulong)block * distance] = value;
      }
    }

    """
  }
}
