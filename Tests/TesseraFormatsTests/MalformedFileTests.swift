import Foundation
import TesseraCompute
import TesseraFormats
import TestSupport
import Testing

/// A reader, and bytes it must refuse with a code and words that name the fault.
struct MalformedCase: Sendable, CustomTestStringConvertible {
  let name: String
  let file: String
  let bytes: [UInt8]
  let message: String
  let read: @Sendable (String) throws -> Void
  var testDescription: String { name }

  static func vectors(
    _ name: String, _ file: String, _ bytes: [UInt8], _ message: String
  ) -> Self {
    Self(name: name, file: file, bytes: bytes, message: message) { _ = try VectorFile.open($0) }
  }

  static func ids(_ name: String, _ file: String, _ bytes: [UInt8], _ message: String) -> Self {
    Self(name: name, file: file, bytes: bytes, message: message) { _ = try IDFile.open($0) }
  }

  static func scores(_ name: String, _ file: String, _ bytes: [UInt8], _ message: String) -> Self {
    Self(name: name, file: file, bytes: bytes, message: message) { _ = try ScoreFile.open($0) }
  }
}

private let zeros = [UInt8](repeating: 0, count: 24)

/// A 2 x 3 float32 array whose header has one thing wrong.
private func header(_ text: String) -> [UInt8] { npy(text, zeros) }

private func text(_ text: String) -> [UInt8] { Array(text.utf8) }

private let headerCases: [MalformedCase] = [
  ("no dictionary", "[1, 2]", "not a dictionary"),
  ("nothing but spaces", "   ", "no value"),
  ("a missing key", "{'descr': '<f4', 'shape': (2, 3)}", "not a dictionary of descr"),
  (
    "a key too many", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}",
    "not a dictionary of descr"
  ),
  (
    "a key twice", "{'descr': '<f4', 'descr': '<f4', 'shape': (2, 3)}", "a key given twice"
  ),
  ("a key that is a number", "{1: '<f4'}", "a key that is not a string"),
  ("no colon", "{'descr' '<f4'}", "no colon"),
  ("no comma", "{'descr': '<f4' 'shape': (2, 3)}", "no comma or closing brace"),
  ("no closing brace", "{'descr': '<f4'", "no comma or closing brace"),
  ("no closing bracket", "{'shape': (2, 3", "no comma or closing bracket"),
  ("a string without an end", "{'descr: 1}", "a string without an end"),
  ("an escape", #"{'de\x73cr': '<f4'}"#, "an escape in a string"),
  (
    "text after the dictionary",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x", "text after the value"
  ),
  (
    "an expression", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1+2)}",
    "no comma or closing bracket"
  ),
  ("a call", "__import__('os')", "no value"),
  ("an unknown word", "{'descr': nonsense}", "the word nonsense"),
  ("a lower-case false", "{'descr': '<f4', 'fortran_order': false}", "the word false"),
  ("deep nesting", String(repeating: "(", count: 5000), "nested too deep"),
  ("deep dictionaries", String(repeating: "{'a':", count: 3000), "nested too deep"),
  (
    "fortran_order as a number", "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
    "not a dictionary of descr"
  ),
  (
    "a shape in brackets", "{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}",
    "not a dictionary of descr"
  ),
  (
    "a shape that is a number", "{'descr': '<f4', 'fortran_order': False, 'shape': (6)}",
    "not a dictionary of descr"
  ),
  (
    "a negative row count", "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}",
    "not made of counts"
  ),
  (
    "a row count with a fraction", "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0, 3)}",
    "no comma or closing bracket"
  ),
  (
    "a row count in words", "{'descr': '<f4', 'fortran_order': False, 'shape': ('2', 3)}",
    "not made of counts"
  ),
  (
    "a row count beyond 64 bits",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 3)}",
    "not a 64-bit integer"
  ),
  (
    "a product beyond 64 bits",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "too many"
  ),
  (
    "bytes beyond 64 bits",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 1)}", "too many"
  ),
  (
    "no columns", "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 0)}",
    "no columns"
  ),
  (
    "no rows of the most columns there are",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807)}",
    "at most 2147483647 are read"
  ),
  (
    "no rows of columns beyond every limit",
    "{'descr': '|i1', 'fortran_order': False, 'shape': (0, 9223372036854775807)}",
    "at most 2147483647 are read"
  ),
  (
    "no rows of columns whose products overflow",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2147483648)}",
    "at most 2147483647 are read"
  ),
  (
    "Fortran order", "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}",
    "Fortran order (columns first) (byte 10); save it with np.ascontiguousarray(x, dtype=np.float32)"
  ),
].map { .vectors("header: \($0.0)", "v.npy", header($0.1), $0.2) }

private let typeCases: [MalformedCase] = [
  ("big-endian float", "'>f4'", "big-endian ('>f4')"),
  ("big-endian half", "'>f2'", "big-endian"),
  ("double", "'<f8'", "float64 numbers ('<f8'), and vectors are float32, float16, int8, uint8"),
  ("quadruple", "'<f16'", "float128"),
  ("boolean", "'|b1'", "booleans ('|b1')"),
  ("complex", "'<c8'", "complex numbers ('<c8'), and vectors are"),
  ("objects", "'|O'", "Python objects ('|O')"),
  ("text", "'<U5'", "text ('<U5')"),
  ("bytes", "'|S5'", "text ('|S5')"),
  ("dates", "'<M8[ns]'", "dates or times"),
  ("bfloat16", "'<V2'", "bfloat16"),
  ("structure", "[('x', '<f4'), ('y', '<f4')]", "structured dtype"),
  ("64-bit ids as vectors", "'<i8'", "int64 numbers ('<i8'), and vectors are"),
  ("unsigned 16 bits", "'<u2'", "uint16 numbers"),
  ("an unknown type", "'<q9'", "unknown type ('<q9')"),
  ("no type", "''", "unknown type ('')"),
  ("a type that would break the line", "'<f4\nrm'", "<f4?rm"),
  ("a number for a type", "4", "structured dtype"),
].map { .vectors("type: \($0.0)", "v.npy", npy($0.1, shape: "(2, 3)", zeros), $0.2) }

private let shapeCases: [MalformedCase] = [
  .vectors("shape: ()", "v.npy", npy("'<f4'", shape: "()", zeros), "a single number, shape ()"),
  .vectors(
    "shape: one dimension", "v.npy", npy("'<f4'", shape: "(6,)", zeros),
    "shape (6,), and vectors need two (byte 10); save x.reshape("),
  .vectors(
    "shape: three dimensions", "v.npy", npy("'<f4'", shape: "(1, 2, 3)", zeros),
    "3 dimensions, shape (1, 2, 3)"),
  .ids(
    "shape: ids in three dimensions", "i.npy", npy("'<i4'", shape: "(1, 2, 3)", zeros),
    "and ids need two"),
  .ids("shape: one id", "i.npy", npy("'<i8'", shape: "()", bytes(Int64(1))), "shape ()"),
]

private let npyFrameCases: [MalformedCase] = [
  .vectors("npy: other bytes", "v.npy", text("hello, this is no array"), "not an .npy file"),
  .vectors("npy: only the magic", "v.npy", [0x93] + text("NUMPY"), "header is truncated"),
  .vectors("npy: version 4", "v.npy", npy("{}", [], major: 4), "version 4.0"),
  .vectors(
    "npy: version 1.1", "v.npy", [0x93] + text("NUMPY") + [1, 1, 0, 0], "version 1.1"),
  .vectors(
    "npy: no header length", "v.npy", [0x93] + text("NUMPY") + [1, 0, 9], "header is truncated"),
  .vectors(
    "npy: half a wide header length", "v.npy", [0x93] + text("NUMPY") + [2, 0, 9, 0],
    "header is truncated"),
  .vectors(
    "npy: a header longer than the file", "v.npy",
    [0x93] + text("NUMPY") + [2, 0] + bytes(UInt32.max) + zeros, "header is truncated"),
  .vectors(
    "npy: a header of two megabytes", "v.npy",
    npy(String(repeating: " ", count: 2 << 20), [], major: 2), "longer than any array needs"),
  .vectors(
    "npy: data cut short", "v.npy", npy("'<f4'", shape: "(2, 3)", Array(zeros.dropLast())),
    "is truncated: 2 x 3 float32 need 24 bytes, 23 are there"),
  .vectors(
    "npy: no data", "v.npy", npy("'<f4'", shape: "(2, 3)", []), "need 24 bytes, 0 are there"),
  .vectors(
    "npy: bytes after the data", "v.npy", npy("'<f4'", shape: "(2, 3)", zeros + [0]),
    "has bytes after its data"),
  .vectors(
    "npy: numbers that are not aligned", "v.npy",
    [0x93] + text("NUMPY") + [1, 0] + bytes(UInt16(59))
      + text("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }") + zeros,
    "not aligned to its 4-byte numbers (byte 69)"),
  .ids(
    "npy: float ids", "i.npy", npy("'<f4'", shape: "(2, 3)", zeros),
    "float32 numbers"),
  .ids(
    "npy: big-endian ids", "i.npy", npy("'>i4'", shape: "(2, 3)", zeros),
    "big-endian ('>i4') (byte 10); save it with np.ascontiguousarray(x, dtype=np.int64)"),
  .ids("npy: ids cut short", "i.npy", npy("'<i8'", shape: "(2, 3)", zeros), "need 48 bytes"),
  .scores("npy: double scores", "s.npy", npy("'<f8'", shape: "(3, 1)", zeros), "float64"),
  .scores("npy: integer scores", "s.npy", npy("'<i4'", shape: "(2, 3)", zeros), "int32"),
  .scores(
    "npy: scores cut short", "s.npy", npy("'<f4'", shape: "(2, 3)", [1, 2]), "is truncated"),
]

private let record = bytes(Int32(2)) + bytes(Float(1), 2)

private let recordCases: [MalformedCase] = [
  .vectors("fvecs: three bytes", "v.fvecs", [1, 0, 0], "truncated inside record 0"),
  .vectors("fvecs: dimension 0", "v.fvecs", bytes(Int32(0)), "record 0 says it has 0 columns"),
  .vectors(
    "fvecs: a negative dimension", "v.fvecs", bytes(Int32(-1)) + zeros, "has -1 columns"),
  .vectors(
    "fvecs: a dimension beyond the file", "v.fvecs", bytes(Int32.max) + zeros,
    "truncated inside record 0"),
  .vectors("fvecs: only a dimension", "v.fvecs", bytes(Int32(2)), "truncated inside record 0"),
  .vectors(
    "fvecs: half a second record", "v.fvecs", record + record.dropLast(3),
    "truncated inside record 1: records of 2 float32 are 12 bytes, 9 are there"),
  .vectors("fvecs: a byte too many", "v.fvecs", record + [0], "truncated inside record 1"),
  .vectors(
    "fvecs: another dimension in record 1", "v.fvecs", record + bytes(Int32(3)) + zeros[..<12],
    "record 1 says it has 3 columns, record 0 has 2 (byte 12)"),
  .vectors(
    "fvecs: another dimension in record 2", "v.fvecs", record + record + bytes(Int32(1), 0, 0),
    "record 2 says it has 1 columns, record 0 has 2 (byte 24)"),
  .vectors(
    "bvecs: another dimension in record 1", "v.bvecs",
    bytes(Int32(1)) + [5] + bytes(Int32(9)) + [5],
    "record 1 says it has 9 columns"),
  .vectors(
    "bvecs: cut short", "v.bvecs", bytes(Int32(8)) + [1, 2, 3], "truncated inside record 0"),
  .vectors("bvecs: dimension 0", "v.bvecs", zeros, "has 0 columns"),
  .ids("ivecs: cut short", "i.ivecs", bytes(Int32(3), 1, 2), "truncated inside record 0"),
  .ids("ivecs: a negative count", "i.ivecs", bytes(Int32.min, 1), "columns"),
  .ids(
    "ivecs: another count in record 1", "i.ivecs", bytes(Int32(1), 7, 2, 7),
    "record 1 says it has 2 columns"),
]

private let countedCases: [MalformedCase] = [
  .vectors("fbin: seven bytes", "v.fbin", Array(zeros[..<7]), "truncated before its counts end"),
  .vectors("fbin: no columns", "v.fbin", bytes(UInt32.max, 0), "no columns"),
  .vectors(
    "fbin: counts beyond the file", "v.fbin", bytes(UInt32.max, UInt32(Int32.max)) + zeros,
    "is truncated"),
  .vectors(
    "fbin: columns beyond every limit", "v.fbin", bytes(UInt32.max, UInt32.max) + zeros,
    "at most 2147483647 are read"),
  .vectors(
    "fbin: cut short", "v.fbin", bytes(UInt32(2), 3) + zeros.dropLast(),
    "2 x 3 float32 need 24 bytes, 23 are there (byte 31)"),
  .vectors(
    "fbin: a byte too many", "v.fbin", bytes(UInt32(2), 3) + zeros + [0],
    "has bytes after its data: 2 x 3 float32 need 24 bytes, 25 are there (byte 32)"),
  .vectors(
    "f16bin: float32 data", "v.f16bin", bytes(UInt32(2), 3) + zeros, "has bytes after its data"),
  .vectors("u8bin: cut short", "v.u8bin", bytes(UInt32(2), 3) + [1], "is truncated"),
  .vectors("i8bin: a byte too many", "v.i8bin", bytes(UInt32(1), 1) + [1, 2], "bytes after"),
  .vectors("i8bin: no columns", "v.i8bin", bytes(UInt32(0), 0), "no columns"),
  .ids("ibin: cut short", "i.ibin", bytes(UInt32(2), 3) + [1], "is truncated"),
  .ids(
    "ibin: half of the distances after the ids", "i.ibin", bytes(UInt32(1), 4) + zeros,
    "bytes after its data: 1 x 4 int32 need 16 bytes, 24 are there"),
  .ids(
    "bin: distances and a byte more", "i.bin", bytes(UInt32(1), 3) + zeros + [0], "bytes after"),
  .vectors(
    "fbin: twice the data", "v.fbin", bytes(UInt32(1), 3) + zeros, "bytes after its data"),
  .vectors(
    "fbin: counts of 64 bits", "v.fbin", bytes(UInt64(2), 3) + zeros,
    "counts of 64 bits, 2 and 3, and this format has 32"),
  .ids(
    "ibin: counts of 64 bits", "i.ibin", bytes(UInt64(1), 6) + zeros, "np.save"),
]

/// Files that people download or pick by mistake; every reader names them.
private let foreignCases: [MalformedCase] = [
  ("Git LFS", text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"),
  ("gzip", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], "gunzip"),
  ("two bytes of gzip", [0x1F, 0x8B], "gunzip"),
  ("zip", text("PK\u{3}\u{4}") + zeros, "zip or .npz archive"),
  ("zstd", [0x28, 0xB5, 0x2F, 0xFD, 4, 0, 9], "zstd -d"),
  ("xz", [0xFD] + text("7zXZ\0") + zeros, "xz -d"),
  ("bzip2", text("BZh91AY&SY!"), "bunzip2"),
  ("HDF5", [0x89] + text("HDF\r\n\u{1A}\n") + zeros, "HDF5"),
  ("a web page", text("<!DOCTYPE html><html></html>"), "download it again"),
  ("an empty file", [], "is empty"),
].flatMap { name, bytes, message in
  [
    .vectors("\(name) as .npy", "v.npy", bytes, message),
    .vectors("\(name) as .fvecs", "v.fvecs", bytes, message),
    .vectors("\(name) as .fbin", "v.fbin", bytes, message),
    .ids("\(name) as .ivecs", "i.ivecs", bytes, message),
    .scores("\(name) as scores", "s.npy", bytes, message),
  ]
}

@Suite("Bytes that are not what the format says")
struct MalformedFileTests {
  static let cases =
    headerCases + typeCases + shapeCases + npyFrameCases + recordCases + countedCases
    + foreignCases

  @Test("are refused by name", arguments: cases)
  func refused(_ malformed: MalformedCase) throws {
    let folder = try ScratchFolder()
    let path = try folder.write(malformed.bytes, malformed.file)
    let error = try #require(throws: TesseraError.self) { try malformed.read(path) }
    #expect(error.code == .malformedFile)
    #expect(error.message.contains(malformed.message), "\(error.message)")
    #expect(error.message.hasPrefix(path), "the file is named first")
    #expect(error.message.contains("; "), "and the remedy last")
    #expect(!error.message.contains { $0.isNewline })
  }
}

@Suite("Files that cannot be opened")
struct UnopenableFileTests {
  @Test("a missing file", arguments: ["none.npy", "no/folder/v.fvecs"])
  func missing(_ name: String) throws {
    let folder = try ScratchFolder()
    let error = try #require(throws: TesseraError.self) { try VectorFile.open(folder(name)) }
    #expect(error.code == .inputNotFound)
    #expect(error.message.contains("check the path"))
  }

  @Test("a file where a folder should be")
  func fileAsFolder() throws {
    let folder = try ScratchFolder()
    _ = try folder.write([1], "file")
    let error = try #require(throws: TesseraError.self) {
      try VectorFile.open(folder("file/v.npy"))
    }
    #expect(error.code == .inputNotFound)
  }

  @Test("a directory")
  func directory() throws {
    let folder = try ScratchFolder()
    try FileManager.default.createDirectory(
      atPath: folder("d.npy"), withIntermediateDirectories: false)
    let error = try #require(throws: TesseraError.self) { try VectorFile.open(folder("d.npy")) }
    #expect(error.code == .inputNotFound)
    #expect(error.message.contains("is a directory"))
  }

  @Test("a pipe, without waiting for a writer")
  func pipe() throws {
    let folder = try ScratchFolder()
    try #require(mkfifo(folder("p.npy"), 0o600) == 0)
    let error = try #require(throws: TesseraError.self) { try VectorFile.open(folder("p.npy")) }
    #expect(error.code == .inputNotFound)
    #expect(error.message.contains("pipe or device"))
  }

  @Test("a file without read permission", .disabled(if: getuid() == 0, "root may read everything"))
  func unreadable() throws {
    let folder = try ScratchFolder()
    let path = try folder.write([1], "v.npy")
    try #require(chmod(path, 0) == 0)
    let error = try #require(throws: TesseraError.self) { try VectorFile.open(path) }
    #expect(error.code == .inputNotFound)
    #expect(error.message.contains("read permission"))
  }

  @Test(
    "an extension that is not one of the known",
    arguments: ["v.txt", "v", ".hidden/v", "v.npy.gz", "v.ivecs", "v.ibin", "v."])
  func extensions(_ name: String) throws {
    let error = try #require(throws: TesseraError.self) { try VectorFile.open(name) }
    #expect(error.code == .invalidArgument)
    #expect(error.message.contains(".npy .fvecs .bvecs .fbin .f16bin .u8bin .i8bin"))
  }

  @Test("vector files are no id files", arguments: ["i.fvecs", "i.u8bin", "i.bvecs"])
  func idExtensions(_ name: String) throws {
    let error = try #require(throws: TesseraError.self) { try IDFile.open(name) }
    #expect(error.code == .invalidArgument)
    #expect(error.message.contains(".npy .ivecs .ibin"))
  }

  @Test("scores are .npy alone")
  func scoreExtensions() throws {
    let error = try #require(throws: TesseraError.self) { try ScoreFile.open("s.fbin") }
    #expect(error.code == .invalidArgument)
  }

  @Test("a path with a line break stays on one line")
  func lineBreak() throws {
    let error = try #require(throws: TesseraError.self) { try VectorFile.open("a\n\u{1B}[2J.npy") }
    #expect(error.message.hasPrefix("a??[2J.npy: "))
  }
}
