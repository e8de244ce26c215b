import TesseraCompute
import TesseraHost

/// Chooses the numbers of low-rank codes, one part after the other.
///
/// Parts overlap: their projections are not orthogonal to each other. What part p should stand for
/// is its latent numbers less what the other parts contribute to them, and as the projection's rows
/// are orthonormal within a part, the best codeword is then the nearest.
struct LowRankCoder {
  private let partCount: Int
  private let width: Int
  private let codewordCount: Int
  private(set) var codewords: [Float]
  /// The products of the projection's rows with each other.
  private let gram: [Float]

  init(_ quantizer: LowRankQuantizer, on device: any Device) throws(TesseraError) {
    partCount = quantizer.partCount
    width = quantizer.latent
    codewordCount = 1 << quantizer.bits
    codewords = quantizer.codewords
    gram = try quantizer.map.apply(
      to: Vectors(quantizer.projection, dimension: quantizer.dimension), on: device, "train")
  }

  /// The nearest codewords as if parts did not overlap.
  func nearest(_ latents: [Float], on device: any Device) throws(TesseraError) -> [UInt16] {
    let columns = partCount * width
    let rows = try device.upload(latents, rows: latents.count / columns, columns: columns)
    return try PartEncoder(codewords, parts: partCount, width: width, on: device)
      .numbers(rows).map(UInt16.init)
  }

  /// Chooses every number anew, given the others.
  func improve(
    _ numbers: inout [UInt16], _ latents: [Float], on device: any Device
  ) throws(TesseraError) {
    for part in 0..<partCount {
      try StopSignal.check()
      let targets = try targets(of: part, numbers, latents, device.hostWorkers)
      try choose(part, &numbers, targets, on: device)
    }
  }

  /// Like `improve`, and makes each part's codewords the means of what they should stand for.
  mutating func refine(
    _ numbers: inout [UInt16], _ latents: [Float], random: inout SplitMix64, on device: any Device
  ) throws(TesseraError) {
    for part in 0..<partCount {
      try StopSignal.check()
      let targets = try targets(of: part, numbers, latents, device.hostWorkers)
      let rows = try choose(part, &numbers, targets, on: device)
      let labels = try device.upload(
        stride(from: part, to: numbers.count, by: partCount).map { Int32(numbers[$0]) },
        rows: rows.rows, columns: 1)
      let sums = try device.allocate(Double.self, rows: codewordCount, columns: width)
      let counts = try device.allocate(Int32.self, rows: codewordCount, columns: 1)
      try device.accumulateClusters(rows, labels, into: sums, counts)
      let totals = try device.download(sums)
      for (codeword, count) in try device.download(counts).enumerated() {
        let start = (part * codewordCount + codeword) * width
        if count > 0 {
          for i in 0..<width {
            codewords[start + i] = Float(totals[codeword * width + i] / Double(count))
          }
        } else {
          // Nobody's: it may find points next turn where it is put now, and harms none.
          let row = random.nextIndex(below: rows.rows)
          for i in 0..<width { codewords[start + i] = targets[row * width + i] }
        }
      }
    }
  }

  @discardableResult
  private func choose(
    _ part: Int, _ numbers: inout [UInt16], _ targets: [Float], on device: any Device
  ) throws(TesseraError) -> Matrix<Float> {
    let rows = try device.upload(targets, rows: targets.count / width, columns: width)
    let own = Array(codewords[part * codewordCount * width..<(part + 1) * codewordCount * width])
    let chosen = try PartEncoder(own, parts: 1, width: width, on: device).numbers(rows)
    for (row, number) in chosen.enumerated() { numbers[row * partCount + part] = UInt16(number) }
    return rows
  }

  private typealias Lanes = SIMD4<Float>

  /// Returns what the codewords of one part should stand for, row by row.
  private func targets(
    of part: Int, _ numbers: [UInt16], _ latents: [Float], _ workers: WorkerPool
  ) throws(TesseraError) -> [Float] {
    let chunks = (width + 3) / 4
    let table = contributions(to: part, chunks: chunks)
    return try workers.makeEachRow(numbers.count / partCount, of: width) { row, targets in
      let own = latents.span.extracting(.row(row * partCount + part, of: width))
      for chunk in 0..<chunks {
        var sum = Lanes()
        for other in 0..<partCount {
          let codeword = other * codewordCount + Int(numbers[row * partCount + other])
          sum += table[codeword * chunks + chunk]
        }
        for lane in 0..<Swift.min(4, width - 4 * chunk) {
          targets[4 * chunk + lane] = own[4 * chunk + lane] - sum[lane]
        }
      }
    }
  }

  /// Returns what each codeword of the other parts adds to the latent numbers of `part`; the part's
  /// own codewords add nothing.
  private func contributions(to part: Int, chunks: Int) -> [Lanes] {
    var table = [Lanes](repeating: Lanes(), count: partCount * codewordCount * chunks)
    let columns = partCount * width
    for other in 0..<partCount where other != part {
      for codeword in other * codewordCount..<(other + 1) * codewordCount {
        for i in 0..<width {
          var sum: Float = 0
          for j in 0..<width {
            sum +=
              gram[(part * width + i) * columns + other * width + j]
              * codewords[codeword * width + j]
          }
          table[codeword * chunks + i / 4][i % 4] = sum
        }
      }
    }
    return table
  }
}
