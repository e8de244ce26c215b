import TesseraCompute
import TestSupport
import Testing

@testable import TesseraIndex

@Suite("The nearest lists")
struct CoarseMatrixTests {
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
      let coarse = try CoarseMatrix(centroids.vectors, metric: metric, on: device)
      for count in [1, 7, 40, 299] {
        let found = try coarse.probes(queries.vectors, count)
        for query in 0..<40 {
          #expect(
            Set(found.probes[query]) == Set(truth[query].prefix(count).map { Int32($0.id) }),
            "\(subject), \(count)")
          #expect(found.next[query] == truth[query][count].score, "\(subject), \(count)")
        }
      }
    }
  }
}
