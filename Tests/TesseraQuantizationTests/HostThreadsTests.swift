import Synchronization
import TesseraCPU
import TesseraCompute
import TesseraHost
import TestSupport
import Testing

@testable import TesseraQuantization

/// A device that says it is a GPU, and lets the reference device work: what quantizers leave to the
/// host must take all of the host's threads beside it.
final class PretendedGPU: ReferenceMemory {
  let info = DeviceInfo(
    identifier: "pretended", name: "Pretended GPU", kind: .gpu, variant: "reference",
    memoryBytes: 1 << 40, computeUnits: 1, accelerated: [])
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
      let limit = ContinuousClock.now + .seconds(60)
      while arrived.load(ordering: .relaxed) < 2, ContinuousClock.now < limit {}
      for row in 0..<range.count { met[row] = arrived.load(ordering: .relaxed) >= 2 }
    }
    #expect(met.allSatisfy { $0 })
  }

  /// The processor time that the calling thread spends on `work`: all of it where it works alone.
  static func ownSeconds(_ work: () throws -> Void) rethrows -> Double {
    func now() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }
    let start = now()
    try work()
    return now() - start
  }

  @Test(
    "training, codes and the tables of a code search leave work to other threads",
    .enabled(if: WorkerPool.host.count > 1))
  func shared() throws {
    var random = SplitMix64(seed: 2)
    let points = try Vectors(
      (0..<20_000 * 64).map { _ in random.nextGaussian() }, dimension: 64)
    let gpu = PretendedGPU()
    let single = try CPUDevice(threads: 1)
    let product = try #require(
      try QuantizerFactory.recipe("PQ8x8").train(points.rows(0..<2000), on: single).quantizer
        as? ProductQuantizer)
    let tables = CodewordTables(product)
    let rabitq = try QuantizerFactory.recipe("RaBitQ4").train(points, on: single).quantizer
    let codes = try rabitq.encode(points, on: single)
    let works: [(String, (any Device) throws -> Void)] = [
      ("SQ8 training", { _ = try QuantizerFactory.recipe("SQ8").train(points, on: $0) }),
      ("RaBitQ training", { _ = try QuantizerFactory.recipe("RaBitQ4").train(points, on: $0) }),
      ("RaBitQ decoding", { _ = try rabitq.decode(codes, on: $0) }),
      ("PQ tables", { _ = try tables.tables(of: points, metric: .squaredL2, on: $0) }),
    ]
    for (name, work) in works {
      let alone = try Self.ownSeconds { try work(single) }
      // Other tests, and shared machines, lend no second core at times: try for a while.
      var least = Double.infinity
      let end = ContinuousClock.now + .seconds(60)
      while least > 0.8 * alone, ContinuousClock.now < end {
        least = min(least, try Self.ownSeconds { try work(gpu) })
      }
      #expect(least <= 0.8 * alone, "\(name): \(least) s of \(alone) s")
    }
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
