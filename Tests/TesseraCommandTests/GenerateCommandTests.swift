import Foundation
import Tessera
import Testing

@testable import TesseraCommand

@Suite struct GenerateCommandTests {
  let shell: Shell

  init() throws { shell = try Shell() }

  @Test("equal seeds give equal files, other seeds others")
  func seeds() throws {
    for (name, seed) in [("a.npy", "5"), ("b.npy", "5"), ("c.npy", "6")] {
      try shell.tessera(
        "generate", "--rows", "70", "--dimension", "9", "--clusters", "4", "--seed", seed, name)
    }
    #expect(try shell.bytes("a.npy") == shell.bytes("b.npy"))
    #expect(try shell.bytes("a.npy") != shell.bytes("c.npy"))
  }

  @Test("rows depend on their number alone, however they are cut", arguments: [0, 5])
  func cuts(_ clusters: Int) {
    let generator = RowGenerator(seed: 3, dimension: 7, clusterCount: clusters)
    let whole = generator.rows(0..<40)
    #expect(generator.rows(0..<13) + generator.rows(13..<14) + generator.rows(14..<40) == whole)
  }

  @Test("--skip continues the rows")
  func skip() throws {
    try shell.tessera("generate", "--rows", "30", "--dimension", "6", "all.npy")
    try shell.tessera("generate", "--rows", "10", "--skip", "20", "--dimension", "6", "end.npy")
    let (all, end) = try (
      VectorFile.open(shell.path("all.npy")), VectorFile.open(shell.path("end.npy"))
    )
    #expect((0..<10).allSatisfy { end.row($0) == all.row(20 + $0) })
  }

  @Test(
    "every format gets its type",
    arguments: [
      ("x.npy", ElementType.float32), ("x.fvecs", .float32), ("x.fbin", .float32),
      ("x.f16bin", .float16), ("x.bvecs", .uint8), ("x.u8bin", .uint8), ("x.i8bin", .int8),
    ])
  func formats(_ name: String, _ element: ElementType) throws {
    let outcome = try shell.tessera("generate", "--rows", "200", "--dimension", "16", name)
    #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome.errors)")
    let vectors = try VectorFile.open(shell.path(name))
    #expect(vectors.element == element && vectors.count == 200 && vectors.dimension == 16)
    let values = vectors.widened().map(Double.init)
    let mean = values.reduce(0, +) / 3200
    let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 3200).squareRoot()
    let (scale, middle) = element == .uint8 ? (32.0, 128.0) : element == .int8 ? (32, 0) : (1, 0)
    #expect(abs(mean - middle) < 0.1 * scale && abs(deviation / scale - 1) < 0.1)
  }

  @Test("NumPy files take the type asked for")
  func numpyTypes() throws {
    for (name, element) in [
      ("f4", ElementType.float32), ("f2", .float16), ("i1", .int8), ("u1", .uint8),
    ] {
      try shell.tessera(
        "generate", "--rows", "3", "--dimension", "4", "--element", name, "\(name).npy")
      #expect(try VectorFile.open(shell.path("\(name).npy")).element == element)
    }
  }

  @Test("clustered rows lie nearer to their own kind than others do")
  func clusters() throws {
    let rows = RowGenerator(seed: 1, dimension: 32, clusterCount: 10).rows(0..<300)
    // A single start may put two centroids into one cluster.
    let result = try KMeans(.init(clusterCount: 10, restarts: 5)).cluster(
      Vectors(rows, dimension: 32), on: ReferenceDevice.shared)
    // Spread 0.25 in 32 dimensions: 2 a row. Centers lie 64 apart.
    #expect(try #require(result.objectives.last) < 300 * 3)
  }

  @Test("no rows make an empty table of the right width")
  func nothing() throws {
    #expect(try shell.tessera("generate", "--rows", "0", "--dimension", "4", "x.npy").status == 0)
    let vectors = try VectorFile.open(shell.path("x.npy"))
    #expect(vectors.count == 0 && vectors.dimension == 4)
  }
}
