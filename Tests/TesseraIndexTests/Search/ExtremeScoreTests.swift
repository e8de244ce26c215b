import Synchronization
import TesseraCPU
import TesseraCompute
import TesseraOpenCL
import TesseraIndex
import Testing

@Suite("scores beyond Float32")
struct ExtremeScoreTests {
  static func devices() throws -> [any Device] {
    [ReferenceDevice.shared, try CPUDevice()] + OpenCLDevice.all().devices
  }

  static func numbers(_ count: Int, times scale: Float, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float(random.nextUnit() * 2 - 1) * scale }
  }

  /// The ids by Float64 scores, of numbers that Float64 holds.
  static func truth(_ base: Vectors, _ query: [Float], _ metric: Metric, k: Int) -> [Int64] {
    let scores = (0..<base.count).map { row in
      zip(query, base.row(row)).reduce(0.0) { sum, pair in
        let (q, x) = (Double(pair.0), Double(pair.1))
        return sum + (metric == .squaredL2 ? (q - x) * (q - x) : -q * x)
      }
    }
    return scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }.prefix(k).map { Int64($0) }
  }

  @Test("rank by their exact sums", arguments: [Metric.squaredL2, .innerProduct], [1e-25, 1e20])
  func extremes(_ metric: Metric, _ size: Float) throws {
    let base = try Vectors(Self.numbers(200 * 16, times: size, seed: 1), dimension: 16)
    let queries = base.rows(150..<153)
    for device in try Self.devices() {
      for memory in [nil, 20_000] {
        let found = try IndexSearch(
          base, metric: metric, on: device, options: .init(memoryBudget: memory)
        ).nearest(queries, k: 5).neighbors
        for query in 0..<3 {
          let want = Self.truth(base, queries.row(query), metric, k: 5)
          #expect(found[query].map(\.id) == want, "\(device.info.identifier)")
          for hit in found[query] {
            let score = CanonicalScore.score(metric, queries.row(query), base.row(Int(hit.id)))
            #expect(hit.score == score, "\(device.info.identifier)")
          }
        }
        #expect(found.statistics.certified)
      }
    }
  }

  @Test("numbers that are too far apart are said to be, alike on every device")
  func tooFarApart() throws {
    let notes = Mutex(0)
    let control = RunControl(note: { _ in notes.withLock { $0 += 1 } })
    var values = Self.numbers(50 * 4, times: 1e30, seed: 2)
    for place in 0..<50 where place % 2 == 0 { values[place * 4] = 0x1p-133 }
    let base = try Vectors(values, dimension: 4)
    var all: [Neighbors] = []
    for device in try Self.devices() {
      let found = try IndexSearch(base, metric: .squaredL2, on: device)
        .nearest(base.rows(0..<2), k: 5, control: control).neighbors
      #expect(!found.statistics.certified)
      all.append(found)
    }
    #expect(all.allSatisfy { $0.ids == all[0].ids && $0.scores == all[0].scores })
    #expect(notes.withLock(\.self) == all.count)
  }

  @Test("exact zeros of sparse rows need no second search")
  func zeros() throws {
    let base = try Vectors([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    let found = try IndexSearch(base, metric: .innerProduct, on: ReferenceDevice.shared)
      .nearest(base.rows(0..<1), k: 3).neighbors
    #expect(found.ids == [0, 1, 2] && found.statistics.certified)
    #expect(found.statistics.rescored == 4)
  }
}
