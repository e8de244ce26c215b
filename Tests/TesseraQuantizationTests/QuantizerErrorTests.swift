import Foundation
import TesseraCPU
import TesseraCompute
import TesseraFormats
import Testing

@testable import TesseraQuantization

/// Errors on real vectors against those of faiss-cpu 1.15.1 on the same rows.
@Suite("errors on real vectors")
struct QuantizerErrorTests {
  static let folder =
    ProcessInfo.processInfo.environment["TESSERA_TEST_DATA"]
    ?? URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../shared/data").standardized.path
  static var sift: String { "\(folder)/sift5k/base.u8.npy" }
  static var hasSIFT: Bool { FileManager.default.fileExists(atPath: sift) }

  @Test(
    "codes of SIFT are no worse than FAISS's",
    .enabled(if: hasSIFT, "no sift5k in \(folder)"),
    arguments: [
      ("PQ8x8", 21_915.0), ("PQ16x8", 11_427.0), ("PQ32x8", 3_974.0), ("RQ8x8", 12_597.0),
    ])
  func faiss(_ specification: String, _ theirs: Double) throws {
    let training = try QuantizerFactory.recipe(specification).train(
      VectorFile.open(Self.sift), on: CPUDevice()
    )
    #expect(training.meanSquaredError <= theirs)
  }

  @Test("a rotation and stages lower the error", .enabled(if: hasSIFT, "no sift5k in \(folder)"))
  func order() throws {
    let device = try CPUDevice()
    let points = try VectorFile.open(Self.sift)
    let errors = try ["PQ8x8", "OPQ8,PQ8x8", "RQ8x8"].map {
      try QuantizerFactory.recipe($0).train(points, on: device).meanSquaredError
    }
    #expect(errors[1] < errors[0] && errors[2] < errors[1], "\(errors)")
  }
}
