import TesseraCompute
import Testing

@Suite("hits")
struct HitsTests {
  @Test("of each query are a collection, best first")
  func collection() {
    let found = Neighbors(
      queryCount: 2, hitCount: 3, ids: [5, 3, 1, 4, 2, 0], scores: [9, 8, 7, 3, 2, 1],
      statistics: SearchStatistics(certified: true, candidates: 0, rescored: 0))
    #expect(found[0].map(\.id) == [5, 3, 1] && found[1].map(\.score) == [3, 2, 1])
    #expect(found[1][2] == Hit(id: 0, score: 1) && found[1].count == 3)
    #expect(found[0].last?.id == 1)
  }

  @Test("are none where there are none")
  func empty() { #expect(Neighbors.none(queryCount: 3)[2].isEmpty) }
}

@Suite("vectors from what programs have")
struct VectorsFromValuesTests {
  @Test("rows as arrays, which must be equally long")
  func rows() throws {
    let vectors = try Vectors([[1, 2], [3, 4], [5, 6]])
    #expect(vectors.count == 3 && vectors.row(2) == [5, 6])
    let error = #expect(throws: TesseraError.self) { try Vectors([[1, 2], [3]]) }
    #expect(error?.code == .invalidShape && error?.message.contains("row 1") == true)
  }

  @Test("doubles are rounded to the nearest, and refused beyond Float32")
  func doubles() throws {
    let vectors = try Vectors(rounding: [0.1, 1e-3, -2, 16_777_217], dimension: 2)
    #expect(vectors.widened() == [0.1, 1e-3, -2, 16_777_216])
    let error = #expect(throws: TesseraError.self) { try Vectors(rounding: [1e39], dimension: 1) }
    #expect(error?.code == .nonFinite)
  }

  @Test("bytes of any element type")
  func bytes() throws {
    let numbers: [Int8] = [1, -2, 3, 4]
    try numbers.withUnsafeBytes { bytes in
      let vectors = try Vectors(copying: bytes, element: .int8, dimension: 2)
      #expect(vectors.count == 2 && vectors.row(0) == [1, -2])
      #expect(throws: TesseraError.self) {
        try Vectors(copying: bytes, element: .int8, dimension: 3)
      }
    }
  }

  @Test("ids of type Int select as those of type Int64 do")
  func ids() throws {
    let ids: [Int] = [3, 40]
    let selector = try IDSelector.ids(ids)
    #expect(selector.contains(40) && !selector.contains(4) && selector.count(in: 0..<50) == 2)
  }
}
