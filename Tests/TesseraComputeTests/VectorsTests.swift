import TesseraCompute
import TestSupport
import Testing

@Suite("Vectors")
struct VectorsTests {
  private func widen(_ element: ElementType, _ bytes: [UInt8], count: Int) throws -> [Float] {
    try Vectors(HostMemory(copying: bytes), element: element, count: count, dimension: 1).widened()
  }

  private static var everyPattern: [UInt8] {
    (0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
  }

  @Test("widens every Float16 exactly")
  func halves() throws {
    let widened = try widen(.float16, Self.everyPattern, count: 65_536)
    let wrong = (0...UInt16.max).first { bits in
      let expected = Float(Float16(bitPattern: bits))
      let found = widened[Int(bits)]
      return expected.isNaN ? !found.isNaN : found.bitPattern != expected.bitPattern
    }
    #expect(wrong == nil)
  }

  @Test("widens every BFloat16 exactly")
  func brainFloats() throws {
    let widened = try widen(.bfloat16, Self.everyPattern, count: 65_536)
    let wrong = (0...UInt16.max).first { widened[Int($0)].bitPattern != UInt32($0) << 16 }
    #expect(wrong == nil)
  }

  @Test("widens every byte exactly")
  func bytes() throws {
    let bytes = (0...UInt8.max).map { $0 }
    #expect(try widen(.uint8, bytes, count: 256) == (0...255).map { Float($0) })
    #expect(
      try widen(.int8, bytes, count: 256)
        == (0...127).map { Float($0) } + (-128 ... -1).map { Float($0) })
  }

  @Test(
    "rows and slices read what was stored", arguments: ElementType.allCases, Sample.Layout.allCases)
  func slices(_ element: ElementType, _ layout: Sample.Layout) throws {
    let sample = try Sample(
      .uniform, count: 7, dimension: 5, element: element, seed: 1, layout: layout)
    #expect(sample.vectors.widened() == sample.values)
    let slice = sample.vectors.rows(2..<6).rows(1..<3)
    #expect(slice.count == 2 && slice.dimension == 5 && slice.element == element)
    #expect(slice.widened() == Array(sample.values[15..<25]))
    #expect(slice.row(1) == Array(sample.values[20..<25]))
    #expect(sample.vectors.rows(7..<7).widened() == [])
    let width = element.byteCount
    #expect(slice.byteCount == slice.rowStride + 5 * width)
    #expect(sample.vectors.rows(3..<3).byteCount == 0)
  }

  @Test("a slice keeps the memory alive after the whole is gone")
  func lifetime() throws {
    func slice() throws -> Vectors { try Vectors([1, 2, 3, 4], dimension: 2).rows(1..<2) }
    #expect(try slice().row(0) == [3, 4])
  }

  @Test("releases the memory once, when the last view is gone")
  func release() async throws {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 4)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    await confirmation { released in
      var views: [Vectors] = []
      do throws(TesseraError) {
        let memory = HostMemory(UnsafeRawBufferPointer(bytes)) { _ in released() }
        let all = try Vectors(memory, element: .float32, count: 2, dimension: 1)
        views = [all, all.rows(0..<1)]
      } catch {
        Issue.record(error)
      }
      #expect(views.map(\.count) == [2, 1])
      views = []
    }
    bytes.deallocate()
  }

  /// A layout of rows in 100 bytes.
  struct Layout: Sendable, CustomStringConvertible {
    var byteOffset = 0
    var element = ElementType.float32
    var count = 5
    var dimension = 5
    var rowStride: Int?
    var description: String {
      "\(count) x \(dimension) \(element) at \(byteOffset), stride \(rowStride.map(String.init) ?? "-")"
    }

    func make() throws(TesseraError) -> Vectors {
      try Vectors(
        HostMemory(copying: [UInt8](repeating: 0, count: 100)), byteOffset: byteOffset,
        element: element, count: count, dimension: dimension, rowStride: rowStride)
    }
  }

  @Test(
    "accepts rows that just fit",
    arguments: [
      Layout(), Layout(byteOffset: 95, element: .uint8, count: 1),
      Layout(count: 3, dimension: 1, rowStride: 48), Layout(byteOffset: 100, count: 0),
      Layout(count: 0, dimension: 0), Layout(count: 1000, dimension: 0),
      Layout(byteOffset: 3, element: .float16, count: 2, dimension: 4, rowStride: 89),
    ])
  func fitting(_ layout: Layout) throws {
    let vectors = try layout.make()
    #expect(vectors.widened() == [Float](repeating: 0, count: layout.count * layout.dimension))
  }

  @Test(
    "refuses rows outside the memory, and sizes that overflow",
    arguments: [
      Layout(count: 6), Layout(dimension: 6), Layout(byteOffset: 1),
      Layout(byteOffset: 101, count: 1),
      Layout(count: 3, dimension: 1, rowStride: 49), Layout(rowStride: 19), Layout(rowStride: -20),
      Layout(byteOffset: -1), Layout(count: -1), Layout(dimension: -1),
      Layout(count: .max), Layout(dimension: .max), Layout(rowStride: .max),
      Layout(dimension: .max / 4), Layout(count: .max / 20), Layout(byteOffset: .max),
      Layout(byteOffset: .max - 10, count: 1),
      Layout(byteOffset: .max, count: .max, dimension: .max),
      Layout(byteOffset: 1 << 62, element: .uint8, dimension: 1 << 62),
    ])
  func outside(_ layout: Layout) {
    #expect(refusal { try layout.make() }?.code == .invalidShape)
  }

  @Test("refuses numbers that do not divide into rows")
  func rest() {
    for (count, dimension) in [(7, 2), (1, 2), (4, 0), (4, -2), (0, -1)] {
      let values = [Float](repeating: 1, count: count)
      let error = refusal { try Vectors(values, dimension: dimension) }
      #expect(error?.code == .invalidShape)
      #expect(
        error?.message
          == "vectors: \(count) numbers do not divide into rows of \(dimension)")
    }
  }

  @Test("finds the first rows with NaN or infinity", arguments: NonFinite.cases)
  func nonFinite(_ bad: NonFinite) throws {
    let rows = try bad.rows(count: 20, dimension: 3, at: [4, 9, 19])
    #expect(rows.nonFiniteRows(limit: 9) == [4, 9, 19])
    #expect(rows.nonFiniteRows(limit: 2) == [4, 9])
    #expect(rows.rows(5..<19).nonFiniteRows(limit: 9) == [4])
    #expect(rows.nonFiniteRows(limit: 0) == [])
  }

  @Test("whole numbers are always finite")
  func wholeNumbers() throws {
    let bytes = HostMemory(copying: [UInt8](repeating: 0xFF, count: 4))
    for element in [ElementType.int8, .uint8] {
      let rows = try Vectors(bytes, element: element, count: 2, dimension: 2)
      #expect(rows.nonFiniteRows(limit: 5) == [])
    }
  }
}
