import Synchronization
import TesseraCPU
import TesseraCompute
import TesseraHost
import Testing

@testable import TesseraQuantization

/// A device that says it is a GPU, and lets the reference device work: what quantizers leave to the
/// host must take all of the host's threads beside it.
final class PretendedGPU: Device {
  let info = DeviceInfo(
    identifier: "pretended", name: "Pretended GPU", kind: .gpu, variant: "reference",
    memoryBytes: 1 << 40, computeUnits: 1, accelerated: [])

  func allocate(byteCount: Int) throws(TesseraError) -> Storage {
    try ReferenceDevice.shared.allocate(byteCount: byteCount)
  }

  func upload(
    _ source: UnsafeRawBufferPointer, to target: Storage, at byteOffset: Int
  ) throws(TesseraError) {
    try ReferenceDevice.shared.upload(source, to: target, at: byteOffset)
  }

  func download(
    _ source: Storage, at byteOffset: Int, to target: UnsafeMutableRawBufferPointer
  ) throws(TesseraError) {
    try ReferenceDevice.shared.download(source, at: byteOffset, to: target)
  }
}

@Suite("host threads beside a GPU")
struct HostThreadsTests {
  @Test("a GPU leaves the host all of its threads, a CPU device as many as it was given")
  func counts() throws {
    #expect(PretendedGPU().hostWorkers.count == WorkerPool.host.count)
    #expect(try CPUDevice(threads: 1).hostWorkers.count == 1)
  }

  @Test("rows are made on several threads at once", .enabled(if: WorkerPool.host.count > 1))
  func several() throws {
    // Both of two ranges wait for the other: one thread alone would never pass.
    let arrived = Atomic(0)
    let workers = PretendedGPU().hostWorkers
    let met: [Bool] = try workers.makeRows(workers.count * 4, of: 1, minimum: 1) { range, met in
      arrived.wrappingAdd(1, ordering: .relaxed)
      let limit = ContinuousClock.now + .seconds(10)
      while arrived.load(ordering: .relaxed) < 2, ContinuousClock.now < limit {}
      for row in 0..<range.count { met[row] = arrived.load(ordering: .relaxed) >= 2 }
    }
    #expect(met.allSatisfy { $0 })
  }

  @Test(
    "training and code search keep more than one thread busy",
    .enabled(if: WorkerPool.host.count > 1), arguments: ["SQ8", "RaBitQ4"])
  func busy(_ specification: String) throws {
    var random = SplitMix64(seed: 2)
    let points = try Vectors(
      (0..<20_000 * 64).map { _ in random.nextGaussian() }, dimension: 64)
    let gpu = PretendedGPU()
    // Shared machines lend no second core at times.
    var best = 0.0
    for _ in 0..<5 where best < 1.3 {
      let (wall, processor) = (ContinuousClock.now, clock())
      _ = try QuantizerFactory.recipe(specification).train(points, on: gpu)
      let seconds = (ContinuousClock.now - wall) / .seconds(1)
      best = max(best, Double(clock() - processor) / Double(CLOCKS_PER_SEC) / seconds)
    }
    #expect(best > 1.3, "threads busy on average")
  }

  @Test("rows of many threads equal those of one")
  func same() throws {
    let wide = WorkerPool(count: 7)
    let narrow = WorkerPool(count: 1)
    for (count, width) in [(0, 3), (1, 1), (63, 2), (1000, 5), (10, 0)] {
      let rows = try [wide, narrow].map { workers throws(TesseraError) -> [Int] in
        var rows: [Int] = try workers.makeEachRow(count, of: width) { row, values in
          for column in values.indices { values[column] = row * 10 + column }
        }
        try workers.updateEachRow(of: &rows, width: width) { row, values in
          for column in values.indices { values[column] += row }
        }
        return rows
      }
      #expect(rows[0] == rows[1] && rows[0].count == count * width)
    }
    let error = #expect(throws: TesseraError.self) {
      let _: [Int] = try wide.makeEachRow(1000, of: 1) { row, values throws(TesseraError) in
        values[0] = row
        if row == 500 { throw TesseraError(.invalidArgument, "row 500") }
      }
    }
    #expect(error?.message == "row 500")
  }
}
