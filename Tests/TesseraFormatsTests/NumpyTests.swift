import Foundation
import TesseraCompute
import TesseraFormats
import TestSupport
import Testing

/// NumPy, run as another program.
enum Python {
  static let hasNumpy = (try? run("import numpy")) != nil
  static let hasSafetensors = (try? run("import safetensors.numpy")) != nil

  struct Failure: Error {
    let output: String
  }

  /// Runs `script` after `import numpy as np` with `arguments` in `sys.argv[1:]`.
  @discardableResult
  static func run(_ script: String, _ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", "import sys, numpy as np\n" + script] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure(output: text) }
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

@Suite(
  "NumPy reads what is written here, and the reverse",
  .enabled(if: Python.hasNumpy, "needs python3 with NumPy"))
struct NumpyTests {
  @Test(
    "NumPy loads written vectors",
    arguments: [
      (ElementType.float32, "float32"), (.float16, "float16"), (.int8, "int8"), (.uint8, "uint8"),
    ])
  func loads(_ element: ElementType, _ dtype: String) throws {
    let folder = try ScratchFolder()
    let subject = Subject(ending: "npy", element: element)
    let values = subject.values(5 * 3)
    try VectorFile.write(subject.vectors(values, dimension: 3), to: folder("v.npy"))
    try VectorFile.write(subject.vectors(values, dimension: 3), to: folder("v.fvecs"))
    let output = try Python.run(
      """
      x = np.load(sys.argv[1])
      records = np.fromfile(sys.argv[2], '<i4').reshape(5, 4)
      assert (records[:, 0] == 3).all()
      assert (records[:, 1:].view('<f4') == x.astype(np.float32)).all()
      print(x.dtype, x.shape, x.flags.c_contiguous, *(x.astype(np.float32).ravel().view(np.uint32)))
      """, folder("v.npy"), folder("v.fvecs"))
    let bits = values.map { String($0.bitPattern) }.joined(separator: " ")
    #expect(output == "\(dtype) (5, 3) True \(bits)")
  }

  @Test("NumPy loads written ids and scores")
  func loadsIDs() throws {
    let folder = try ScratchFolder()
    try IDFile.write([3, -1, 1 << 40, 0], rows: 2, columns: 2, to: folder("i.npy"))
    try ScoreFile.write([0.5, -2], rows: 1, columns: 2, to: folder("s.npy"))
    let output = try Python.run(
      """
      for name in sys.argv[1:]:
        x = np.load(name)
        print(x.dtype, x.shape, x.tolist())
      """, folder("i.npy"), folder("s.npy"))
    #expect(output == "int64 (2, 2) [[3, -1], [1099511627776, 0]]\nfloat32 (1, 2) [[0.5, -2.0]]")
  }

  @Test(
    "saved arrays open", arguments: ["float32", "float16", "int8", "uint8"], ["1.0", "2.0", "3.0"])
  func opens(_ dtype: String, _ version: String) throws {
    let folder = try ScratchFolder()
    try Python.run(
      """
      x = np.arange(12).reshape(4, 3).astype(sys.argv[2])
      version = tuple(int(part) for part in sys.argv[3].split('.'))
      with open(sys.argv[1], 'wb') as file:
        np.lib.format.write_array(file, x, version=version)
      """, folder("v.npy"), dtype, version)
    let vectors = try VectorFile.open(folder("v.npy"))
    #expect("\(vectors.element)" == dtype)
    #expect(vectors.dimension == 3)
    #expect(vectors.widened() == (0..<12).map(Float.init))
  }

  @Test("saved ids and scores open")
  func opensIDs() throws {
    let folder = try ScratchFolder()
    try Python.run(
      """
      folder = sys.argv[1]
      np.save(folder + '/i4.npy', np.array([[1, -2], [3, 4]], dtype=np.int32))
      np.save(folder + '/i8.npy', np.array([5, 1 << 40]))
      np.save(folder + '/u1.npy', np.array([7, 255], dtype=np.uint8))
      np.save(folder + '/s.npy', np.array([[0.25, 4]], dtype=np.float32))
      """, folder.path)
    #expect(try IDFile.open(folder("i4.npy")).row(0) == [1, -2])
    #expect(try IDFile.open(folder("i8.npy"))[1, 0] == 1 << 40)
    #expect(try IDFile.open(folder("u1.npy"))[1, 0] == 255)
    #expect(try ScoreFile.open(folder("s.npy")).scores == [0.25, 4])
  }

  @Test(
    "unsuitable arrays are refused, and the remedy that is named mends them",
    arguments: [
      ("np.asfortranarray(np.ones((3, 2), np.float32))", "Fortran order"),
      ("np.ones((3, 2), '>f4')", "big-endian"),
      ("np.ones((3, 2))", "float64"),
      ("np.ones((3, 2), bool)", "booleans"),
      ("np.array([np.ones(2), np.ones(3)], object)[:, None]", "Python objects"),
      ("np.ones((3, 2), 'c16')", "complex"),
      ("np.ones((3, 2), [('field', 'f4'), ('b', 'i1')])", "structured"),
      ("np.ones(3, np.float32)", "one dimension"),
      ("np.ones((3, 2, 2), np.float32)", "3 dimensions"),
    ])
  func refuses(_ array: String, _ message: String) throws {
    let folder = try ScratchFolder()
    try Python.run("np.save(sys.argv[1], \(array), allow_pickle=True)", folder("v.npy"))
    let error = try #require(throws: TesseraError.self) { try VectorFile.open(folder("v.npy")) }
    #expect(error.code == .malformedFile)
    #expect(error.message.contains(message), "\(error.message)")

    // The remedies that are expressions are run as they stand.
    let remedy = try #require(error.message.split(separator: "; ").last)
    guard let start = remedy.range(of: "np.ascontiguousarray") else { return }
    try Python.run(
      "x = \(array)\nnp.save(sys.argv[1], \(remedy[start.lowerBound...]))", folder("v.npy"))
    #expect(try VectorFile.open(folder("v.npy")).count == 3)
  }
}
