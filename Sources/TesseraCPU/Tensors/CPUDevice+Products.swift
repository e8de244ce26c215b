internal import CSIMD
public import TesseraCompute
internal import TesseraHost

extension CPUDevice {
  /// Multiplies blocks that fit the caches, in the order of additions that the contract gives. Many
  /// small products are divided among threads, a large one is cut into tiles.
  public func product(
    _ a: TensorView<Float>, _ b: TensorView<Float>, adding: Bool, into result: TensorView<Float>
  ) throws(TesseraError) {
    let product = try Shapes.product(a, b, into: result)
    guard result.count > 0, product.inner > 0 || !adding else { return }
    let sides = result.shape.count
    guard result.strides[sides - 1] == 1 || result.shape[sides - 1] == 1 else {
      // Products of the transposed matrices are the same numbers.
      if result.strides[sides - 2] == 1 {
        return try self.product(
          b.transposed, a.transposed, adding: adding, into: result.transposed)
      }
      return try productThroughCopy(a, b, adding: adding, into: result)
    }
    let left = try product.a.hostMemory("product").baseAddress.unsafelyUnwrapped
    let right = try product.b.hostMemory("product").baseAddress.unsafelyUnwrapped
    let target = try product.result.hostMemory("product").baseAddress.unsafelyUnwrapped
    let batch = ProductBatch(product: product, left: left, right: right, target: target)
    if product.count == 1 {
      try batch.multiply(0, adding: adding, by: fusedProducts(workers))
    } else {
      let products = fusedProducts(WorkerPool(count: 1))
      let each = max(1, product.rows * product.inner * product.columns)
      try workers.split(product.count, minimum: max(1, (1 << 17) / each)) {
        range throws(TesseraError) in
        for place in range { try batch.multiply(place, adding: adding, by: products) }
      }
    }
    withExtendedLifetime((a, b, result)) {}
  }

  /// Adds the entries of each row; rows are divided among threads so that each has about as many
  /// entries.
  public func product(
    _ matrix: SparseMatrix, _ source: TensorView<Float>, adding: Bool,
    into result: TensorView<Float>
  ) throws(TesseraError) {
    try Shapes.product(matrix, source, into: result)
    guard result.count > 0 else { return }
    guard source.rows == nil, result.rows == nil, source.strides[1] == 1 || source.shape[1] == 1,
      result.strides[1] == 1 || result.shape[1] == 1
    else { return try sparseProductThroughCopies(matrix, source, adding: adding, into: result) }
    let from = try HostFloats(source, "product")
    let to = try HostFloats(result, "product")
    let starts = try HostSpan(matrix.deviceStarts, "product")
    let columns = try HostSpan(matrix.entryColumns.numbers, "product")
    let values = try matrix.values.map { values throws(TesseraError) in
      try HostSpan(values, "product")
    }
    let width = source.shape[1]
    let cuts = matrix.evenCuts(
      workers.count == 1 ? 1 : min(4 * workers.count, max(1, matrix.entryCount * width / 32_768)))
    try workers.run(cuts.count - 1) { task in
      var sparse = csimd_sparse(
        starts: starts.start, columns: columns.start, values: values?.start)
      kernels.table.pointee.multiply_sparse(
        &sparse, cuts[task], cuts[task + 1], from.start, source.strides[0], width, adding ? 1 : 0,
        to.start, result.strides[0])
    }
    withExtendedLifetime((source, result)) {}
  }

  private func fusedProducts(_ workers: WorkerPool) -> BlockedProduct {
    BlockedProduct(kernels: kernels, workers: workers, isFused: true)
  }

  private func productThroughCopy(
    _ a: TensorView<Float>, _ b: TensorView<Float>, adding: Bool, into result: TensorView<Float>
  ) throws(TesseraError) {
    let copy = try dense(result.shape)
    if adding { try apply(.copy, to: [result], into: [copy]) }
    try product(a, b, adding: adding, into: copy)
    try apply(.copy, to: [copy], into: [result])
  }

  private func sparseProductThroughCopies(
    _ matrix: SparseMatrix, _ source: TensorView<Float>, adding: Bool,
    into result: TensorView<Float>
  ) throws(TesseraError) {
    let (from, to) = (try dense(source.shape), try dense(result.shape))
    try apply(.copy, to: [source], into: [from])
    if adding { try apply(.copy, to: [result], into: [to]) }
    try product(matrix, from, adding: adding, into: to)
    try apply(.copy, to: [to], into: [result])
  }

  private func dense(_ shape: [Int]) throws(TesseraError) -> TensorView<Float> {
    TensorView(try allocate(byteCount: shape.reduce(4, *)), shape: shape)
  }
}

/// The first element of a view in host memory.
///
/// Safe: the operation keeps the memory alive, and each worker writes only its own rows.
private struct HostFloats: @unchecked Sendable {
  let start: UnsafeMutablePointer<Float>

  init(_ view: TensorView<Float>, _ operation: String) throws(TesseraError) {
    start = try view.hostMemory(operation).baseAddress.unsafelyUnwrapped + view.offset
  }
}

/// Products that lie side by side in host memory.
///
/// Safe: the operation keeps the memory alive, and each worker writes only its own products.
private struct ProductBatch: @unchecked Sendable {
  let product: DenseProduct
  let left: UnsafeMutablePointer<Float>
  let right: UnsafeMutablePointer<Float>
  let target: UnsafeMutablePointer<Float>

  func multiply(_ place: Int, adding: Bool, by products: BlockedProduct) throws(TesseraError) {
    let offsets = product.offsets(of: place)
    let (a, b, result) = (product.a.strides, product.b.strides, product.result.strides)
    let sides = result.count
    try products.multiply(
      StridedFloats(
        start: left + offsets.a, rowStep: a[sides - 2], columnStep: a[sides - 1]),
      StridedFloats(
        start: right + offsets.b, rowStep: b[sides - 2], columnStep: b[sides - 1]),
      rows: product.rows, columns: product.columns, inner: product.inner,
      beta: adding ? 1 : 0, into: target + offsets.result, stride: result[sides - 2])
  }
}

extension SparseMatrix {
  /// Rows at which `count` pieces with about as many entries and rows begin, and the end.
  fileprivate func evenCuts(_ count: Int) -> [Int] {
    var cuts = [0]
    for row in 0..<rows
    where (starts[row] + row) * count >= cuts.count * (entryCount + rows) && row > cuts.last ?? 0 {
      cuts.append(row)
    }
    return cuts + [rows]
  }
}
