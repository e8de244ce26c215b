import TesseraCompute
import TesseraOpenCL

/// One class of shapes, and work of that class to measure.
struct TuningTask {
  let shapes: LaunchClass
  /// For people: `512 queries, 60000 x 128`.
  let description: String
  let makeWork: (OpenCLDevice) throws(TesseraError) -> TuningWork
}

/// Work that can be done again and again.
struct TuningWork {
  let run: () throws(TesseraError) -> Void
  /// The bits of the last result.
  let result: () throws(TesseraError) -> [UInt32]
}

extension TuningTask {
  /// One for each class that is worth it, the most used first.
  static func all(for kind: DeviceInfo.Kind) -> [TuningTask] {
    kind == .gpu ? large + common : common
  }

  /// The work that only a GPU does often, or in reasonable time.
  private static var large: [TuningTask] {
    [
      search(queries: 8192, rows: 1_000_000, dimension: 128),
      search(queries: 1024, rows: 1_000_000, dimension: 128),
      search(queries: 1, rows: 1_000_000, dimension: 128),
      search(queries: 4096, rows: 400_000, dimension: 384),
      multiply(rows: 4096, columns: 100_000, inner: 128),
      topK(rows: 4096, columns: 50_000),
    ]
  }

  /// Work of 10 to 100 ms on two cores.
  private static var common: [TuningTask] {
    [
      search(queries: 512, rows: 50_000, dimension: 128),
      search(queries: 8192, rows: 256, dimension: 128),
      search(queries: 1, rows: 100_000, dimension: 128),
      multiply(rows: 1, columns: 100_000, inner: 128),
      multiply(rows: 512, columns: 20_000, inner: 128),
      topK(rows: 1, columns: 1_000_000), topK(rows: 64, columns: 100_000),
      search(queries: 256, rows: 30_000, dimension: 384),
      search(queries: 1, rows: 30_000, dimension: 384),
      search(queries: 4096, rows: 256, dimension: 384),
      search(queries: 512, rows: 50_000, dimension: 64),
      search(queries: 8192, rows: 256, dimension: 64),
      search(queries: 1, rows: 100_000, dimension: 64),
      search(queries: 64, rows: 50_000, dimension: 128),
      search(queries: 64, rows: 30_000, dimension: 384),
      search(queries: 64, rows: 100_000, dimension: 64),
      multiply(rows: 64, columns: 50_000, inner: 128),
      multiply(rows: 1, columns: 30_000, inner: 384),
      multiply(rows: 64, columns: 20_000, inner: 384),
      multiply(rows: 512, columns: 10_000, inner: 384),
      multiply(rows: 1, columns: 100_000, inner: 64),
      multiply(rows: 64, columns: 50_000, inner: 64),
      multiply(rows: 512, columns: 20_000, inner: 64),
      multiply(rows: 1024, columns: 1024, inner: 1024),
      multiply(rows: 4096, columns: 1024, inner: 64),
      multiply(rows: 4096, columns: 1024, inner: 128),
      topK(rows: 512, columns: 20_000), topK(rows: 256, columns: 100_000),
      topK(rows: 64, columns: 20_000), topK(rows: 8, columns: 200_000),
      topK(rows: 16, columns: 1_000_000),
    ]
  }

  /// A search of clustered rows for the 10 nearest; among few rows for the nearest, as k-means does.
  private static func search(queries: Int, rows: Int, dimension: Int) -> TuningTask {
    let shapes = LaunchClass.search(queries: queries, rows: rows, dimension: dimension)
    let k = shapes.width == .few ? 1 : 10
    return TuningTask(
      shapes: shapes, description: "search: \(queries) queries, \(rows) x \(dimension), k = \(k)"
    ) { device throws(TesseraError) in
      let base = try Vectors(TuningInput.rows(rows, dimension, seed: 1), dimension: dimension)
      let asked = try Vectors(TuningInput.rows(queries, dimension, seed: 2), dimension: dimension)
      let set = try device.prepare(base, metric: .squaredL2)
      let found = Found()
      return TuningWork { () throws(TesseraError) in
        found.neighbors = try device.nearest(asked, in: set, k: k)
      } result: {
        found.neighbors.ids.map { UInt32(truncatingIfNeeded: $0) }
          + found.neighbors.scores.map(\.bitPattern)
      }
    }
  }

  private final class Found {
    var neighbors = Neighbors.none(queryCount: 0)
  }

  private static func multiply(rows: Int, columns: Int, inner: Int) -> TuningTask {
    TuningTask(
      shapes: .multiply(rows: rows, columns: columns, inner: inner),
      description: "products: \(rows) x \(columns), \(inner) deep"
    ) { device throws(TesseraError) in
      let a = try device.upload(
        TuningInput.rows(rows, inner, seed: 3), rows: rows, columns: inner)
      let b = try device.upload(
        TuningInput.rows(columns, inner, seed: 4), rows: columns, columns: inner)
      let scores = try device.allocate(Float.self, rows: rows, columns: columns)
      return TuningWork { () throws(TesseraError) in
        try device.innerProducts(a, b, into: scores)
        try device.synchronize()
      } result: { () throws(TesseraError) in
        try device.download(scores).map(\.bitPattern)
      }
    }
  }

  private static func topK(rows: Int, columns: Int) -> TuningTask {
    let k = 100
    return TuningTask(
      shapes: .topK(rows: rows, columns: columns),
      description: "selection: \(k) of \(columns), \(rows) rows"
    ) { device throws(TesseraError) in
      let scores = try device.upload(
        TuningInput.rows(rows, columns, seed: 5), rows: rows, columns: columns)
      let values = try device.allocate(Float.self, rows: rows, columns: k)
      let places = try device.allocate(Int32.self, rows: rows, columns: k)
      return TuningWork { () throws(TesseraError) in
        try device.topK(scores, order: .largestFirst, into: values, places)
        try device.synchronize()
      } result: { () throws(TesseraError) in
        try device.download(values).map(\.bitPattern)
          + device.download(places).map { UInt32(bitPattern: $0) }
      }
    }
  }
}

/// Rows around a hundred centers, the same in every run.
private enum TuningInput {
  static func rows(_ count: Int, _ dimension: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: 0)
    let centers = (0..<100 * dimension).map { _ in Float(random.nextUnit()) - 0.5 }
    random = SplitMix64(seed: seed)
    return unsafe [Float](unsafeUninitializedCapacity: count * dimension) { values, filled in
      for _ in 0..<count {
        let center = random.nextIndex(below: 100) * dimension
        for column in 0..<dimension {
          let noise = Float(Int32(truncatingIfNeeded: random.next() >> 40)) * 0x1p-24 - 0.5
          unsafe values[filled] = centers[center + column] + 0.5 * noise
          filled += 1
        }
      }
    }
  }
}
