import TesseraCompute
import TesseraFormats
import TesseraHost
import TesseraIndex
import TesseraQuantization
import TestSupport
import Testing

@Suite("Transforms of an index")
struct TransformTests {
  @Test(
    "are read from strings and spelled again",
    arguments: [
      ("PCA64,IVF1024,Flat", "PCA64,IVF1024,Flat"),
      ("OPQ48_192,IVF1024,PQ48x4fs,RFlat", "OPQ48_192,IVF1024,PQ48x4,RFlat"),
      ("L2norm,IVF64,SQ8", "L2norm,IVF64,SQ8"), ("L2Norm,Flat", "L2norm,Flat"),
      ("RR64,Flat", "RR64,Flat"), ("RR,Flat", "RR,Flat"), ("PCAR8,Flat", "PCAR8,Flat"),
      ("IDMap,Center,PCA8,Flat,RFlat", "Center,PCA8,Flat,RFlat"), ("Flat,RFlat", "Flat"),
      ("OPQ8,PQ8x4", "OPQ8,PQ8x4"), ("IVF4,OPQ8,PQ8x4", "IVF4,OPQ8,PQ8x4"),
      ("OPQ8,IVF4,SQ8", "OPQ8,IVF4,SQ8"), ("OPQ4,IVF4,OPQ8,PQ8x4", "OPQ4,IVF4,OPQ8,PQ8x4"),
    ])
  func strings(_ text: String, _ spelled: String) throws {
    let read = try IndexSpecification(text)
    #expect(read.description == spelled)
    #expect(try IndexSpecification(spelled).transforms == read.transforms)
  }

  @Test("are values in Swift, and a rotation is for the codes that follow")
  func typed() throws {
    let rotation = try RotatedRecipe(
      ProductRecipe(subspaceCount: 6, bits: 4), rotatedDimension: 9)
    let specification = IndexSpecification(
      transforms: [.center, .principalAxes(10, rotated: true), .optimizedRotation(rotation)],
      listCount: 8, content: .codes(rotation.product))
    #expect(specification.description == "Center,PCAR10,OPQ6_9,IVF8,PQ6x4")
    #expect(
      try IndexSpecification(specification.description).transforms == specification.transforms)
    #expect(
      try IndexSpecification("OPQ6,Flat").transforms
        == [.optimizedRotation(RotatedRecipe(ProductRecipe(subspaceCount: 6, bits: 8)))])

    // Rotated codes of whole rows are the same thing as codes of rotated rows.
    let input = try IndexCase(.squaredL2)
    let device = try Subject.cpu()
    let built = try Index.build(
      IndexSpecification(content: .codes(rotation)), input.rows, metric: .squaredL2,
      ids: input.ids, on: device
    ).index
    #expect(built.specification.description == "OPQ6_9,PQ6x4")
    #expect(built.specification.transforms == [.optimizedRotation(rotation)])
    let folder = try ScratchFolder()
    try IndexFile.write(built, to: folder("rotated.index"))
    #expect(try IndexFile.open(folder("rotated.index")).count == built.count)
  }

  @Test(
    "that drop nothing find the rows that flat search finds", arguments: Metric.allCases,
    ["RR,Flat", "RR,IVF24,Flat", "PCA12,Flat", "PCAR12,IVF24,Flat", "OPQ6,IVF24,Flat"])
  func rotations(_ metric: Metric, _ specification: String) throws {
    let input = try IndexCase(metric)
    let device = try Subject.cpu()
    let index = try input.build(specification, on: device)
    let report = try IndexSearch(index, on: device).nearest(input.queries, k: 10, effort: .all)
    let truth = try input.exact(.k(10))
    for query in 0..<truth.queryCount {
      #expect(Set(report.neighbors[query].map(\.id)) == Set(truth[query].map(\.id)))
      for (hit, expected) in zip(report.neighbors[query], truth[query]) {
        #expect(abs(hit.score - expected.score) < 1e-5 * max(1, abs(expected.score)))
      }
    }
    // Rows were rounded, so nothing is proven.
    #expect(report.certifiedShare == 0)
  }

  @Test("to fewer dimensions find most of what flat search finds", arguments: Metric.allCases)
  func recall(_ metric: Metric) throws {
    let input = try IndexCase(metric)
    let device = try Subject.cpu()
    let truth = try input.exact(.k(10))
    func found(_ specification: String) throws -> Double {
      let report = try IndexSearch(input.build(specification, on: device), on: device)
        .nearest(input.queries, k: 10, effort: .all)
      #expect(report.certifiedShare == 0)
      return report.neighbors.recall(of: truth)
    }
    let (plain, refined) = try (found("PCA10,Flat"), found("PCA10,Flat,RFlat"))
    #expect(plain > 0.5 && plain < 1)
    #expect(refined > 0.95 && refined >= plain)
    #expect(try found("PCAR10,IVF24,SQ8,RFlat") > 0.95)
    #expect(try found("OPQ4_10,IVF24,PQ4x4,RFlat") > 0.5)
    #expect(try found("PCA10,Flat") > found("RR6,Flat"))
  }

  @Test("of principal axes lose nothing of rows that lie in as few dimensions")
  func lowRank() throws {
    let device = try Subject.cpu()
    let input = try LowRank(offset: 40)
    for (metric, dimension) in [(Metric.squaredL2, 3), (.innerProduct, 4), (.cosine, 4)] {
      for name in ["PCA", "PCAR"] {
        let index = try Index.build(
          "\(name)\(dimension),Flat", input.rows, metric: metric, on: device
        ).index
        for row in [0, 55, 399] {
          let back = try index.reconstruct(Int64(row), on: device)
          #expect(
            zip(back, input.rows.row(row)).allSatisfy { abs($0 - $1) < 1e-3 }, "\(name), \(metric)")
        }
        let found = try IndexSearch(index, on: device).nearest(input.queries, k: 5).neighbors
        let exact = try Index.build("Flat", input.rows, metric: metric, on: device).index
        let truth = try IndexSearch(exact, on: device).nearest(input.queries, k: 5).neighbors
        // Where the mean were taken off, inner products and cosines would have other neighbors.
        #expect(found.recall(of: truth) > 0.95, "\(name), \(metric)")
      }
    }
    // One dimension fewer cannot hold them.
    let less = try Index.build("PCA2,Flat", input.rows, metric: .squaredL2, on: device).index
    #expect(
      try zip(less.reconstruct(0, on: device), input.rows.row(0)).contains { abs($0 - $1) > 0.05 })
  }

  @Test("are undone when rows are given back")
  func reconstruct() throws {
    let input = try IndexCase(.squaredL2)
    let device = try Subject.cpu()
    for (specification, tolerance) in [
      ("RR,Flat", Float(1e-5)), ("Center,Flat", 1e-5), ("OPQ4,IVF24,Flat", 1e-5),
      ("Center,RR,PCAR12,IVF24,Flat", 1e-4), ("RR,IVF24,SQ8", 0.1),
    ] {
      let index = try input.build(specification, on: device)
      #expect(index.dimension == 12)
      for row in [0, 700, 1499] {
        let back = try index.reconstruct(input.ids[row], on: device)
        #expect(
          zip(back, input.rows.row(row)).allSatisfy { abs($0 - $1) < tolerance }, "\(specification)"
        )
      }
    }
    let unit = try input.build("L2norm,Flat", on: device)
    let row = input.rows.row(3)
    let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(
      try zip(unit.reconstruct(input.ids[3], on: device), row).allSatisfy {
        abs($0 - $1 / length) < 1e-6
      })
  }

  @Test("to unit length make inner products cosines; about the mean, distances stay")
  func lengths() throws {
    let device = try Subject.cpu()
    let cosine = try IndexCase(.cosine)
    let unit = try Index.build(
      "L2norm,Flat", cosine.rows, metric: .innerProduct, ids: cosine.ids, on: device
    ).index
    let found = try IndexSearch(unit, on: device).nearest(cosine.queries, k: 10).neighbors
    #expect(found.recall(of: try cosine.exact(.k(10))) > 0.99)
    let distance = try IndexCase(.squaredL2)
    let centred = try IndexSearch(distance.build("Center,Flat", on: device), on: device)
      .nearest(distance.queries, k: 10).neighbors
    #expect(centred.recall(of: try distance.exact(.k(10))) > 0.99)

    // Rows without a length, and no queries at all.
    let zero = try Vectors([[0, 0], [3, 4]])
    let index = try Index.build("L2norm,Flat", zero, metric: .innerProduct, on: device).index
    let search = try IndexSearch(index, on: device)
    let hits = try search.nearest(zero.rows(1..<2), k: 2).neighbors
    #expect(hits.ids == [1, 0] && abs(hits.scores[0] - 1) < 1e-6 && hits.scores[1] == 0)
    #expect(try search.nearest(zero.rows(0..<0), k: 2).neighbors.queryCount == 0)
  }

  @Test(
    "leave the scores of rows as they were given where hits are scored again",
    arguments: Metric.allCases,
    ["PCA6,Flat,RFlat", "L2norm,IVF24,SQ8,RFlat", "Center,RR8,IVF24,Flat,RFlat"])
  func refined(_ metric: Metric, _ specification: String) throws {
    let input = try IndexCase(metric)
    let device = try Subject.cpu()
    let index = try input.build(specification, on: device)
    let rowOfID = Dictionary(uniqueKeysWithValues: zip(input.ids, 0...))
    let few = try IndexSearch(index, on: device).nearest(input.queries, k: 10).neighbors
    for query in 0..<input.queries.count {
      for hit in few[query] {
        let row = input.rows.row(try #require(rowOfID[hit.id]))
        #expect(hit.score == CanonicalScore.score(metric, input.queries.row(query), row))
      }
    }
  }

  @Test("take rows of any type, and say how many they were trained on")
  func training() throws {
    let device = try Subject.cpu()
    var generator = RepeatableGenerator(seed: 3)
    let bytes = (0..<500 * 8).map { _ in UInt8(generator.below(256)) }
    let rows = try bytes.withUnsafeBytes {
      try Vectors(copying: $0, element: .uint8, dimension: 8)
    }
    let built = try Index.build(
      "RR,PCA8,Flat", rows, metric: .squaredL2, options: .init(trainingLimit: 100), on: device)
    #expect(
      built.notes.map(\.description) == ["PCA8: trained on 100 of 500 rows (trainingLimit)"])
    let found = try IndexSearch(built.index, on: device).nearest(rows.rows(0..<50), k: 1).neighbors
    #expect(found.ids == Array(0..<50))
    #expect(try Index.build("RR,Flat", rows, metric: .squaredL2, on: device).notes.isEmpty)
    // Another seed is another rotation.
    let other = try Index.build(
      "RR3,Flat", rows, metric: .squaredL2, options: .init(seed: 5), on: device
    ).index
    let same = try Index.build("RR3,Flat", rows, metric: .squaredL2, on: device).index
    #expect(try other.reconstruct(0, on: device) != same.reconstruct(0, on: device))
  }

  @Test(
    "that cannot be are refused by name, with what is nearest to them",
    arguments: [
      ("PCAW8,IVF4,Flat", TesseraError.Code.unsupported, "PCAW8", "PCA8,IVF4,Flat"),
      ("PCAWR8,Flat,RFlat", .unsupported, "PCAWR8", "PCAR8,Flat,RFlat"),
      ("L2norm,ITQ8,SQ8", .unsupported, "ITQ8", "L2norm,RR8,SQ8"),
      ("ITQ,Flat", .unsupported, "ITQ", "RR,Flat"),
      ("Pad16,IVF4,Flat", .unsupported, "Pad16", "IVF4,Flat"),
      ("PCAW8,Pad16,Flat", .unsupported, "PCAW8", "PCA8,Flat"),
      ("PCA,Flat", .invalidArgument, "PCA ", "PCA64,Flat"),
      ("PCA0,Flat", .invalidArgument, "PCA0", "PCA1,Flat"),
      ("RR0,Flat", .invalidArgument, "RR0", "RR,Flat"),
      ("OPQ0,Flat", .invalidArgument, "OPQ0", "OPQ1,Flat"),
      ("OPQ,Flat", .invalidArgument, "OPQ ", "OPQ8,Flat"),
      ("OPQ4_,Flat", .invalidArgument, "OPQ4_", "OPQ4,Flat"),
      ("OPQ2000000,Flat", .invalidArgument, "OPQ2000000", "OPQ8,Flat"),
      ("OPQ8_4,IVF4,Flat", .invalidArgument, "OPQ8_4", "OPQ8_8,IVF4,Flat"),
      ("IVF4,PCA8,Flat", .invalidArgument, "PCA8", "PCA8,IVF4,Flat"),
      ("RR,IVF4,OPQ4,Flat", .invalidArgument, "OPQ4", "RR,OPQ4,IVF4,Flat"),
      ("PCA8", .invalidArgument, "PCA8", "PCA8,Flat"),
      ("PCA8,IVF4", .invalidArgument, "PCA8,IVF4", "PCA8,IVF4,Flat"),
      ("PCA13,IVF4,Flat", .invalidShape, "PCA13", "PCA12,IVF4,Flat"),
      ("RR8,PCAR9,Flat", .invalidShape, "PCAR9", "RR8,PCAR8,Flat"),
      ("RR13,Flat", .invalidShape, "RR13", "RR12,Flat"),
      ("OPQ4_13,Flat", .invalidShape, "OPQ4_13", "OPQ4_12,Flat"),
      ("OPQ13,Flat", .invalidShape, "OPQ13", "OPQ12,Flat"),
    ])
  func refusals(
    _ specification: String, _ code: TesseraError.Code, _ part: String, _ nearest: String
  ) throws {
    let input = try IndexCase(.squaredL2, rows: 300)
    let device = try Subject.cpu()
    let error = refusal { try input.build(specification, on: device) }
    #expect(error?.code == code)
    #expect(error?.message.contains(part) == true, "\(String(describing: error))")
    #expect(error?.message.contains("\"\(nearest)\"") == true, "\(String(describing: error))")
    // What is named as nearest has a meaning.
    #expect(throws: Never.self) { try IndexSpecification(nearest) }
  }

  @Test("refuse rows and queries that they cannot change")
  func extremes() throws {
    let input = try IndexCase(.squaredL2, rows: 300)
    let device = try Subject.cpu()
    var values = input.rows.widened()
    values[12 * 7 + 1] = .nan
    let broken = try Vectors(values, dimension: 12)
    values[12 * 7 + 1] = 1
    for d in 0..<12 { values[12 * 9 + d] = 3e38 }
    let huge = try Vectors(values, dimension: 12)
    for specification in ["RR,Flat", "PCA4,IVF4,Flat", "L2norm,Flat", "Center,Flat"] {
      let error = refusal {
        try Index.build(specification, broken, metric: .squaredL2, on: device)
      }
      #expect(error?.code == .nonFinite && error?.message.contains("row 7;") == true)
      let search = try IndexSearch(input.build(specification, on: device), on: device)
      let asked = refusal { try search.nearest(broken.rows(0..<20), k: 1) }
      #expect(asked?.code == .nonFinite && asked?.message.contains("row 7;") == true)
      #expect(
        refusal { try search.nearest(Vectors([1, 2], dimension: 2), k: 1) }?.code == .invalidShape)
    }
    #expect(
      refusal { try Index.build("PCA4,Flat", huge, metric: .squaredL2, on: device) }?.code
        == .invalidArgument)
    let search = try IndexSearch(input.build("RR,Flat", on: device), on: device)
    let error = refusal { try search.nearest(huge, k: 1) }
    #expect(error?.code == .invalidArgument && error?.message.contains("RR") == true)
    #expect(
      refusal {
        try Index.build("PCA4,Flat", input.rows.rows(0..<0), metric: .squaredL2, on: device)
      }?.code == .invalidShape)
    // A rotation for product codes needs a row for each codeword.
    #expect(
      refusal {
        try Index.build("OPQ4,Flat", input.rows.rows(0..<99), metric: .squaredL2, on: device)
      }?.code == .invalidArgument)
  }

  @Test("that a file has lost or does not describe are malformed")
  func malformed() throws {
    let input = try IndexCase(.squaredL2, rows: 100)
    let device = try Subject.cpu()
    let folder = try ScratchFolder()
    let path = folder("whole.index")
    try IndexFile.write(input.build("RR,PCA4,IVF4,Flat,RFlat", on: device), to: path)
    let whole = try StoredArrayFile(path)
    try whole.write(to: path)
    #expect(try IndexFile.open(path).dimension == 12)

    let map = try #require(whole.arrays["transform.1.map"])
    #expect(map.shape == [4, 12])
    let numbers = try map.values(Float.self)
    let damages: [(String, (inout StoredArrayFile) throws -> Void)] = [
      ("no map", { $0.arrays["transform.0.map"] = nil }),
      ("no second map", { $0.arrays["transform.1.map"] = nil }),
      ("no mean", { $0.arrays["transform.1.mean"] = nil }),
      ("a short mean", { $0.arrays["transform.1.mean"] = try .init([Float](), shape: [0]) }),
      ("a map on its side", { $0.arrays["transform.1.map"] = try .init(numbers, shape: [12, 4]) }),
      ("a flat map", { $0.arrays["transform.1.map"] = try .init(numbers, shape: [48]) }),
      (
        "a map of another type",
        { $0.arrays["transform.1.map"] = try .init(numbers.map(Double.init), shape: [4, 12]) }
      ),
      (
        "a map with NaN",
        {
          $0.arrays["transform.1.map"] = try .init(numbers.map { _ in Float.nan }, shape: [4, 12])
        }
      ),
      ("fewer dimensions", { $0.metadata["specification"] = "RR,PCA3,IVF4,Flat,RFlat" }),
      ("more dimensions", { $0.metadata["specification"] = "RR,PCA13,IVF4,Flat,RFlat" }),
      ("one transform less", { $0.metadata["specification"] = "RR,IVF4,Flat,RFlat" }),
      ("an unknown transform", { $0.metadata["specification"] = "ITQ,PCA4,IVF4,Flat,RFlat" }),
      ("rows of other rows", { $0.arrays["rows"] = $0.arrays["originals"] }),
      ("no originals", { $0.arrays["originals"] = nil }),
      ("originals of transformed rows", { $0.arrays["originals"] = $0.arrays["rows"] }),
      ("another dimension", { $0.metadata["dimension"] = "11" }),
    ]
    for (name, damage) in damages {
      var file = whole
      try damage(&file)
      let damaged = folder("damaged.index")
      try file.write(to: damaged)
      let error = refusal { try IndexFile.open(damaged) }
      #expect(error?.code == .malformedFile, "\(name): \(String(describing: error))")
      #expect(error?.message.contains("damaged.index") == true, "\(name)")
    }
  }

  /// Rows that lie in three dimensions of twelve, away from the origin.
  private struct LowRank {
    let rows: Vectors
    let queries: Vectors

    init(offset: Float) throws {
      var generator = RepeatableGenerator(seed: 9)
      func number() -> Float { Float(generator.below(2001)) / 1000 - 1 }
      let axes = (0..<3).map { _ in (0..<12).map { _ in number() } }
      let middle = (0..<12).map { _ in offset * number() }
      func row() -> [Float] {
        let weights = (0..<3).map { _ in 9 * number() }
        return (0..<12).map { d in
          middle[d] + (0..<3).reduce(0) { $0 + weights[$1] * axes[$1][d] }
        }
      }
      rows = try Vectors((0..<400).map { _ in row() })
      queries = try Vectors((0..<20).map { _ in row() })
    }
  }
}

extension TransformTests {
  @Test("of equal rows have axes, whatever the metric", arguments: Metric.allCases)
  func constantRows(_ metric: Metric) throws {
    let device = try Subject.cpu()
    let rows = try Vectors([Float](repeating: 2.5, count: 64 * 200), dimension: 64)
    let index = try Index.build("PCA16,Flat", rows, metric: metric, on: device).index
    let found = try IndexSearch(index, on: device).nearest(rows.rows(0..<2), k: 3).neighbors
    #expect(found.ids == [0, 1, 2, 0, 1, 2])
  }
}
