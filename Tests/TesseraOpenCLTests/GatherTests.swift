import TesseraCompute
import Testing

@testable import TesseraOpenCL

@Suite struct GatherTests {
  @Test(
    "copies the rows asked for", arguments: Subject.all,
    [(0, 3), (1, 1), (31, 33), (33, 32), (1000, 7), (5, 0)])
  func copies(_ subject: Subject, _ shape: (rows: Int, columns: Int)) throws {
    var numbers = Numbers(seed: 31)
    let source = numbers.floats(50 * shape.columns)
    let rows = (0..<shape.rows).map { _ in Int32.random(in: 0..<50, using: &numbers) }
    func gathered(on device: some Device) throws -> [Float] {
      let target = try device.allocate(Float.self, rows: shape.rows, columns: shape.columns)
      try device.gather(
        device.upload(source, rows: 50, columns: shape.columns),
        rows: device.upload(rows, rows: shape.rows, columns: 1), into: target)
      return try device.download(target)
    }
    #expect(try gathered(on: subject.device) == gathered(on: ReferenceDevice.shared), "seed 31")
  }

  @Test("a row outside the source is named", arguments: Subject.all)
  func rowOutside(_ subject: Subject) throws {
    for rows: [Int32] in [[0, 2, 1], [-1, 0, 5]] {
      func outcome(on device: some Device) -> Outcome<[Float]> {
        Outcome { () throws(TesseraError) in
          let target = try device.allocate(Float.self, rows: 3, columns: 2)
          try device.gather(
            device.upload([Float](repeating: 1, count: 4), rows: 2, columns: 2),
            rows: device.upload(rows, rows: 3, columns: 1), into: target)
          return try device.download(target)
        }
      }
      #expect(outcome(on: subject.device) == outcome(on: ReferenceDevice.shared))
    }
  }
}
