import Foundation
import TesseraCompute
import TesseraIndex

/// A file that FAISS wrote, and what FAISS finds in it (`Fixtures/make.py`).
struct FAISSFixture {
  /// What FAISS found when it looked at all lists.
  struct Found: Decodable {
    let queries: [Float]
    let dimension: Int
    let k: Int
    let rows: Int
    let ids: [Int64]
    let scores: [Float]
  }

  let path: String
  let bytes: Data
  let found: Found
  private let isOfBits: Bool

  init(_ name: String) throws {
    path = Self.path(name)
    isOfBits = Self.ofBits[name] != nil
    bytes = try Data(contentsOf: URL(filePath: path))
    let json = try Data(contentsOf: Self.folder.appending(path: "\(name).json"))
    found = try JSONDecoder().decode(Found.self, from: json)
  }

  var queries: Vectors {
    get throws {
      guard isOfBits else { return try Vectors(found.queries, dimension: found.dimension) }
      return try Vectors(
        HostMemory(copying: found.queries.map { UInt8($0) }), element: .uint8,
        count: found.queries.count / found.dimension, dimension: found.dimension)
    }
  }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures/FAISS")

  static func path(_ name: String) -> String {
    folder.appending(path: "\(name).faiss").path(percentEncoded: false)
  }

  /// Files of rows: names, and the specifications that they are read as.
  static let ofRows = [
    "rabitq": "RaBitQ", "rabitq-ip": "RaBitQ", "rabitq3-ip": "RaBitQ3", "rabitq9": "RaBitQ9",
    "ivf-rabitq": "IVF4,RaBitQ", "ivf-rabitq-ip": "IVF4,RaBitQ", "ivf-rabitq4": "IVF4,RaBitQ4",
    "ivf-rabitq5-ip": "IVF4,RaBitQ5", "rr-ivf-rabitq2-ip": "RR,IVF4,RaBitQ2",
    "flat-l2": "Flat", "flat-ip": "Flat", "flat-empty": "Flat", "map-flat": "Flat",
    "map2-flat-ip": "Flat", "ivf-flat-l2": "IVF4,Flat", "ivf-flat-ip": "IVF4,Flat",
    "ivf-flat-sparse": "IVF10,Flat", "ivf-flat-array-map": "IVF4,Flat",
    "ivf-flat-hash-map": "IVF4,Flat", "map-ivf-flat": "IVF4,Flat",
  ]
  /// Files of codes, and of the rows that refine their hits.
  static let ofCodes = [
    "sq8": "SQ8", "sq6": "SQ6", "sq4-ip": "SQ4", "sqfp16": "SQfp16", "sqbf16": "SQbf16",
    "sq8-uniform": "SQ8", "sq4-uniform": "SQ4", "sq8-direct": "Flat", "ivf-sq8": "IVF4,SQ8",
    "ivf-sq8-ip": "IVF4,SQ8", "ivf-sqfp16-rows": "IVF4,Flat", "ivf-sq8-direct-rows": "IVF4,Flat",
    "pq4": "PQ4x4", "ivf-pq4": "IVF4,PQ4x4", "ivf-pq4-ip": "IVF4,PQ4x4",
    "pq-fast-scan": "PQ4x4", "pq1-fast-scan": "PQ1x4", "ivf-pq-fast-scan": "IVF4,PQ4x4",
    "refined-sq8": "SQ8,RFlat",
    "refined-ivf-pq4-ip": "IVF4,PQ4x4,RFlat",
  ]
  /// Files with transforms.
  static let ofTransforms = [
    "pca-flat": "PCA4,Flat", "pca-flat-ip": "Center,PCA4,Flat", "pcar-ivf-flat": "PCAR6,IVF4,Flat",
    "rr-norm-flat-ip": "RR4,L2norm,Flat", "center-flat-ip": "Center,Flat",
    "opq-pq4": "OPQ4_4,PQ4x4", "map-opq-ivf-pq4": "OPQ2,IVF4,PQ2x4",
    "refined-opq-ivf-pq4": "OPQ4,IVF4,PQ4x4,RFlat",
  ]
  /// Files of rows of bits.
  static let ofBits = ["bits-flat": "BFlat", "bits-ivf": "BIVF4", "bits-map": "BFlat"]
  static let all = ofRows.merging(ofCodes) { first, _ in first }
    .merging(ofTransforms) { first, _ in first }.merging(ofBits) { first, _ in first }
  static var names: [String] { all.keys.sorted() }
}
