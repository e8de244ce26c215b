import TesseraCompute
import Testing

@testable import TesseraOpenCL

@Suite struct MemoryTests {
  @Test("what is uploaded comes back, at any offset", arguments: Subject.all)
  func roundTrip(_ subject: Subject) throws {
    let device = subject.device
    let storage = try device.allocate(byteCount: 100)
    let bytes = (0..<100).map { UInt8($0) }
    try bytes.withUnsafeBytes { try device.upload($0, to: storage, at: 0) }
    try [UInt8]([200, 201]).withUnsafeBytes { try device.upload($0, to: storage, at: 31) }
    var back = [UInt8](repeating: 0, count: 5)
    try back.withUnsafeMutableBytes { try device.download(storage, at: 30, to: $0) }
    #expect(back == [30, 200, 201, 33, 34])
  }

  @Test("bytes outside a matrix are refused", arguments: Subject.all)
  func bounds(_ subject: Subject) throws {
    let storage = try subject.device.allocate(byteCount: 8)
    for (count, offset) in [(9, 0), (1, 8), (4, -1), (1, .max)] {
      let error = #expect(throws: TesseraError.self) {
        try [UInt8](repeating: 0, count: count).withUnsafeBytes {
          try subject.device.upload($0, to: storage, at: offset)
        }
      }
      #expect(error?.code == .invalidShape)
    }
  }

  @Test("more than the device has is refused, and nothing is lost", arguments: Subject.all)
  func tooMuch(_ subject: Subject) throws {
    let device = subject.device
    let kept = try device.upload([Float(3)], rows: 1, columns: 1)
    for byteCount in [device.info.maxAllocationBytes + 1, .max] {
      let error = #expect(throws: TesseraError.self) { try device.allocate(byteCount: byteCount) }
      #expect(error?.code == .outOfMemory)
    }
    #expect(try device.download(kept) == [3])
  }

  @Test("memory given back is used again, and never by two at once", arguments: Subject.all)
  func reuse(_ subject: Subject) throws {
    let device = subject.device
    var kept: [(matrix: Matrix<Int32>, value: Int32)] = []
    var numbers = Numbers(seed: 41)
    for round in 0..<300 {
      let count = Int.random(in: 0...20_000, using: &numbers)
      let value = Int32(round)
      kept.append(
        (try device.upload([Int32](repeating: value, count: count), rows: 1, columns: count), value)
      )
      if kept.count > 20 { kept.remove(at: Int.random(in: 0..<20, using: &numbers)) }
    }
    for (matrix, value) in kept {
      #expect(try device.download(matrix).allSatisfy { $0 == value }, "seed 41")
    }
  }

  @Test("several threads share a device", arguments: Subject.all)
  func threads(_ subject: Subject) async throws {
    let device = subject.device
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          var right = true
          for round in 0..<10 {
            let value = Float(task * 10 + round)
            let a = try device.upload([Float](repeating: value, count: 40), rows: 40, columns: 1)
            let b = try device.upload([Float](repeating: 2, count: 33), rows: 33, columns: 1)
            let scores = try device.allocate(Float.self, rows: 40, columns: 33)
            try device.innerProducts(a, b, into: scores)
            right = try device.download(scores).allSatisfy { $0 == 2 * value } && right
          }
          return right
        }
      }
      for try await right in group { #expect(right) }
    }
  }

  @Test("free ranges join their neighbours")
  func freeRanges() {
    var free = FreeRanges(0..<100)
    #expect(free.take(30) == 0..<30 && free.take(30) == 30..<60 && free.take(30) == 60..<90)
    #expect(free.take(30) == nil && free.ranges == [90..<100])
    free.release(30..<60)
    #expect(free.ranges == [30..<60, 90..<100])
    free.release(0..<30)
    #expect(free.ranges == [0..<60, 90..<100])
    free.release(60..<90)
    #expect(free.ranges == [0..<100])
    #expect(free.take(100) == 0..<100 && free.ranges.isEmpty)
    free.release(0..<100)
    #expect(free.ranges == [0..<100])
  }

  @Test("a device lets go of its context when nobody holds it", .enabled(if: !Subject.all.isEmpty))
  func release() throws {
    weak var context: OpenCLContext?
    do {
      let device = try #require(OpenCLDevice.all(OpenCLOptions()).devices.first)
      let matrix = try device.upload([Float(1), 2], rows: 1, columns: 2)
      try device.gather(
        matrix, rows: device.upload([Int32(0)], rows: 1, columns: 1), into: matrix)
      context = device.context
      #expect(context != nil)
    }
    #expect(context == nil)
  }

  @Test("a grid is cut into launches that cover it once", arguments: [1, 1 << 20, 1 << 40])
  func launches(_ workEach: Int) {
    let grid = Grid(workGroups: (7, 70_000), workEach: workEach)
    #expect(grid.launches.reduce(0) { $0 + $1.x.count * $1.y.count } == 7 * 70_000)
    for (ranges, next) in zip(grid.launches, grid.launches.dropFirst()) {
      #expect(next.y.lowerBound == ranges.y.upperBound || next.x.lowerBound == ranges.x.upperBound)
    }
    for ranges in grid.launches {
      let workGroups = ranges.x.count * ranges.y.count
      #expect(workGroups == 1 || workGroups * workEach <= Grid.workPerLaunch)
      #expect(ranges.y.count <= Grid.maxRowsPerLaunch)
    }
    #expect(Grid(workGroups: (0, 5), workEach: 1).launches.isEmpty)
  }
}
