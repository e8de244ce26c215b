extension TensorView {
  /// The places of all elements in the memory, the last side running fastest.
  ///
  /// - Throws: `.wrongDevice` if the rows selected are listed on another device.
  package func places(_ operation: String) throws(TesseraError) -> [Int] {
    var places = [offset]
    for (side, (length, stride)) in zip(shape, strides).enumerated() {
      var steps = (0..<length).map { $0 * stride }
      if side == 0, let rows {
        steps = try rows.hostNumbers(operation).map { Int($0) * stride }
      }
      places = places.flatMap { place in steps.map { place + $0 } }
    }
    return places
  }

  /// The memory's elements, if they lie on the host.
  ///
  /// - Throws: `.wrongDevice` if they lie elsewhere.
  package func hostMemory(_ operation: String) throws(TesseraError)
    -> UnsafeMutableBufferPointer<Element>
  {
    try Matrix<Element>(
      storage, rows: 1, columns: storage.byteCount / MemoryLayout<Element>.stride
    ).hostElements(operation)
  }
}

/// The memory of a device's tensors copied to the host, so that the reference device can do the work.
final class HostCopies {
  private let device: any Device
  private var copies: [ObjectIdentifier: (original: Storage, copy: HostStorage)] = [:]

  init(of device: any Device) { self.device = device }

  /// The same view of a copy of its memory; views of the same memory share one copy.
  func view<Element>(_ view: TensorView<Element>) throws(TesseraError) -> TensorView<Element> {
    try view.moved(
      to: copy(of: view.storage),
      rows: view.rows.map { rows throws(TesseraError) in
        RowSelection(unchecked: try matrix(rows.numbers), limit: rows.limit)
      })
  }

  /// The same sparse matrix in copies of its memory.
  func matrix(_ matrix: SparseMatrix) throws(TesseraError) -> SparseMatrix {
    SparseMatrix(
      columns: matrix.columns, starts: matrix.starts,
      deviceStarts: try self.matrix(matrix.deviceStarts),
      entryColumns: RowSelection(
        unchecked: try self.matrix(matrix.entryColumns.numbers), limit: matrix.entryColumns.limit),
      values: try matrix.values.map { values throws(TesseraError) in try self.matrix(values) })
  }

  /// Copies the memory of results back.
  func store(_ views: [TensorView<Float>]) throws(TesseraError) {
    for storage in Set(views.map { ObjectIdentifier($0.storage) }) {
      guard let (original, copy) = copies[storage] else { continue }
      try device.upload(UnsafeRawBufferPointer(copy.bytes), to: original, at: 0)
    }
  }

  private func matrix<Element>(_ matrix: Matrix<Element>) throws(TesseraError) -> Matrix<Element> {
    Matrix(
      try copy(of: matrix.storage), offset: matrix.offset, rows: matrix.rows,
      columns: matrix.columns)
  }

  private func copy(of storage: Storage) throws(TesseraError) -> HostStorage {
    if let known = copies[ObjectIdentifier(storage)] { return known.copy }
    let copy = try HostStorage(allocating: storage.byteCount)
    try device.download(storage, at: 0, to: copy.bytes)
    copies[ObjectIdentifier(storage)] = (storage, copy)
    return copy
  }
}

/// Copies tensors to the host, lets the reference device work, and copies results back.
extension Device {
  /// Applies the formula on the host.
  public func apply(
    _ formula: Formula, to inputs: [TensorView<Float>], parameters: [Float], random: RandomKey,
    into results: [TensorView<Float>]
  ) throws(TesseraError) {
    let copies = HostCopies(of: self)
    try ReferenceDevice.shared.apply(
      formula, to: copies.views(inputs), parameters: parameters, random: random,
      into: copies.views(results))
    try copies.store(results)
  }

  /// Applies the formula and combines its results on the host.
  public func reduce(
    _ formula: Formula, of inputs: [TensorView<Float>], parameters: [Float],
    by reduction: Reduction, along side: Int, into results: [TensorView<Float>]
  ) throws(TesseraError) {
    let copies = HostCopies(of: self)
    try ReferenceDevice.shared.reduce(
      formula, of: copies.views(inputs), parameters: parameters, by: reduction,
      along: side, into: copies.views(results))
    try copies.store(results)
  }

  /// Multiplies on the host.
  public func product(
    _ a: TensorView<Float>, _ b: TensorView<Float>, adding: Bool, into result: TensorView<Float>
  ) throws(TesseraError) {
    let copies = HostCopies(of: self)
    try ReferenceDevice.shared.product(
      copies.view(a), copies.view(b), adding: adding, into: copies.view(result))
    try copies.store([result])
  }

  /// Multiplies on the host.
  public func product(
    _ matrix: SparseMatrix, _ source: TensorView<Float>, adding: Bool,
    into result: TensorView<Float>
  ) throws(TesseraError) {
    let copies = HostCopies(of: self)
    try ReferenceDevice.shared.product(
      copies.matrix(matrix), copies.view(source), adding: adding, into: copies.view(result))
    try copies.store([result])
  }
}

extension HostCopies {
  func views(_ views: [TensorView<Float>]) throws(TesseraError) -> [TensorView<Float>] {
    try views.map { view throws(TesseraError) in try self.view(view) }
  }
}
