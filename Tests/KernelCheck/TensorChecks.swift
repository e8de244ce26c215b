import TesseraCompute

/// Operations on tensors: each kernel at least once with more than one group and with a ragged edge, for
/// tensors that lie one after the other, apart, and in chosen rows.
let tensorChecks: [Check] =
  [
    applyCheck([3, 70], transposed: false, selected: false),
    applyCheck([20, 17], transposed: true, selected: false),
    applyCheck([19, 5], transposed: false, selected: true),
    applyCheck([300, 1], transposed: false, selected: true),
    reduceCheck([3, 70], along: 1), reduceCheck([2, 700], along: 1),
    reduceCheck([19, 21], along: 0), reduceCheck([530, 3], along: 0),
    reduceCheck([2, 18, 5], along: 1),
    productCheck([13, 20], [20, 37], transposed: false, adding: false),
    productCheck([70, 260], [260, 33], transposed: true, adding: true),
    productCheck([2, 5, 7], [7, 4], transposed: false, adding: true),
    sparseCheck(width: 83, hasValues: true, adding: true),
    sparseCheck(width: 5, hasValues: false, adding: false),
  ]

private func tensor(
  _ shape: [Int], seed: Int, transposed: Bool = false, on device: any Device
) throws -> TensorView<Float> {
  var stored = shape
  if transposed { stored.swapAt(shape.count - 1, shape.count - 2) }
  let memory = try device.upload(
    numbers(shape.reduce(1, *), seed: seed), rows: 1, columns: shape.reduce(1, *))
  let view = TensorView<Float>(memory.storage, offset: memory.offset, shape: stored)
  return transposed ? view.transposed : view
}

private func content(_ view: TensorView<Float>, on device: any Device) throws -> [Float] {
  let count = view.storage.byteCount / 4
  return try device.download(Matrix<Float>(view.storage, rows: 1, columns: count))
}

private func applyCheck(_ shape: [Int], transposed: Bool, selected: Bool) -> Check {
  Check("apply to \(shape)\(transposed ? ", transposed" : "")\(selected ? ", selected" : "")") {
    device in
    let formula = Formula(inputs: 2, parameters: 1) { x, p in
      [x[0] * x[1] + p[0], .select(x[0].isLess(than: x[1]), x[1].exp, .random(draw: 1))]
    }
    var x = try tensor(shape, seed: 1, transposed: transposed, on: device)
    if selected {
      x = try x.selecting(
        device.select((0..<shape[0]).map { Int32(shape[0] - 1 - $0) }, below: shape[0]))
    }
    let row = try tensor([1, shape[1]], seed: 2, on: device)
    var result = try tensor(shape, seed: 3, transposed: transposed, on: device)
    if selected {
      result = try result.selecting(
        device.select(
          (0..<shape[0]).map { Int32($0 ^ 1 < shape[0] ? $0 ^ 1 : $0) }, below: shape[0]))
    }
    let second = try tensor(shape, seed: 4, on: device)
    try device.apply(
      formula, to: [x, row], parameters: [0.5], random: RandomKey(seed: 7), into: [result, second])
    return try [content(result, on: device), content(second, on: device)]
  }
}

private func reduceCheck(_ shape: [Int], along side: Int) -> Check {
  Check("reduce \(shape) along \(side)") { device in
    let formula = Formula(inputs: 2) { x, _ in [x[0] * x[1], x[0] - x[1]] }
    var reduced = shape
    reduced[side] = 1
    var found: [[Float]] = []
    for reduction in Reduction.allCases {
      let results = try [
        tensor(reduced, seed: 3, on: device), tensor(reduced, seed: 4, on: device),
      ]
      try device.reduce(
        formula,
        of: [
          tensor(shape, seed: 1, on: device), tensor(shape, seed: 2, transposed: true, on: device),
        ], parameters: [], by: reduction, along: side, into: results)
      found += try results.map { try content($0, on: device) }
    }
    return found
  }
}

private func productCheck(_ a: [Int], _ b: [Int], transposed: Bool, adding: Bool) -> Check {
  Check("product of \(a) and \(b)\(transposed ? ", transposed" : "")") { device in
    let result = try tensor(Array(a.dropLast()) + [b[b.count - 1]], seed: 3, on: device)
    try device.product(
      tensor(a, seed: 1, transposed: transposed, on: device),
      tensor(b, seed: 2, transposed: transposed, on: device), adding: adding, into: result)
    return try content(result, on: device)
  }
}

private func sparseCheck(width: Int, hasValues: Bool, adding: Bool) -> Check {
  Check("sparse product, \(width) columns\(hasValues ? "" : ", no values")") { device in
    let starts = [0, 0, 1, 261, 268, 288, 291, 294, 299, 301]
    let matrix = try device.makeSparse(
      columns: 40, starts: starts, entryColumns: (0..<301).map { Int32($0 * 7 % 40) },
      values: hasValues ? numbers(301, seed: 1) : nil)
    let result = try tensor([9, width], seed: 3, on: device)
    try device.product(
      matrix, tensor([40, width], seed: 2, on: device), adding: adding, into: result)
    return try content(result, on: device)
  }
}
