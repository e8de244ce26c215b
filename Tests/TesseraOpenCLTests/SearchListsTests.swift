import TesseraCompute
import Testing

@testable import TesseraOpenCL

@Suite("Search among lists") struct SearchListsTests {
  /// 1000 rows in lists of many sizes, ids in no order, and queries that look at some of them.
  private struct Input {
    let rows: Vectors
    let queries: Vectors
    let lists: RowLists
    let probes: Probes

    init(_ rows: [Float], _ queries: [Float], dimension: Int) throws {
      self.rows = try Vectors(rows, dimension: dimension)
      self.queries = try Vectors(queries, dimension: dimension)
      let count = self.rows.count
      lists = try RowLists(
        starts: [0, 0, 400, 401, 433, 465, 700, count],
        ids: IDMap((0..<count).map { Int64($0 * 389 % count) * 3 }))
      // None, one, and all of the lists among them.
      var starts = [0]
      var entries: [Int32] = []
      for query in 0..<self.queries.count {
        entries += (0..<query * 5 % 8).map { Int32((query * 3 + $0) % 7) }
        starts.append(entries.count)
      }
      probes = try Probes(starts: starts, lists: entries)
    }

    func expectReference(
      _ subject: SearchSubject, _ limits: SearchLimits, metric: Metric, k: Int,
      only selector: IDSelector? = nil, comment: Comment
    ) throws {
      let reference = ReferenceDevice.shared
      let device = subject.device
      let truth = try reference.prepare(rows, in: lists, metric: metric)
      let set = try device.prepare(rows, in: lists, metric: metric, limits: limits)
      for probes in [probes, nil] {
        let want = try reference.nearest(
          queries, in: truth, probing: probes, within: .k(k), only: selector)
        let got = try device.nearest(
          queries, in: set, probing: probes, k: k, only: selector, limits: limits)
        #expect(got.starts == want.starts, comment)
        #expect(got.ids == want.ids, comment)
        #expect(got.scores.map(\.bitPattern) == want.scores.map(\.bitPattern), comment)
        #expect(got.statistics.certified)
        #expect(got.statistics.rescored >= got.ids.count)
      }
    }
  }

  @Test("segments, small lists and batches leave no trace", arguments: SearchSubject.all)
  func segments(_ subject: SearchSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 31)
      let input = try Input(
        numbers.floats(1000 * 11), numbers.floats(50 * 11), dimension: 11)
      for selector in [nil, IDSelector.flags((0..<3000).map { $0 % 5 != 0 })] {
        // Five panels in a segment, and two at a time on their way.
        var limits = subject.limits(segmentBytes: 32 * 11 * 4 * 5)
        limits.stagingBytes = 32 * 11 * 4 * 2
        limits.batchBytes = 1
        try input.expectReference(
          subject, limits, metric: metric, k: 30, only: selector, comment: "\(metric), seed 31")
        limits.capacity = 64
        try input.expectReference(
          subject, limits, metric: metric, k: 30, only: selector,
          comment: "\(metric), seed 31, small lists")
      }
    }
  }

  @Test(
    "a list that overflows is searched again, and ties go by id", arguments: SearchSubject.all)
  func overflow(_ subject: SearchSubject) throws {
    for metric in Metric.allCases {
      var numbers = Numbers(seed: 32)
      let rows = [Float](repeating: 0.5, count: 900 * 4) + numbers.floats(100 * 4)
      let queries = [Float](repeating: 0.5, count: 9 * 4) + numbers.floats(9 * 4)
      try Input(rows, queries, dimension: 4).expectReference(
        subject, subject.limits(capacity: 64, segmentBytes: 32 * 4 * 4 * 7), metric: metric, k: 7,
        comment: "\(metric), seed 32")
    }
  }

  @Test("a block of queries visits the panels of its lists", arguments: Subject.all)
  func visits(_ subject: Subject) throws {
    let device = subject.device
    var limits = SearchLimits()
    // Two panels in a segment.
    limits.segmentBytes = 2 * SearchPanels.panelBytes(1)
    let rows = try Vectors((0..<100).map { Float($0) }, dimension: 1)
    let set = try #require(
      try device.prepare(
        rows, in: RowLists(starts: [0, 3, 36, 36, 100], ids: .consecutive(count: 100)),
        metric: .squaredL2, limits: limits) as? OpenCLVectorSet)
    // Panels: rows 0..<3 · 3..<35, 35 · 36..<68, 68..<100.
    #expect(set.panels.segments.map(\.panelRange) == [0..<1, 1..<3, 3..<5])
    var starts = [0, 1, 3, 3, 3, 3, 3, 3, 3]
    var lists: [Int32] = [1, 3, 1]
    // The second block.
    starts += [4, 5]
    lists += [0, 2]
    let probed = ProbedRows(
      try Probes(starts: starts, lists: lists), set.layout, only: .range(1..<70))
    #expect(probed.counts == [33, 67, 0, 0, 0, 0, 0, 0, 2, 0])
    let found = try probed.visits(0..<10, of: set.panels.segments, on: device)
    let words = try found.map { visit in
      let work = try #require(visit.work)
      let words = try device.context.read(
        3 * work.counts.reduce(0, +), of: UInt32.self, from: work.entries)
      return Set(stride(from: 0, to: words.count, by: 3).map { Array(words[$0..<$0 + 3]) })
    }
    #expect(found.map { $0.work?.counts } == [[0, 1], [2, 0], [2, 0]])
    #expect(
      words == [[[0, 0b110, 1]], [[0, .max, 3], [1, 1, 3]], [[0, .max, 2], [1, 3, 2]]])
  }

  @Test("NaN and infinity are refused by the caller's numbers of queries", arguments: Subject.all)
  func nonFinite(_ subject: Subject) throws {
    let device = subject.device
    let rows = try Vectors((0..<40).map { Float($0) }, dimension: 1)
    let set = try device.prepare(
      rows, in: RowLists(starts: [0, 20, 40], ids: .consecutive(count: 40)), metric: .squaredL2)
    let queries = try Vectors([0, .nan, 1, 2, .infinity], dimension: 1)
    for lists: [Int32] in [[1, 1, 0, 0, 0], []] {
      let starts = lists.isEmpty ? [0, 0, 0, 0, 0, 0] : Array(0...5)
      #expect(throws: Shapes.nonFinite("nearest: queries", rows: [1, 4])) {
        try device.nearest(
          queries, in: set, probing: Probes(starts: starts, lists: lists), within: .k(3),
          only: nil)
      }
    }
    #expect(throws: Shapes.nonFinite("prepare", rows: [25])) {
      var values = [Float](repeating: 1, count: 40)
      values[25] = .nan
      _ = try device.prepare(
        Vectors(values, dimension: 1),
        in: RowLists(starts: [0, 7, 40], ids: .consecutive(count: 40)),
        metric: .cosine)
    }
  }
}
