public import TesseraCompute

extension OpenCLDevice {
  /// Packs b, and multiplies run by run of 256; products of a batch follow each other. Tensors without
  /// a side along which numbers lie next to each other are copied first.
  public func product(
    _ a: TensorView<Float>, _ b: TensorView<Float>, adding: Bool, into result: TensorView<Float>
  ) throws(TesseraError) {
    let product = try Shapes.product(a, b, into: result)
    guard result.count > 0, product.inner > 0 || !adding else { return }
    guard roundsAsIEEE, try trustsProduct(rows: product.rows, columns: product.columns) else {
      return try HostPath(self).product(a, b, adding: adding, into: result)
    }
    let sides = result.shape.count
    if result.strides[sides - 1] != 1, product.columns > 1 {
      // Products of the transposed matrices are the same numbers.
      if result.strides[sides - 2] == 1 || product.rows == 1 {
        return try self.product(
          b.transposed, a.transposed, adding: adding, into: result.transposed)
      }
      let copy = try dense(result.shape)
      if adding { try apply(.copy, to: [result], into: [copy]) }
      try self.product(a, b, adding: adding, into: copy)
      return try apply(.copy, to: [copy], into: [result])
    }
    if sides > 2, b.shape.count == 2, a.shape.count == sides, a.isDense, result.isDense {
      // One matrix for all: the rows of the batch are rows of one product.
      let rows = product.count * product.rows
      return try self.product(
        a.reshaped([rows, product.inner]), b, adding: adding,
        into: result.reshaped([rows, product.columns]))
    }
    guard let left = PackedSide(a, product.rows, product.inner) else {
      return try self.product(copied(a), b, adding: adding, into: result)
    }
    guard let right = PackedSide(b, product.inner, product.columns) else {
      return try self.product(a, copied(b), adding: adding, into: result)
    }
    try multiply(product, left, right, adding: adding)
  }

  /// One side of a product along which numbers lie next to each other, and the stride along the other.
  private struct PackedSide {
    let isInColumns: Bool
    let stride: Int

    init?(_ view: TensorView<Float>, _ rows: Int, _ columns: Int) {
      let (rowStep, columnStep) = (
        view.strides[view.strides.count - 2], view.strides[view.strides.count - 1]
      )
      if columnStep == 1 || columns <= 1 {
        (isInColumns, stride) = (false, rowStep)
      } else if rowStep == 1 || rows <= 1 {
        (isInColumns, stride) = (true, columnStep)
      } else {
        return nil
      }
    }
  }

  private func multiply(
    _ product: DenseProduct, _ left: PackedSide, _ right: PackedSide, adding: Bool
  ) throws(TesseraError) {
    let (a, b) = (try own(product.a.storage, "product"), try own(product.b.storage, "product"))
    let result = try own(product.result.storage, "product")
    let values = launchValues(
      .multiply(rows: product.rows, columns: product.columns, inner: product.inner))
    let blocks = PanelBlocks(
      inner: product.inner, columns: product.columns, maxElements: values[.packKiB] << 8,
      maxInner: Reduction.run)
    let panels = try reserve(blocks.panelElements, of: Float.self)
    let resultStride = product.result.strides[product.batch.count]
    try context.together { () throws(TesseraError) in
      for columns in blocks.columns {
        for (index, dimensions) in blocks.inner.enumerated() {
          var packed: Int?
          for place in 0..<product.count {
            let offsets = product.offsets(of: place)
            if packed != offsets.b {
              try pack(
                .memory(b, firstElement: b.start / MemoryLayout<Float>.stride + offsets.b),
                stride: right.stride, inRows: right.isInColumns, vectors: columns,
                dimensions: dimensions, into: panels)
              packed = offsets.b
            }
            try multiply(
              LeftFactor(
                storage: a, offset: offsets.a, stride: left.stride, inColumns: left.isInColumns,
                rows: product.rows),
              dimensions: dimensions, panels, alpha: 1, beta: adding || index > 0 ? 1 : 0,
              into: ProductTarget(storage: result, offset: offsets.result, stride: resultStride),
              columns: columns, values, isFused: true)
          }
        }
      }
    }
  }

  /// New memory for a tensor.
  func dense(_ shape: [Int]) throws(TesseraError) -> TensorView<Float> {
    TensorView(try reserve(shape.reduce(1, *), of: Float.self), shape: shape)
  }

  /// The same numbers one after the other.
  func copied(_ view: TensorView<Float>) throws(TesseraError) -> TensorView<Float> {
    let copy = try dense(view.shape)
    try apply(.copy, to: [view], into: [copy])
    return copy
  }

  private func trustsProduct(rows: Int, columns: Int) throws(TesseraError) -> Bool {
    guard try trusts(.product(largeTiles: 0)) else { return false }
    guard usesLargeTiles(rows: rows, columns: columns) else { return true }
    return try trusts(.product(largeTiles: info.computeUnits))
  }
}
