import TesseraCompute
import Testing

@testable import TesseraOpenCL

@Suite struct SearchSelectedTests {
  static let selections: [(String, IDSelector)] = [
    ("a range", .range(150..<420)), ("one row", .range(999..<2000)),
    ("every seventh", .flags((0..<1000).map { $0 % 7 == 3 })),
    ("a few panels", .flags((0..<1000).map { ($0 / 32) % 9 == 2 && $0 % 5 != 0 })),
  ]

  @Test("segments, small lists and batches leave no trace", arguments: SearchSubject.all)
  func segments(_ subject: SearchSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 24)
      let input = try SearchInput(
        numbers.floats(1000 * 11), numbers.floats(50 * 11), dimension: 11, metric: metric, k: 30)
      for (name, selector) in Self.selections {
        var limits = subject.limits(segmentBytes: 32 * 11 * 4 * 5)
        limits.batchBytes = 1
        try input.expectReference(
          subject, limits, only: selector, comment: "\(metric), \(name), seed 24")
        limits.capacity = 64
        try input.expectReference(
          subject, limits, only: selector, comment: "\(metric), \(name), seed 24, small lists")
      }
    }
  }

  @Test(
    "a list that overflows is searched again, among the selected rows", arguments: SearchSubject.all
  )
  func overflow(_ subject: SearchSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 25)
      let rows = [Float](repeating: 0.5, count: 900 * 4) + numbers.floats(100 * 4)
      let queries = [Float](repeating: 0.5, count: 9 * 4) + numbers.floats(9 * 4)
      let input = try SearchInput(rows, queries, dimension: 4, metric: metric, k: 7)
      for (name, selector) in Self.selections {
        try input.expectReference(
          subject, subject.limits(capacity: 64), only: selector,
          comment: "\(metric), \(name), seed 25")
      }
    }
  }

  @Test("only panels with a selected row are visited", arguments: Subject.all)
  func visits(_ subject: Subject) throws {
    let device = subject.device
    var numbers = Numbers(seed: 26)
    var limits = SearchLimits()
    // Four panels in a segment, the last row alone in its panel.
    limits.segmentBytes = 4 * SearchPanels.panelBytes(3)
    let set = try #require(
      try device.prepare(
        Vectors(numbers.floats(257 * 3), dimension: 3),
        in: RowLists(one: .consecutive(from: 1000, count: 257)), metric: .cosine, limits: limits)
        as? OpenCLVectorSet)
    func kept(_ selector: IDSelector?) throws -> [[UInt32]] {
      try set.visits(only: selector, on: device).flatMap { visit in
        let first = UInt32(visit.segment.rows.lowerBound / 32)
        guard let kept = visit.kept else {
          return (0..<visit.panelCount).map { [first + UInt32($0)] }
        }
        let words = try device.context.read(2 * visit.panelCount, of: UInt32.self, from: kept)
        return stride(from: 0, to: words.count, by: 2).map { [first + words[$0], words[$0 + 1]] }
      }
    }
    #expect(try kept(nil) == (0..<9).map { [UInt32($0)] })
    #expect(try kept(.range(0..<1000)).isEmpty && kept(.range(1257..<9999)).isEmpty)
    #expect(try kept(.range(0..<9999)) == (0..<9).map { [$0, $0 == 8 ? 1 : .max] })
    #expect(try kept(.range(1063..<1097)) == [[1, 1 << 31], [2, .max], [3, 1]])
    #expect(try kept(.ids([1005, 1256, 1257, 1130, 1133])) == [[0, 32], [4, 0b100100], [8, 1]])
  }

  @Test("what is not selected costs little", arguments: Subject.all)
  func candidates(_ subject: Subject) throws {
    let device = subject.device
    let rows = try Vectors([Float](repeating: 1, count: 20_000 * 2), dimension: 2)
    let set = try device.prepare(rows, metric: .squaredL2)
    let found = try device.nearest(
      rows.rows(0..<3), in: set, k: 10, only: .range(19_000..<19_500))
    #expect(found.ids == (0..<3).flatMap { _ in 19_000..<19_010 })
    #expect(found.statistics.candidates <= 3 * 500 * 2)
  }
}
