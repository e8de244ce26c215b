import TesseraCPU
import TesseraCompute
import TestSupport
import Testing

@testable import TesseraDevices

@Suite struct ShardedDeviceTests {
  private static func rows(_ count: Int, seed: UInt64, dimension: Int = 19) throws -> Vectors {
    var random = SplitMix64(seed: seed)
    // Few values, so that equal scores meet across shards.
    let values = (0..<count * dimension).map { _ in (random.nextUnit() * 4).rounded() - 2 }
    return try Vectors(values.map(Float.init), dimension: dimension)
  }

  private static func sharded(_ shares: [Double]) throws -> ShardedDevice {
    let cpu = try CPUDevice(threads: 1)
    let devices: [any Device] = [cpu, ReferenceDevice.shared, cpu, ReferenceDevice.shared]
    return try ShardedDevice(Array(devices.prefix(shares.count)), shares: shares)
  }

  @Test(
    "hits are the bytes of one device, however rows are shared out",
    arguments: [[1], [1, 1], [0.001, 1000], [3, 1, 2], [1, 1, 1, 1]], Metric.allCases)
  func sameBytes(_ shares: [Double], _ metric: Metric) throws {
    let sharded = try Self.sharded(shares)
    let queries = try Self.rows(7, seed: 2)
    for (count, k) in [(0, 3), (1, 3), (3, 5), (100, 1), (100, 60), (333, 10), (333, 400)] {
      let vectors = try Self.rows(count, seed: 1)
      let set = try sharded.prepare(vectors, metric: metric, firstID: 40)
      let whole = try ReferenceDevice.shared.prepare(vectors, metric: metric, firstID: 40)
      for selector in [nil, IDSelector.range(50..<90), .range(0..<40)] as [IDSelector?] {
        let hits = try sharded.nearest(queries, in: set, k: k, only: selector)
        let expected = try ReferenceDevice.shared.nearest(queries, in: whole, k: k, only: selector)
        #expect(hits.hitCount == expected.hitCount)
        #expect(hits.ids == expected.ids)
        #expect(hits.scores.map(\.bitPattern) == expected.scores.map(\.bitPattern))
        #expect(hits.statistics.certified)
      }
    }
  }

  @Test("every device holds its share of the rows")
  func shares() throws {
    let sharded = try Self.sharded([3, 1])
    let shape = DeviceChoiceTests.search(rows: 1000, queries: 1)
    var (large, small) = (shape, shape)
    (large.rows, small.rows) = (750, 250)
    let (cpu, reference) = (sharded.devices[0].cost(of: large), sharded.devices[1].cost(of: small))
    #expect(sharded.cost(of: shape).residentBytes == cpu.residentBytes + reference.residentBytes)
    #expect(sharded.info.variant == "75 % cpu, 25 % reference")
    let set = try sharded.prepare(try Self.rows(1000, seed: 3), metric: .cosine, firstID: 0)
    #expect(set.residentBytes > 0)
  }

  @Test("bad rows are named by their place in the whole set")
  func nonFinite() throws {
    let sharded = try Self.sharded([1, 1])
    var values = [Float](repeating: 1, count: 20)
    values[17] = .nan
    let vectors = try Vectors(values, dimension: 2)
    let error = #expect(throws: TesseraError.self) {
      try sharded.prepare(vectors, metric: .squaredL2, firstID: 0)
    }
    #expect(error?.code == .nonFinite)
    #expect(error?.message.contains("row 8") == true)
    let set = try sharded.prepare(try Self.rows(9, seed: 1), metric: .cosine, firstID: 0)
    #expect(
      throws: TesseraError.self,
      performing: {
        try sharded.nearest(
          try Vectors([Float](repeating: .infinity, count: 19), dimension: 19), in: set, k: 1)
      })
  }

  @Test("what its devices have overcome is told")
  func faults() throws {
    let faults = ["first", "second"].map { TesseraError(.deviceLost, $0) }
    let sharded = try ShardedDevice(
      [ReferenceDevice.shared] + faults.map(DeviceWithFault.init), shares: [1, 1, 1])
    #expect(sharded.faults == faults)
  }

  @Test("what cannot be shared out is refused by name")
  func refusals() throws {
    let sharded = try Self.sharded([1, 1])
    let memory = #expect(throws: TesseraError.self) { try sharded.allocate(byteCount: 4) }
    #expect(memory?.code == .unsupported)
    #expect(memory?.message.contains("cpu or reference") == true)
    let set = try ReferenceDevice.shared.prepare(try Self.rows(9, seed: 1), metric: .cosine)
    let foreign = #expect(throws: TesseraError.self) {
      try sharded.nearest(try Self.rows(1, seed: 2), in: set, k: 1)
    }
    #expect(foreign?.code == .wrongDevice)
    for shares in [[1, 0], [1, .nan], [1, -1], [1, .infinity], [1]] {
      #expect(throws: TesseraError.self) {
        try ShardedDevice([ReferenceDevice.shared, ReferenceDevice.shared], shares: shares)
      }
    }
    #expect(throws: TesseraError.self) { try ShardedDevice([], shares: []) }
  }
}

/// A device that has overcome a fault, and does nothing else.
private final class DeviceWithFault: NoMemory {
  let info = ReferenceDevice.shared.info
  let faults: [TesseraError]

  init(_ fault: TesseraError) { faults = [fault] }

}
