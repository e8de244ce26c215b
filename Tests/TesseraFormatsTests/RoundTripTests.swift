import TesseraCompute
import TesseraFormats
import TestSupport
import Testing

@Suite("Files read back as they were written")
struct RoundTripTests {
  // 1 and a prime; 300 rows of 1000 float32 pass the write buffer.
  @Test("vectors", arguments: Subject.all, [(1, 1), (7, 3), (300, 1000)])
  func vectors(_ subject: Subject, _ size: (count: Int, dimension: Int)) throws {
    let folder = try ScratchFolder()
    let path = folder("v.\(subject.ending)")
    let values = subject.values(size.count * size.dimension)
    try VectorFile.write(subject.vectors(values, dimension: size.dimension), to: path)

    let read = try VectorFile.open(path)
    #expect(read.element == subject.element)
    #expect(read.count == size.count)
    #expect(read.dimension == size.dimension)
    #expect(read.widened() == values)
    #expect(try folder.names == ["v.\(subject.ending)"])
  }

  @Test("streamed vectors are the same bytes as whole ones", arguments: Subject.all)
  func streamed(_ subject: Subject) throws {
    let folder = try ScratchFolder()
    let values = subject.values(11 * 5)
    try VectorFile.write(
      subject.vectors(values, dimension: 5), to: folder("whole.\(subject.ending)"))
    let writer = try VectorFileWriter(
      folder("streamed.\(subject.ending)"), element: subject.element, count: 11, dimension: 5)
    for rows in [0..<1, 1..<1, 1..<8, 8..<11] {
      try writer.append(Array(values[rows.lowerBound * 5..<rows.upperBound * 5]))
    }
    try writer.finish()
    #expect(
      try folder.bytes("streamed.\(subject.ending)") == folder.bytes("whole.\(subject.ending)"))
  }

  @Test("a slice with a row stride is packed", arguments: ["npy", "fbin", "fvecs"])
  func strided(_ ending: String) throws {
    let folder = try ScratchFolder()
    let values = (0..<20).map(Float.init)
    try VectorFile.write(Vectors(values, dimension: 4), to: folder("a.fvecs"))
    let slice = try VectorFile.open(folder("a.fvecs")).rows(1..<4)
    try VectorFile.write(slice, to: folder("b.\(ending)"))
    #expect(try VectorFile.open(folder("b.\(ending)")).widened() == Array(values[4..<16]))
  }

  @Test("a file may replace the one it is read from")
  func replacesItsSource() throws {
    let folder = try ScratchFolder()
    let values = (0..<12).map(Float.init)
    try VectorFile.write(Vectors(values, dimension: 3), to: folder("a.npy"))
    let mapped = try VectorFile.open(folder("a.npy"))
    try VectorFile.write(mapped.rows(2..<4), to: folder("a.npy"))
    #expect(try VectorFile.open(folder("a.npy")).widened() == Array(values[6...]))
    #expect(mapped.widened() == values)
  }

  @Test("bfloat16 becomes float32", arguments: ["npy", "fvecs", "fbin"])
  func bfloat16(_ ending: String) throws {
    let folder = try ScratchFolder()
    let values: [Float] = [1, -2.5, 0x1p100, 0]
    let subject = Subject(ending: ending, element: .bfloat16)
    try VectorFile.write(subject.vectors(values, dimension: 2), to: folder("v.\(ending)"))
    let read = try VectorFile.open(folder("v.\(ending)"))
    #expect(read.element == .float32)
    #expect(read.widened() == values)
  }

  @Test(
    "numbers a narrower type has are kept",
    arguments: [
      ("f16bin", [0.5, -65504, 0x1p-24, .infinity]), ("u8bin", [0, 255, 7, 8]),
      ("i8bin", [-128, 127, 0, 1]), ("bvecs", [0, 1, 2, 255]),
    ] as [(String, [Float])])
  func narrowed(_ ending: String, _ values: [Float]) throws {
    let folder = try ScratchFolder()
    try VectorFile.write(Vectors(values, dimension: 2), to: folder("v.\(ending)"))
    #expect(try VectorFile.open(folder("v.\(ending)")).widened() == values)
  }

  @Test("not-a-number is kept as float16")
  func notANumber() throws {
    let folder = try ScratchFolder()
    try VectorFile.write(Vectors([.nan, 1], dimension: 2), to: folder("v.f16bin"))
    let read = try VectorFile.open(folder("v.f16bin")).widened()
    #expect(read[0].isNaN && read[1] == 1)
  }

  @Test(
    "rounding stores the nearest value, ties to even",
    arguments: [
      // 2049 lies between 2048 and 2050; 2^-25 between 0 and the smallest half.
      (ElementType.float16, [2049, 2051, 0x1p-25, 0x1.8p-25], [2048, 2052, 0, 0x1p-24]),
      (.uint8, [0.5, 1.5, 254.7, 3], [0, 2, 255, 3]),
      (.int8, [-0.6, 2.5, -128.4, 9], [-1, 2, -128, 9]),
    ] as [(ElementType, [Float], [Float])])
  func rounded(_ element: ElementType, _ values: [Float], _ stored: [Float]) throws {
    let folder = try ScratchFolder()
    let writer = try VectorFileWriter(
      folder("v.npy"), element: element, count: 2, dimension: 2, rounding: .nearest)
    try writer.append(values)
    try writer.finish()
    #expect(try VectorFile.open(folder("v.npy")).widened() == stored)
  }

  @Test("ids", arguments: ["npy", "ivecs", "ibin"], [(1, 1), (5, 3), (2000, 100)])
  func ids(_ ending: String, _ size: (rows: Int, columns: Int)) throws {
    let folder = try ScratchFolder()
    var generator = SeededGenerator(seed: 3)
    let ids = (0..<size.rows * size.columns).map { _ in
      Int64(Int32.random(in: .min ... .max, using: &generator))
    }
    try IDFile.write(ids, rows: size.rows, columns: size.columns, to: folder("i.\(ending)"))
    let read = try IDFile.open(folder("i.\(ending)"))
    #expect(read.rows == size.rows && read.columns == size.columns)
    #expect((0..<size.rows).flatMap(read.row) == ids)
  }

  @Test("ids of 64 bits in .npy")
  func wideIDs() throws {
    let folder = try ScratchFolder()
    let ids: [Int64] = [.min, .max, -1, 1 << 40]
    try IDFile.write(ids, rows: 2, columns: 2, to: folder("i.npy"))
    let read = try IDFile.open(folder("i.npy"))
    #expect(read.row(0) + read.row(1) == ids)
    #expect(read[1, 1] == 1 << 40)
  }

  @Test("scores keep every bit, infinities and not-a-number too")
  func scores() throws {
    let folder = try ScratchFolder()
    let scores: [Float] = [1.5, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, .nan]
    try ScoreFile.write(scores, rows: 3, columns: 2, to: folder("s.npy"))
    let read = try ScoreFile.open(folder("s.npy"))
    #expect(read.rows == 3 && read.columns == 2)
    #expect(read.scores.map(\.bitPattern) == scores.map(\.bitPattern))
  }

  @Test("no rows at all", arguments: ["npy", "fbin"])
  func empty(_ ending: String) throws {
    let folder = try ScratchFolder()
    let none = try Vectors([1, 2, 3], dimension: 3).rows(0..<0)
    try VectorFile.write(none, to: folder("v.\(ending)"))
    let read = try VectorFile.open(folder("v.\(ending)"))
    #expect(read.count == 0 && read.dimension == 3 && read.widened().isEmpty)
    try IDFile.write([], rows: 0, columns: 4, to: folder("i.npy"))
    #expect(try IDFile.open(folder("i.npy")).rows == 0)
    try ScoreFile.write([], rows: 0, columns: 4, to: folder("s.npy"))
    #expect(try ScoreFile.open(folder("s.npy")).columns == 4)
  }

  @Test("the extension may be in capitals")
  func capitals() throws {
    let folder = try ScratchFolder()
    try VectorFile.write(Vectors([1, 2], dimension: 2), to: folder("V.FBIN"))
    #expect(try VectorFile.open(folder("V.FBIN")).row(0) == [1, 2])
  }
}

@Suite("Proper files, written by others")
struct ForeignWriterTests {
  @Test(
    ".npy headers may be written in any way Python reads",
    arguments: [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
      "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
      #"{"descr": "<f4", "fortran_order": False, "shape": (2, 3)}"#,
      "{u'descr': u'<f4', u'fortran_order': False, u'shape': (2L, 3L)}",
      "  {  'descr' :'<f4' ,'fortran_order':False,\n\t'shape':( 2 ,3 , ) }  ",
      "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3)}",
      "{'descr': 'f4', 'fortran_order': False, 'shape': (+2, 3)}",
    ], [1, 2, 3] as [UInt8])
  func headers(_ header: String, _ major: UInt8) throws {
    let folder = try ScratchFolder()
    let values: [Float] = [1, 2, 3, 4, 5, 6]
    let path = try folder.write(npy(header, bytes(of: values), major: major), "v.npy")
    let read = try VectorFile.open(path)
    #expect(read.count == 2 && read.dimension == 3 && read.widened() == values)
  }

  @Test("the byte order of single bytes does not matter", arguments: ["|", "<", ">", "=", ""])
  func singleBytes(_ order: String) throws {
    let folder = try ScratchFolder()
    let path = try folder.write(npy("'\(order)u1'", shape: "(1, 3)", [1, 2, 255]), "v.npy")
    #expect(try VectorFile.open(path).row(0) == [1, 2, 255])
    #expect(try IDFile.open(path).row(0) == [1, 2, 255])
  }

  @Test("lists of one dimension are tables of one column")
  func flat() throws {
    let folder = try ScratchFolder()
    let ids = try IDFile.open(
      folder.write(npy("'<i4'", shape: "(3,)", bytes(Int32(4), -5, 6)), "i.npy"))
    #expect(ids.rows == 3 && ids.columns == 1 && ids[1, 0] == -5)
    let scores = try ScoreFile.open(
      folder.write(npy("'<f4'", shape: "(2,)", bytes(Float(0.5), 2)), "s.npy"))
    #expect(scores.rows == 2 && scores.columns == 1 && scores.scores == [0.5, 2])
  }

  @Test("rows of an odd number of bytes are read where they stand")
  func oddRows() throws {
    let folder = try ScratchFolder()
    let record = { (values: [UInt8]) in bytes(Int32(values.count)) + values }
    let path = try folder.write(record([1, 2, 3]) + record([4, 5, 255]), "v.bvecs")
    let read = try VectorFile.open(path)
    #expect(read.rowStride == 7 && read.widened() == [1, 2, 3, 4, 5, 255])
  }

  @Test("sizes that spell another format's signature are no reason to refuse a proper file")
  func signatureLookalike() throws {
    let folder = try ScratchFolder()
    // 0x8B1F rows of one byte: the file begins 1F 8B, like gzip.
    let rows = 0x8B1F
    let path = try folder.write(
      bytes(UInt32(rows), 1) + [UInt8](repeating: 9, count: rows), "v.u8bin")
    #expect(try VectorFile.open(path).count == rows)
  }

  @Test("ids before distances, as in ground truths of big-ann", arguments: ["ibin", "bin"])
  func truthWithDistances(_ ending: String) throws {
    let folder = try ScratchFolder()
    let path = try folder.write(
      bytes(UInt32(2), 3) + bytes(Int32(5), 6, 7, 8, 9, 10) + bytes(Float(0.5), 1, 2, 3, 4, 5),
      "truth.\(ending)")
    let table = try IDFile.open(path)
    #expect(table.rows == 2 && table.columns == 3)
    #expect((0..<2).flatMap(table.row) == [5, 6, 7, 8, 9, 10])
  }

  @Test("an empty .npy of no columns is written: what a search of nothing finds")
  func noColumns() throws {
    let folder = try ScratchFolder()
    try IDFile.write([], rows: 3, columns: 0, to: folder("ids.npy"))
    try ScoreFile.write([], rows: 0, columns: 7, to: folder("scores.npy"))
    #expect(String(decoding: try folder.bytes("ids.npy"), as: UTF8.self).contains("(3, 0)"))
    #expect(String(decoding: try folder.bytes("scores.npy"), as: UTF8.self).contains("(0, 7)"))
    #expect(throws: TesseraError.self) {
      try IDFile.write([], rows: 3, columns: 0, to: folder("ids.ibin"))
    }
  }
}
