internal import CSIMD
internal import TesseraCompute
internal import TesseraHost

/// Float32 numbers in rows and columns, wherever they lie: row i, column j is
/// `start[i * rowStep + j * columnStep]`.
///
/// Safe: read only while the matrix that owns the memory is alive.
struct StridedFloats: @unchecked Sendable {
  let start: UnsafePointer<Float>
  let rowStep: Int
  let columnStep: Int

  /// The same numbers with rows and columns exchanged.
  var transposed: StridedFloats {
    StridedFloats(start: start, rowStep: columnStep, columnStep: rowStep)
  }

  /// Rows one after another, `columns` numbers each.
  static func rows(_ start: UnsafePointer<Float>, columns: Int) -> StridedFloats {
    StridedFloats(start: start, rowStep: columns, columnStep: 1)
  }
}

/// Multiplies Float32 matrices with the instruction set's kernels.
///
/// A sum is cut into runs of ``run`` terms, each a chain of multiply-adds from 0 in rising order; the
/// runs are added in rising order. So the result does not depend on the number of threads.
struct BlockedProduct: Sendable {
  let kernels: Kernels
  let workers: WorkerPool
  /// True for multiply-adds that are rounded once on every processor, which then give the same bits
  /// everywhere; where there is no instruction for them they take a hundred times as long.
  var isFused = false

  /// Terms that are summed before they are added to the result: strips of so many fit the nearest
  /// cache.
  private static let run = 256
  /// Columns and rows that one worker takes at once, at most: packed, they fit the caches behind.
  private static let mostColumns = 1024
  private static let mostRows = 2048
  /// Strips of rows that are packed at once.
  private static let stripsOfRows = 16

  /// `result = alpha * a * b + beta * result`, where a is `rows` x `inner` and b is `inner` x
  /// `columns`; rows of the result are `stride` numbers apart. With beta 0 the old result is not read.
  ///
  /// - Throws: `.outOfMemory`, `.cancelled`.
  func multiply(
    _ a: StridedFloats, _ b: StridedFloats, rows: Int, columns: Int, inner: Int, alpha: Float = 1,
    beta: Float = 0, into result: UnsafeMutablePointer<Float>, stride: Int
  ) throws(TesseraError) {
    guard rows > 0, columns > 0 else { return }
    let target = MutableFloats(start: result)
    let (height, width) = tile(rows: rows, columns: columns, inner: inner)
    let across = (columns + width - 1) / width
    let tasks = (rows + height - 1) / height * across
    try workers.run(tasks) { task throws(TesseraError) in
      let (row, column) = (task / across * height, task % across * width)
      try multiplyTile(
        a, b, rows: row..<min(rows, row + height), columns: column..<min(columns, column + width),
        inner: inner, alpha: alpha, beta: beta, into: target.start, stride: stride)
    }
  }

  /// The part of the result that one worker takes at once: small enough that all have work, and that
  /// a slow core does not hold up the rest.
  private func tile(rows: Int, columns: Int, inner: Int) -> (height: Int, width: Int) {
    let (rowUnit, columnUnit) = (kernels.queryBlock, kernels.table.pointee.tile_columns)
    var height = min(rows, Self.mostRows)
    var width = min(columns, Self.mostColumns)
    guard workers.count > 1 else { return (height, width) }
    // A thread is worth waking for 2^17 multiply-adds or more, some microseconds.
    let worthwhile = rows * columns / max(1, (1 << 17) / max(1, inner))
    let wanted = min(4 * workers.count, max(1, worthwhile))
    while ((rows + height - 1) / height) * ((columns + width - 1) / width) < wanted {
      if height > width, height > rowUnit {
        height = (height / 2 + rowUnit - 1) / rowUnit * rowUnit
      } else if width > 2 * columnUnit {
        width = (width / 2 + columnUnit - 1) / columnUnit * columnUnit
      } else if height > 2 * rowUnit {
        height = (height / 2 + rowUnit - 1) / rowUnit * rowUnit
      } else {
        break
      }
    }
    return (height, width)
  }

  private func multiplyTile(
    _ a: StridedFloats, _ b: StridedFloats, rows: Range<Int>, columns: Range<Int>, inner: Int,
    alpha: Float, beta: Float, into result: UnsafeMutablePointer<Float>, stride: Int
  ) throws(TesseraError) {
    let table = kernels.table.pointee
    let (rowUnit, columnUnit) = (table.query_block, table.tile_columns)
    let depth = min(inner, Self.run)
    let packedRows = min(rows.count, rowUnit * Self.stripsOfRows)
    let left = try HostStorage(
      allocating: (packedRows + rowUnit - 1) / rowUnit * rowUnit * depth * 4)
    let right = try HostStorage(
      allocating: (columns.count + columnUnit - 1) / columnUnit * columnUnit * depth * 4)
    // Without terms the sums are 0, and there is the old result to scale.
    for first in Swift.stride(from: 0, to: max(1, inner), by: Self.run) {
      let depth = min(inner - first, Self.run)
      table.pack_strips(
        b.start + first * b.rowStep + columns.lowerBound * b.columnStep, b.columnStep, b.rowStep,
        columns.count, depth, columnUnit, right.floats)
      for row in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: packedRows) {
        let count = min(packedRows, rows.upperBound - row)
        table.pack_strips(
          a.start + row * a.rowStep + first * a.columnStep, a.rowStep, a.columnStep, count, depth,
          rowUnit, left.floats)
        let multiply = isFused ? table.multiply_strips_fused : table.multiply_strips
        multiply?(
          left.floats, right.floats, count, columns.count, depth, alpha, first == 0 ? beta : 1,
          result + row * stride + columns.lowerBound, stride)
      }
    }
  }
}

/// Safe: each worker writes only the tile it was given.
private struct MutableFloats: @unchecked Sendable {
  let start: UnsafeMutablePointer<Float>
}
