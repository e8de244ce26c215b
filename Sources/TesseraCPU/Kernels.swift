internal import CSIMD
internal import TesseraCompute

/// One instruction set's table of C functions.
struct Kernels: @unchecked Sendable {
  // Safe: the table is constant data of the C target.
  let table: UnsafePointer<csimd_kernels>

  var name: String { String(cString: table.pointee.name) }
  var queryBlock: Int { table.pointee.query_block }

  /// True if there is a filter on bytes.
  var canQuantize: Bool { table.pointee.filter_quantized != nil }

  /// The number of multiply-adds of bytes that take as long as one of floats.
  var floatCost: Double { Double(table.pointee.float_cost) }

  /// The canonical sum of squares of one vector.
  func squares(_ vector: UnsafePointer<Float>, dimension: Int) -> Double {
    var sum = 0.0
    let rows = csimd_rows(
      start: vector, stride: dimension * 4, dimension: dimension,
      element: Int32(CSIMD_FLOAT32.rawValue))
    table.pointee.widen_rows(rows, 0, 1, nil, &sum)
    return sum
  }

  /// The tables this machine can run, slowest first.
  static let runnable: [Kernels] = {
    var found: [Kernels] = []
    while let table = csimd_variant(found.count) { found.append(Kernels(table: table)) }
    return found
  }()
}

extension Vectors {
  /// These rows as the C kernels see them. Valid while the vectors are alive.
  var kernelRows: csimd_rows {
    csimd_rows(
      start: baseAddress, stride: rowStride, dimension: dimension, element: element.rawValue)
  }
}

/// Rows per packed panel.
let panelWidth = Int(CSIMD_PANEL)
