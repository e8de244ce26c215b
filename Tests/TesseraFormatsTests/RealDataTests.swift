import Foundation
import TesseraCompute
import TesseraFormats
import Testing

/// A folder of real vectors: `TESSERA_TEST_DATA`, or shared/data beside the package.
private let dataFolder: String? = {
  let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  let folder =
    ProcessInfo.processInfo.environment["TESSERA_TEST_DATA"]
    ?? package.deletingLastPathComponent().appendingPathComponent("shared/data").path
  return FileManager.default.fileExists(atPath: "\(folder)/wordnet-minilm/base.f16.npy")
    ? folder : nil
}()

@Suite("Real files", .enabled(if: dataFolder != nil, "needs the folder TESSERA_TEST_DATA names"))
struct RealDataTests {
  private let folder: String

  init() throws { folder = try #require(dataFolder) }

  @Test("sentence embeddings: unit vectors in float16")
  func embeddings() throws {
    let base = try VectorFile.open("\(folder)/wordnet-minilm/base.f16.npy")
    #expect(base.element == .float16)
    #expect(base.count == 117_659 && base.dimension == 384)
    for row in [0, 1, 58_829, 117_658] {
      let length = base.row(row).reduce(0) { $0 + Double($1) * Double($1) }
      #expect(abs(length - 1) < 1e-3)
    }
  }

  @Test("images: pixels in uint8, labels of one dimension")
  func images() throws {
    let images = try VectorFile.open("\(folder)/mnist/train.u8.npy")
    #expect(images.element == .uint8)
    #expect(images.count == 60_000 && images.dimension == 784)
    let labels = try IDFile.open("\(folder)/mnist/train_labels.u8.npy")
    #expect(labels.rows == 60_000 && labels.columns == 1)
    #expect((0..<60_000).allSatisfy { 0...9 ~= labels[$0, 0] })
  }

  @Test("the first true neighbour has the score the truth says")
  func truth() throws {
    let base = try VectorFile.open("\(folder)/wordnet-minilm/base.f16.npy")
    let queries = try VectorFile.open("\(folder)/wordnet-minilm/queries.f16.npy")
    let ids = try IDFile.open("\(folder)/wordnet-minilm/truth_ip_top100.i32.npy")
    let scores = try ScoreFile.open("\(folder)/wordnet-minilm/truth_ip_top100.f32.npy")
    #expect(ids.rows == queries.count && ids.columns == 100)
    #expect(scores.rows == ids.rows && scores.columns == ids.columns)
    for query in stride(from: 0, to: queries.count, by: 199) {
      let nearest = try #require(Int(exactly: ids[query, 0]))
      let score = CanonicalScore.score(.innerProduct, queries.row(query), base.row(nearest))
      #expect(abs(score - scores.scores[query * 100]) <= 1e-6)
    }
  }
}
