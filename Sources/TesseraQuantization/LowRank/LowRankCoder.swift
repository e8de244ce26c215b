import TesseraCompute
import TesseraHost

/// Chooses the numbers of low-rank codes, one subspace after the other.
///
/// Subspaces overlap: their projections are not orthogonal to each other. What subspace p should
/// stand for is its latent numbers less what the other subspaces contribute to them, and as the
/// projection's rows are orthonormal within a subspace, the best codeword is then the nearest.
struct LowRankCoder {
  private let subspaceCount: Int
  private let width: Int
  private let codewordCount: Int
  private(set) var codewords: [Float]
  /// The products of the projection's rows with each other.
  private let gram: [Float]

  init(_ quantizer: LowRankQuantizer, on device: any Device) throws(TesseraError) {
    subspaceCount = quantizer.subspaceCount
    width = quantizer.latent
    codewordCount = 1 << quantizer.bits
    codewords = quantizer.codewords
    gram = try quantizer.map.apply(
      to: Vectors(quantizer.projection, dimension: quantizer.dimension), on: device, "train")
  }

  /// The nearest codewords as if subspaces did not overlap.
  func nearest(_ latents: [Float], on device: any Device) throws(TesseraError) -> [UInt16] {
    let columns = subspaceCount * width
    let rows = try device.upload(latents, rows: latents.count / columns, columns: columns)
    return try SubspaceEncoder(codewords, subspaceCount: subspaceCount, width: width, on: device)
      .numbers(rows).map(UInt16.init)
  }

  /// Chooses every number anew, given the others.
  func improve(
    _ numbers: inout [UInt16], _ latents: [Float], on device: any Device
  ) throws(TesseraError) {
    for subspace in 0..<subspaceCount {
      try StopSignal.check()
      let targets = try targets(of: subspace, numbers, latents, device.hostWorkers)
      try choose(subspace, &numbers, targets, on: device)
    }
  }

  /// Like `improve`, and makes each subspace's codewords the means of what they should stand for.
  mutating func refine(
    _ numbers: inout [UInt16], _ latents: [Float], random: inout SplitMix64, on device: any Device
  ) throws(TesseraError) {
    for subspace in 0..<subspaceCount {
      try StopSignal.check()
      let targets = try targets(of: subspace, numbers, latents, device.hostWorkers)
      let rows = try choose(subspace, &numbers, targets, on: device)
      let labels = try device.upload(
        stride(from: subspace, to: numbers.count, by: subspaceCount).map { Int32(numbers[$0]) },
        rows: rows.rows, columns: 1)
      let sums = try device.allocate(Double.self, rows: codewordCount, columns: width)
      let counts = try device.allocate(Int32.self, rows: codewordCount, columns: 1)
      try device.accumulateClusters(rows, labels, into: sums, counts)
      let totals = try device.download(sums)
      for (codeword, count) in try device.download(counts).enumerated() {
        let start = (subspace * codewordCount + codeword) * width
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
    _ subspace: Int, _ numbers: inout [UInt16], _ targets: [Float], on device: any Device
  ) throws(TesseraError) -> Matrix<Float> {
    let rows = try device.upload(targets, rows: targets.count / width, columns: width)
    let own = Array(
      codewords[subspace * codewordCount * width..<(subspace + 1) * codewordCount * width])
    let chosen = try SubspaceEncoder(own, subspaceCount: 1, width: width, on: device).numbers(rows)
    for (row, number) in chosen.enumerated() {
      numbers[row * subspaceCount + subspace] = UInt16(number)
    }
    return rows
  }

  private typealias Lanes = SIMD4<Float>

  /// Returns what the codewords of one subspace should stand for, row by row.
  private func targets(
    of subspace: Int, _ numbers: [UInt16], _ latents: [Float], _ workers: WorkerPool
  ) throws(TesseraError) -> [Float] {
    let chunks = (width + 3) / 4
    let table = contributions(to: subspace, chunks: chunks)
    return try workers.makeEachRow(numbers.count / subspaceCount, of: width) { row, targets in
      let own = latents.span.extracting(.row(row * subspaceCount + subspace, of: width))
      for chunk in 0..<chunks {
        var sum = Lanes()
        for other in 0..<subspaceCount {
          let codeword = other * codewordCount + Int(numbers[row * subspaceCount + other])
          sum += table[codeword * chunks + chunk]
        }
        for lane in 0..<Swift.min(4, width - 4 * chunk) {
          targets[4 * chunk + lane] = own[4 * chunk + lane] - sum[lane]
        }
      }
    }
  }

  /// Returns what each codeword of the other subspaces adds to the latent numbers of `subspace`;
  /// the subspace's own codewords add nothing.
  private func contributions(to subspace: Int, chunks: Int) -> [Lanes] {
    var table = [Lanes](repeating: Lanes(), count: subspaceCount * codewordCount * chunks)
    let columns = subspaceCount * width
    for other in 0..<subspaceCount where other != subspace {
      for codeword in other * codewordCount..<(other + 1) * codewordCount {
        for i in 0..<width {
          var sum: Float = 0
          for j in 0..<width {
            sum +=
              gram[(subspace * width + i) * columns + other * width + j]
              * codewords[codeword * width + j]
          }
          table[codeword * chunks + i / 4][i % 4] = sum
        }
      }
    }
    return table
  }
}
