// The job of ../../../README.md in Swift.
import Foundation
import Tessera

func put<Number>(_ out: inout Data, _ numbers: [Number]) {
  numbers.withUnsafeBytes { out.append(contentsOf: $0) }
}

func put(_ out: inout Data, _ found: Neighbors) {
  put(&out, found.ids)
  put(&out, found.scores)
}

guard CommandLine.arguments.count == 4 else { exit(64) }
var out = Data()
let device = try Devices.choose(.cpu)
let base = try VectorFile.open(CommandLine.arguments[1])
let queries = try VectorFile.open(CommandLine.arguments[2])

let exact = try IndexSearch(base, metric: .innerProduct, on: device)
put(&out, try exact.nearest(queries, k: 5).neighbors)
put(&out, try exact.nearest(queries, k: 5, only: .range(0..<100)).neighbors)

let index = try Index.build("IVF16,Flat", base, metric: .innerProduct, on: device).index
put(
  &out, try IndexSearch(index, on: device).nearest(queries, k: 5, effort: .probes(4)).neighbors)

// The queries become rows, which are found, and are removed again.
let living = LivingIndex(inMemory: index)
let changing = try LivingSearch(living, on: device)
let given = try living.add(queries)
put(&out, try changing.nearest(queries, k: 5, effort: .probes(4)).neighbors)
try living.compact(on: device)
put(&out, try changing.nearest(queries, k: 5, effort: .probes(4)).neighbors)
guard try living.remove(given) == queries.count else { exit(70) }
put(&out, try changing.nearest(queries, k: 5, effort: .probes(4)).neighbors)

let clusters = try KMeans(.init(clusterCount: 8)).cluster(base, on: device)
put(&out, clusters.centroids)
put(&out, clusters.labels)

// The same clusters of rows that two machines have: one update from the centroids above.
let shared = KMeans(.init(clusterCount: 8, chunkRows: 500))
let old = try Vectors(clusters.centroids, dimension: base.dimension)
let parts = try [0..<1000, 1000..<base.count].map {
  try shared.partial(base.rows($0), firstRow: $0.lowerBound, centroids: old, on: device)
}
put(&out, try KMeansPartial.merging(parts).step(ofAll: base.count, from: old).centroids)

// What the second half may hold at best.
let ball = try ShardBall(of: base.rows(1000..<base.count), metric: .innerProduct)
put(&out, try ShardBall.bounds([ball], of: queries))

try out.write(to: URL(fileURLWithPath: CommandLine.arguments[3]))
