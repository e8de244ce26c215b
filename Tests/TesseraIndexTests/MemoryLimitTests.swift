import TesseraCompute
import TesseraFormats
import TesseraHost
import TesseraIndex
import TestSupport
import Testing

@Suite("Indexes in a quarter of the memory of their rows")
struct MemoryLimitTests {
  static let limit = 1 << 20
  static let cases: [(Metric, String)] = [
    (.squaredL2, "IVF16,SQ8"), (.cosine, "IVF16,Flat"),
    (.innerProduct, "PCA16,IVF16,PQ4x4fs,RFlat"),
  ]

  /// Rows in a mapped file: four times as many bytes as the limit, or bits that are twice as many as
  /// numbers.
  private static func rows(in folder: ScratchFolder, bits: Bool = false) throws -> Vectors {
    var random = RepeatableGenerator(seed: 5)
    let path = folder("rows.npy")
    if bits {
      let bytes = (0..<limit / 4).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      try VectorFile.write(
        bytes.withUnsafeBytes { try Vectors(copying: $0, element: .uint8, dimension: 32) },
        to: path)
    } else {
      let centers = (0..<40).map { _ in
        (0..<48).map { _ in Float.random(in: -4...4, using: &random) }
      }
      let values = (0..<4 * limit / (48 * 4)).flatMap { row in
        centers[row % 40].map { $0 + Float(Int8(truncatingIfNeeded: random.next())) / 64 }
      }
      try VectorFile.write(Vectors(values, dimension: 48), to: path)
    }
    return try VectorFile.open(path)
  }

  @Test(
    "are built, compacted and searched to the same bytes", arguments: cases)
  func sameBytes(_ metric: Metric, _ specification: String) throws {
    let folder = try ScratchFolder()
    let rows = try Self.rows(in: folder)
    let device = try Subject.cpu()
    let built = rows.rows(0..<rows.count - 500)
    let queries = try Vectors((0..<20).map { rows.row(97 * $0).map { $0 + 0.25 } })
    var found: [Neighbors] = []
    for (name, limit) in [("whole", nil), ("within", Self.limit)] {
      let path = folder(name)
      let options = Index.BuildOptions(trainingLimit: 1000, iterations: 2, memoryLimit: limit)
      try IndexFile.write(
        Index.build(specification, built, metric: metric, options: options, on: device).index,
        to: path)
      let index = try LivingIndex(path, for: .writing)
      let search = try LivingSearch(index, on: device, options: .init(memoryBudget: limit))
      let before = try search.nearest(queries, k: 10, effort: .probes(4))
      try index.add(rows.rows(built.count..<rows.count))
      try index.remove(.range(100..<4000))
      try index.compact(on: device, memoryLimit: limit)
      let after = try search.nearest(queries, k: 10, effort: .probes(4))
      found += [before.neighbors, after.neighbors]
      // What does not fit is searched in parts; codes of a product quantizer are few.
      if limit != nil, !specification.contains("PQ") { #expect(before.chunkCount > 1) }
    }
    #expect(found[0].difference(from: found[2]) == nil)
    #expect(found[1].difference(from: found[3]) == nil)
    #expect(found[0].ids.count == 200 && found[1].ids.count == 200)
    #expect(try folder.bytes("whole") == folder.bytes("within"))
  }

  @Test("are built of rows of bits too, and compacted")
  func bits() throws {
    let specification = "BIVF4"
    let folder = try ScratchFolder()
    let rows = try Self.rows(in: folder, bits: true)
    let device = try Subject.cpu()
    for (name, limit) in [("whole", nil), ("within", Self.limit)] {
      let options = Index.BuildOptions(trainingLimit: 500, iterations: 1, memoryLimit: limit)
      try IndexFile.write(
        Index.build(
          specification, rows.rows(0..<rows.count - 50), metric: .hamming, options: options,
          on: device
        ).index, to: folder(name))
      let index = try LivingIndex(folder(name), for: .writing)
      try index.add(rows.rows(rows.count - 50..<rows.count))
      try index.remove(.range(100..<4000))
      try index.compact(on: device, memoryLimit: limit)
    }
    #expect(try folder.bytes("whole") == folder.bytes("within"))
  }

  @Test("refuse a limit that no block of rows fits into")
  func tooLittle() throws {
    let rows = try Vectors([1, 2, 3, 4], dimension: 2)
    let device = try Subject.cpu()
    let error = refusal {
      try Index.build(
        "Flat", rows, metric: .squaredL2, options: .init(memoryLimit: 1000), on: device)
    }
    #expect(error?.code == .invalidArgument && error?.message.contains("1 MiB") == true)
  }
}
