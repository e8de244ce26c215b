import TesseraCompute
import TestSupport
import Testing

@Suite("SearchPlan")
struct SearchPlanTests {
  /// The reference device's memory, with a cost that is easy to work out by hand.
  private final class CostedDevice: ReferenceMemory {
    let info: DeviceInfo

    init(maxAllocationBytes: Int = .max) {
      info = DeviceInfo(
        identifier: "costed", name: "Costed", kind: .cpu, variant: "", memoryBytes: .max,
        maxAllocationBytes: maxAllocationBytes, computeUnits: 1, accelerated: [])
    }

    func cost(of search: SearchShape) -> SearchCost {
      SearchCost(
        residentBytes: search.rows * 10, workingBytes: 100 + search.queryCount,
        largestAllocationBytes: search.rows * 10)
    }
  }

  private func plan(rows: Int, budget: Int) throws(TesseraError) -> SearchPlan {
    let shape = SearchShape(
      rows: rows, dimension: 3, element: .float32, metric: .cosine, queryCount: 50, k: 4)
    return try SearchPlan(shape, on: CostedDevice(), memoryBudget: budget)
  }

  @Test(
    "takes the fewest chunks that fit, of equal size",
    arguments: [
      // 150 bytes whatever the rows, and 10 a row.
      (1000, 10_150, 1000, 1), (1000, 10_149, 500, 2), (1000, 5150, 500, 2), (1000, 5149, 334, 3),
      (1000, 160, 1, 1000), (1, 160, 1, 1), (7, 1_000_000, 7, 1), (0, 200, 0, 0), (0, 0, 0, 0),
    ])
  func chunks(_ rows: Int, _ budget: Int, _ rowsPerChunk: Int, _ chunkCount: Int) throws {
    let plan = try plan(rows: rows, budget: budget)
    #expect(plan.rowsPerChunk == rowsPerChunk && plan.chunkCount == chunkCount)
    #expect(plan.cost.residentBytes == rowsPerChunk * 10)
    #expect(rows == 0 || plan.cost.peakBytes <= budget)
    #expect(plan.rowsPerChunk * plan.chunkCount >= rows)
    #expect(rows == 0 || plan.rowsPerChunk * (plan.chunkCount - 1) < rows)
  }

  @Test("a chunk stays within what the device allocates at once")
  func largestAllocation() throws {
    let shape = SearchShape(
      rows: 1000, dimension: 3, element: .float32, metric: .cosine, queryCount: 50, k: 4)
    let plan = try SearchPlan(
      shape, on: CostedDevice(maxAllocationBytes: 2_500), memoryBudget: .max)
    #expect(plan.rowsPerChunk == 250 && plan.chunkCount == 4)
    #expect(throws: TesseraError.self) {
      try SearchPlan(shape, on: CostedDevice(maxAllocationBytes: 9), memoryBudget: .max)
    }
  }

  @Test("a chunk never holds more rows than a set may", arguments: [Int(Int32.max) + 1, .max])
  func manyRows(_ rows: Int) throws {
    let plan = try plan(rows: rows, budget: .max)
    #expect(plan.rowsPerChunk <= Int(Int32.max))
    #expect(plan.chunkCount == (rows - 1) / Int(Int32.max) + 1)
  }

  @Test("says what one row needs when nothing fits")
  func impossible() {
    for budget in [159, 0, -1] {
      let error = refusal { try plan(rows: 5, budget: budget) }
      #expect(error?.code == .outOfMemory)
      #expect(
        error?.message
          == "search: 50 queries with k = 4 need 160 bytes for a single row, 10 of them at once; "
          + "\(budget) are allowed, \(Int.max) at once; use smaller batches or more memory")
    }
  }
}
