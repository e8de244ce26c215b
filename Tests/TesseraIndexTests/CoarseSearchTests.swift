import TesseraCompute
import TestSupport
import Testing

@testable import TesseraIndex

@Suite("The nearest lists")
struct CoarseSearchTests {
  @Test(
    "are those of canonical scores, however near the others are",
    arguments: Metric.allCases,
    [Content.uniform, .duplicates, .allEqual, .nearTies, .wildNorms, .huge, .faint])
  func canonical(_ metric: Metric, _ content: Content) throws {
    let input = SearchCase(
      metric, .float32, rows: 300, dimension: 17, queries: 40, content: content)
    let centroids = try input.makeRows()
    let queries = try input.makeQueries(centroids)
    let truth = Oracle.neighbors(queries, in: centroids, metric: metric)
    for subject in Subject.present {
      let device = try subject.device
      let coarse = CoarseSearch(centroids.vectors, metric: metric, on: device)
      for count in [1, 7, 40, 299] {
        // All at once are multiplied, two are searched for.
        for asked in [0..<40, 38..<40] {
          let found = try coarse.probes(queries.vectors.rows(asked), count)
          for (place, query) in asked.enumerated() {
            #expect(
              Set(found.probes[place]) == Set(truth[query].prefix(count).map { Int32($0.id) }),
              "\(subject), \(count)")
            #expect(found.next[place] == truth[query][count].score, "\(subject), \(count)")
          }
        }
      }
    }
  }

  /// Bytes in 784 dimensions are vectors of length 2000 to 3000. The bound once grew with the third
  /// power of the length, and nearly all centroids needed canonical scores.
  @Test(
    "products are trusted as far with long vectors as with short ones", arguments: Metric.allCases)
  func lengths(_ metric: Metric) throws {
    let input = SearchCase(
      metric, .float32, rows: 300, dimension: 17, queries: 1, content: .uniform)
    let rows = try input.makeRows().vectors
    let errors = try [Float(0x1p-12), 1, 0x1p12].map { length in
      let values = rows.widened().map { $0 * length }
      let centroids = try Vectors(values, dimension: 17)
      let coarse = try CoarseMatrix(centroids, metric: metric, on: ReferenceDevice.shared)
      let squares = centroids.row(0).reduce(0.0) { $0 + Double($1) * Double($1) }
      let error = try #require(coarse.error(squares: squares))
      return error / Double(length * (metric == .cosine ? 1 : length))
    }
    #expect(errors[0] < 1.01 * errors[1] && errors[2] < 1.01 * errors[1], "\(errors)")
  }
}
