import TesseraCompute
import TesseraFormats
import TestSupport
import Testing

@Suite("Files of selected rows")
struct SelectorFileTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func selected(_ path: String, of rowCount: Int) throws -> [Int64] {
    let selector = try IDFile.openSelector(path, rowCount: rowCount)
    #expect(
      selector.count(in: .min..<(.max)) == (0..<Int64(rowCount)).count(where: selector.contains))
    return (0..<Int64(rowCount)).filter(selector.contains)
  }

  @Test("ids in any order and any shape", arguments: ["npy", "ivecs", "ibin"])
  func ids(_ ending: String) throws {
    let path = folder("ids.\(ending)")
    try IDFile.write([64, 3, 3, 99, 0, 63], rows: 3, columns: 2, to: path)
    #expect(try selected(path, of: 100) == [0, 3, 63, 64, 99])
  }

  @Test("a column of bytes is flags")
  func flags() throws {
    let flags = (0..<70).map { UInt8($0 % 5 == 2 ? 1 : 0) }
    for shape in ["(70,)", "(70, 1)"] {
      let path = try folder.write(npy("'|u1'", shape: shape, flags), "flags.npy")
      #expect(try selected(path, of: 70) == (0..<70).filter { $0 % 5 == 2 })
    }
  }

  @Test("no ids and no flags select nothing")
  func nothing() throws {
    #expect(try selected(folder.write(npy("'<i8'", shape: "(0,)", []), "ids.npy"), of: 9) == [])
    #expect(try selected(folder.write(npy("'|u1'", shape: "(0,)", []), "flags.npy"), of: 0) == [])
  }

  @Test(
    "what is not there or means nothing is refused, and named",
    arguments: [
      (npy("'<i8'", shape: "(2,)", bytes(3 as Int64, 9)), "id 9 in row 1"),
      (npy("'<i8'", shape: "(2,)", bytes(3 as Int64, -1)), "id -1 in row 1"),
      (npy("'<i8'", shape: "(1,)", bytes(Int64.max)), "id 9223372036854775807 in row 0"),
      (npy("'|u1'", shape: "(3,)", [1, 0, 1]), "3 flags for 9 rows"),
      (
        npy("'|u1'", shape: "(1, 9)", [1, 0, 1, 0, 0, 0, 0, 0, 0]),
        "the shape (1, 9); save x.reshape"
      ),
      (npy("'|u1'", shape: "(9, 2)", [UInt8](repeating: 1, count: 18)), "the shape (9, 2)"),
      (npy("'|u1'", shape: "(3, 3)", [UInt8](repeating: 1, count: 9)), "ids as np.int64"),
      (npy("'|u1'", shape: "(9,)", [1, 0, 1, 7, 0, 0, 0, 0, 0]), "flag 7 in row 3"),
    ] as [([UInt8], String)])
  func refusals(_ file: [UInt8], _ says: String) throws {
    let path = try folder.write(file, "rows.npy")
    let error = #expect(throws: TesseraError.self) {
      try IDFile.openSelector(path, rowCount: 9)
    }
    #expect(error?.code == .invalidShape)
    #expect(error?.message.contains(says) == true && error?.message.contains(path) == true)
  }

  @Test("NumPy's booleans are sent to uint8, not to integers that would be read as ids")
  func booleans() throws {
    let path = try folder.write(npy("'|b1'", shape: "(2,)", [1, 0]), "flags.npy")
    let error = #expect(throws: TesseraError.self) {
      try IDFile.openSelector(path, rowCount: 2)
    }
    #expect(error?.message.contains("dtype=np.uint8") == true)
  }

  @Test("select by the ids that rows have, however large they are")
  func ids() throws {
    let far: [Int64] = [1 << 62, .max - 1, (1 << 62) + 7]
    let path = folder("far.npy")
    for (ids, wanted, code) in [
      ([3, -9, 40], [-9, 40, 5], nil), (far, Array(far[0...0]), nil),
      (far, far, TesseraError.Code.invalidArgument), ([2, 0, 1], [1, 2], nil),
      ([2, 0, 1], [3], .invalidShape),
      // No row has the ids in between, and no bits are kept for them.
      ([3, -9, 40], [-1 << 60, -9, 1 << 60], nil),
    ] as [([Int64], [Int64], TesseraError.Code?)] {
      try IDFile.write(wanted, rows: wanted.count, columns: 1, to: path)
      let map = try IDMap(ids)
      if let code {
        #expect(refusal { try IDFile.openSelector(path, of: map) }?.code == code)
      } else {
        let selector = try IDFile.openSelector(path, of: map)
        #expect(ids.filter { selector.contains($0) } == ids.filter { wanted.contains($0) })
      }
    }
  }
}
