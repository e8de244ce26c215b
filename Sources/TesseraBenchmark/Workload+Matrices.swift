import TesseraCompute

/// Products of matrices, and selection from them.
extension Workload {
  static func multiply(
    on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    let side = size.pick(256, 1024, 2048, 8192)
    let left = BenchmarkInput.uniform(side * side, seed: 21)
    let right = BenchmarkInput.uniform(side * side, seed: 22)
    let a = try device.upload(left, rows: side, columns: side)
    let b = try device.upload(right, rows: side, columns: side)
    let result = try device.allocate(Float.self, rows: side, columns: side)
    return Workload(
      shape: ["rows": side, "columns": side, "dimension": side],
      work: 2 * Double(side) * Double(side) * Double(side)
    ) { () throws(TesseraError) in
      try device.multiply(
        a, transposed: false, b, transposed: false, alpha: 1, beta: 0, into: result)
    } check: { () throws(TesseraError) in
      var checked = 0
      for row in stride(from: 0, to: side, by: side / 4) {
        let found = try device.download(result.rows(row..<row + 1))
        for column in stride(from: row % 7, to: side, by: side / 8) {
          var exact = 0.0
          var squares = (0.0, 0.0)
          for inner in 0..<side {
            let (x, y) = (Double(left[row * side + inner]), Double(right[inner * side + column]))
            exact += x * y
            squares = (squares.0 + x * x, squares.1 + y * y)
          }
          // The bound that `Device.innerProducts` promises.
          let bound =
            Double(side) * (0x1p-23 * (squares.0 * squares.1).squareRoot() + 0x1p-126)
          guard abs(Double(found[column]) - exact) <= bound else {
            throw .wrongResult(
              .multiply, device,
              "\(found[column]) at (\(row), \(column)) is not within \(bound) of \(exact)")
          }
          checked += 1
        }
      }
      return checked
    }
  }

  static func roundedProducts(
    of numbers: RoundedNumber, on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    guard let device = device as? any RoundedMultiplier else {
      throw TesseraError(
        .unsupported, "the device has no unit that multiplies matrices of \(numbers.rawValue)")
    }
    let (queries, rows, dimension) = size.pick(
      (128, 1024, 128), (1024, 16_384, 256), (4096, 65_536, 512), (16_384, 262_144, 512))
    let products = try device.roundedProducts(
      of: numbers, queries: queries, rows: rows, dimension: dimension)
    let task: BenchmarkTask = numbers == .float16 ? .multiplyFloat16 : .multiplyInt8
    return Workload(
      shape: ["queries": queries, "rows": rows, "dimension": dimension],
      work: 2 * Double(queries) * Double(rows) * Double(dimension), run: products.run
    ) { () throws(TesseraError) in
      if let mistake = try products.mistake() { throw .wrongResult(task, device, mistake) }
      return products.keptCount
    }
  }

  static func topK(on device: any Device, _ size: BenchmarkSize) throws(TesseraError) -> Workload {
    let (rows, width, k) = size.pick(
      (1, 100_000, 10), (256, 50_000, 10), (512, 100_000, 100), (8192, 100_000, 100))
    let row = BenchmarkInput.uniform(width, seed: 23)
    // One row after the other would take longer to make than to select from: rows are alike.
    let scores = try device.allocate(Float.self, rows: rows, columns: width)
    for index in 0..<rows { try device.upload(row, to: scores.rows(index..<index + 1)) }
    let values = try device.allocate(Float.self, rows: rows, columns: k)
    let columns = try device.allocate(Int32.self, rows: rows, columns: k)
    return Workload(
      shape: ["rows": rows, "columns": width, "k": k], work: Double(scores.byteCount)
    ) { () throws(TesseraError) in
      try device.topK(scores, order: .largestFirst, into: values, columns)
    } check: { () throws(TesseraError) in
      let best = row.indices.sorted { (row[$0], $1) > (row[$1], $0) }.prefix(k)
      let last = rows - 1..<rows
      return try compare(.topK, device, columns.rows(last), best.map(Int32.init))
        + compare(.topK, device, values.rows(last), best.map { row[$0] })
    }
  }
}
