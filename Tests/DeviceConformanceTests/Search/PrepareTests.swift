import TesseraCompute
import TestSupport
import Testing

@Suite("prepare")
struct PrepareTests {
  @Test(
    "keeps what it was given", arguments: Subject.present,
    SearchCase.every(rows: 9, dimension: 5, queries: 0))
  func keeps(_ subject: Subject, _ input: SearchCase) throws {
    let rows = try input.makeRows()
    let set = try subject.device.prepare(rows.vectors, metric: input.metric, firstID: -4)
    #expect(set.count == 9 && set.dimension == 5)
    #expect(set.metric == input.metric && set.lists.ids.first == -4 && set.lists.count == 1)
    #expect(difference(set.vectors.widened(), rows.values, columns: 5) == nil)
  }

  @Test(
    "refuses NaN and infinity and names the rows", arguments: Subject.present, NonFinite.cases)
  func nonFinite(_ subject: Subject, _ bad: NonFinite) throws {
    let device = try subject.device
    for metric in Metric.allCases {
      // One row, the last of a long set, and more rows than a message should list.
      for (places, named) in [
        ([0], "row 0;"), ([0, 1], "rows 0, 1;"), ([299], "row 299;"),
        ([3, 5, 8, 13, 21, 34, 55], "rows 3, 5, 8, 13, 21, ...;"),
      ] {
        let rows = try bad.rows(count: 300, dimension: 3, at: places)
        let error = refusal {
          try device.prepare(rows, metric: metric)
        }
        #expect(error?.code == .nonFinite)
        #expect(error?.message.contains(named) == true, "\(error?.message ?? "none")")
      }
    }
  }

  @Test(
    "names the rows of a set so large that a device may look at a sample first",
    arguments: Subject.present)
  func nonFiniteInLargeSets(_ subject: Subject) throws {
    let device = try subject.device
    for bad in NonFinite.cases {
      let rows = try bad.rows(count: 5001, dimension: 2, at: [4096, 5000])
      let error = refusal { try device.prepare(rows, metric: .squaredL2) }
      #expect(error?.message.contains("rows 4096, 5000;") == true, "\(error?.message ?? "none")")
    }
  }

  @Test("numbers between the rows are not looked at", arguments: Subject.present)
  func gaps(_ subject: Subject) throws {
    for layout in Sample.Layout.allCases {
      let rows = try Sample([1, 2, 3, 4], dimension: 2, element: .float32, layout: layout)
      #expect(try subject.device.prepare(rows.vectors, metric: .innerProduct).count == 2)
    }
  }

  @Test("refuses rows without dimensions", arguments: Subject.present)
  func noDimensions(_ subject: Subject) throws {
    let device = try subject.device
    let rows = try Vectors(HostMemory(copying: [UInt8]()), element: .uint8, count: 3, dimension: 0)
    let error = refusal {
      try device.prepare(rows, metric: .innerProduct)
    }
    #expect(error?.code == .invalidShape)
    #expect(error?.message == "prepare: vectors have no dimensions")
  }

  @Test("refuses more rows than 32 bits count, before reading any", arguments: Subject.present)
  func tooManyRows(_ subject: Subject) throws {
    let device = try subject.device
    let count = Int(Int32.max) + 1
    // Never written, so the system never finds pages for it.
    let untouched = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 4096)
    let memory = HostMemory(UnsafeRawBufferPointer(untouched)) { $0.deallocate() }
    let rows = try Vectors(memory, element: .uint8, count: count, dimension: 1)
    let error = refusal {
      try device.prepare(rows, metric: .innerProduct)
    }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("2147483648 rows") == true)
  }

  @Test("keeps the bytes that cost(of:) foretold", arguments: Subject.present)
  func cost(_ subject: Subject) throws {
    let device = try subject.device
    for metric in Metric.allCases {
      for element in ElementType.allCases {
        for (count, dimension) in [(0, 3), (1, 1), (1000, 3), (1000, 64), (3001, 100)] {
          let zeros = [UInt8](repeating: 0, count: count * dimension * element.byteCount)
          let rows = try Vectors(
            HostMemory(copying: zeros), element: element, count: count, dimension: dimension)
          let foretold = device.cost(
            of: SearchShape(
              rows: count, dimension: dimension, element: element, metric: metric, queryCount: 10,
              k: 10)
          ).residentBytes
          let kept = try device.prepare(rows, metric: metric).residentBytes
          // Numbers that a device may round for its filter can turn out to need less.
          let isClose = abs(foretold - kept) * 10 <= kept
          #expect(
            isClose || (element.isFloatingPoint && kept < foretold),
            "\(metric) \(element) \(count) x \(dimension): \(foretold) foretold, \(kept) kept")
        }
      }
    }
  }
}
