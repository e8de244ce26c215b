import TesseraCompute
import TestSupport
import Testing

@Suite("gather")
struct GatherTests {
  struct Input: Workload, CustomStringConvertible {
    var source: Int
    var columns: Int
    var target: Int
    var work: Int { target * columns }
    var description: String { "\(target) of \(source) rows of \(columns), seed 41" }

    static let cases = [
      (5, 3, 0), (0, 3, 0), (3, 0, 4),  // nothing to copy
      (1, 1, 1),  // the smallest
      (7, 5, 13), (15, 16, 17), (16, 17, 16), (17, 15, 15),  // around a vector width
      (33, 31, 48),  // around a sub-group, some rows more than once
      (1009, 97, 4001),  // large
    ].map { Input(source: $0.0, columns: $0.1, target: $0.2) }
  }

  @Test("copies rows bit for bit, NaN included", arguments: Subject.trials(.gather, Input.cases))
  func copies(_ trial: Trial<Input>) throws {
    let device = try trial.subject.device
    let input = trial.input
    let columns = input.columns
    var generator = RepeatableGenerator(seed: 41)
    let source = (0..<input.source * columns).map { _ in
      Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
    }
    let rows = (0..<input.target).map { _ in Int32(generator.below(input.source)) }
    let expected = rows.flatMap { source[Int($0) * columns..<(Int($0) + 1) * columns] }

    let sourceMatrix = try Framed(
      source, rows: input.source, columns: columns, filler: 5, on: device)
    let rowMatrix = try Framed(rows, rows: input.target, columns: 1, filler: -1, on: device)
    let target = try Framed(rows: input.target, columns: columns, filler: Float(-7), on: device)
    try device.gather(sourceMatrix.matrix, rows: rowMatrix.matrix, into: target.matrix)
    let found = try #require(try target.contents())
    #expect(difference(found, expected, columns: columns) == nil)
  }

  @Test("refuses a row outside the source and says where", arguments: Subject.present)
  func rows(_ subject: Subject) throws {
    let device = try subject.device
    let source = try device.upload([1, 2, 3, 4] as [Float], rows: 2, columns: 2)
    let target = try device.allocate(Float.self, rows: 3, columns: 2)
    for bad in [2, -1, .max, .min] as [Int32] {
      let rows = try device.upload([1, 0, bad], rows: 3, columns: 1)
      let error = refusal {
        try device.gather(source, rows: rows, into: target)
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message == "gather: row \(bad) at 2 is outside 0..<2")
    }
  }

  @Test("refuses shapes that do not fit", arguments: Subject.present)
  func refusals(_ subject: Subject) throws {
    let device = try subject.device
    let source = try device.allocate(Float.self, rows: 4, columns: 3)
    for (rows, target, text) in [
      ((2, 1), (3, 3), "gather: rows is 2 x 1, expected 3 x 1"),
      ((3, 1), (3, 2), "gather: target is 3 x 2, expected 3 x 3"),
    ] {
      let rows = try device.allocate(Int32.self, rows: rows.0, columns: rows.1)
      let target = try device.allocate(Float.self, rows: target.0, columns: target.1)
      let error = refusal {
        try device.gather(source, rows: rows, into: target)
      }
      #expect(error?.code == .invalidShape)
      #expect(error?.message == text)
    }
  }
}
