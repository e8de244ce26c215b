/// Numbers in device memory along one to four sides, with a stride for each side.
///
/// Element (i, j, ...) lies at `offset + i * strides[0] + j * strides[1] + ...`. A stride of 0 repeats
/// the same numbers along its side. With `rows`, the first side is a list of rows of the memory, which
/// may name a row more than once: row i lies at `rows[i] * strides[0]`.
public struct TensorView<Element: DeviceScalar>: Sendable {
  /// The memory that the elements lie in, shared with other views.
  public let storage: Storage
  /// The first element's position in `storage`, in elements.
  public let offset: Int
  /// The number of elements along each side, the outermost first.
  public let shape: [Int]
  /// The distance from one element to the next along each side, in elements.
  public let strides: [Int]
  /// The rows of the memory that the first side goes through; nil if it goes through all in order.
  public let rows: RowSelection?

  /// The most sides that a view can have.
  public static var sideLimit: Int { 4 }

  /// Takes numbers that lie in `storage` as the strides say, one after the other if `strides` is nil.
  ///
  /// - Precondition: One to four sides, none negative, and all elements inside `storage`.
  public init(_ storage: Storage, offset: Int = 0, shape: [Int], strides: [Int]? = nil) {
    self.init(
      storage, offset: offset, shape: shape, strides: strides ?? Self.denseStrides(shape),
      rows: nil)
    let last = zip(shape, self.strides).reduce(offset) { $0 + max(0, $1.0 - 1) * $1.1 }
    precondition(
      count == 0 || (last + 1) * MemoryLayout<Element>.stride <= storage.byteCount,
      "a view that ends at element \(last) does not fit \(storage.byteCount) bytes")
  }

  /// All elements of a matrix.
  public init(_ matrix: Matrix<Element>) {
    self.init(
      matrix.storage, offset: matrix.offset, shape: [matrix.rows, matrix.columns],
      strides: [matrix.columns, 1], rows: nil)
  }

  private init(
    _ storage: Storage, offset: Int, shape: [Int], strides: [Int], rows: RowSelection?
  ) {
    precondition(
      (1...Self.sideLimit).contains(shape.count) && shape.count == strides.count,
      "a view has one to \(Self.sideLimit) sides, each with a stride")
    precondition(
      offset >= 0 && shape.allSatisfy { $0 >= 0 } && strides.allSatisfy { $0 >= 0 },
      "a view has no negative sizes")
    (self.storage, self.offset) = (storage, offset)
    (self.shape, self.strides, self.rows) = (shape, strides, rows)
  }

  /// The same view of other memory.
  func moved(to storage: Storage, rows: RowSelection?) -> TensorView {
    TensorView(storage, offset: offset, shape: shape, strides: strides, rows: rows)
  }

  /// The number of elements: the product of all sides.
  public var count: Int { shape.reduce(1, *) }

  /// True if the elements lie one after the other, each once.
  public var isDense: Bool {
    guard rows == nil else { return false }
    var expected = 1
    for (side, stride) in zip(shape, strides).reversed() where side != 1 {
      guard stride == expected else { return false }
      expected *= side
    }
    return true
  }

  /// The elements as a matrix; nil unless there are two sides and the elements lie one after the other.
  public var matrix: Matrix<Element>? {
    guard shape.count == 2, isDense else { return nil }
    return Matrix(storage, offset: offset, rows: shape[0], columns: shape[1])
  }

  private static func denseStrides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for side in shape.indices.dropLast().reversed() {
      strides[side] = strides[side + 1] * shape[side + 1]
    }
    return strides
  }
}

extension TensorView {
  /// Every `step`-th element of `range` along `side`, without copying.
  ///
  /// - Precondition: The side is there, holds the range, and is not a list of rows; the step is 1 or more.
  public func slice(_ range: Range<Int>, of side: Int, every step: Int = 1) -> TensorView {
    precondition(shape.indices.contains(side), "side \(side) of \(shape.count)")
    precondition(
      range.lowerBound >= 0 && range.upperBound <= shape[side] && step > 0,
      "elements \(range) of \(shape[side]), every \(step)")
    precondition(side != 0 || rows == nil, "a list of rows is not cut")
    var (shape, strides) = (shape, strides)
    shape[side] = (range.count + step - 1) / step
    let start = offset + (shape[side] > 0 ? range.lowerBound * strides[side] : 0)
    strides[side] *= step
    return TensorView(storage, offset: start, shape: shape, strides: strides, rows: rows)
  }

  /// The same elements with two sides exchanged, without copying.
  ///
  /// - Precondition: The sides are there, and neither of them is a list of rows.
  public func exchanging(_ first: Int, _ second: Int) -> TensorView {
    precondition(
      shape.indices.contains(first) && shape.indices.contains(second)
        && (rows == nil || first > 0 && second > 0), "sides \(first) and \(second) of \(shape)")
    var (shape, strides) = (shape, strides)
    shape.swapAt(first, second)
    strides.swapAt(first, second)
    return TensorView(storage, offset: offset, shape: shape, strides: strides, rows: rows)
  }

  /// The same elements with the last two sides exchanged, without copying.
  ///
  /// - Precondition: There are two sides or more, and neither of them is a list of rows.
  public var transposed: TensorView { exchanging(shape.count - 2, shape.count - 1) }

  /// The same elements along other sides, without copying.
  ///
  /// - Throws: `.invalidShape` unless the elements lie one after the other and are as many.
  public func reshaped(_ shape: [Int]) throws(TesseraError) -> TensorView {
    guard isDense, (1...Self.sideLimit).contains(shape.count), shape.allSatisfy({ $0 >= 0 }),
      shape.reduce(1, *) == count
    else {
      throw TesseraError(
        .invalidShape, "reshaped: elements of shape \(self.shape) cannot take the shape \(shape)")
    }
    return TensorView(
      storage, offset: offset, shape: shape, strides: Self.denseStrides(shape), rows: nil)
  }

  /// The elements repeated until they have `shape`: sides of length 1 are repeated, and sides that are
  /// missing in front are added (NumPy's rule).
  ///
  /// - Throws: `.invalidShape` if another side would have to change.
  public func broadcast(to shape: [Int]) throws(TesseraError) -> TensorView {
    guard shape != self.shape else { return self }
    let added = shape.count - self.shape.count
    guard added >= 0, shape.count <= Self.sideLimit, added == 0 || rows == nil,
      self.shape.indices.allSatisfy({
        self.shape[$0] == shape[$0 + added] || self.shape[$0] == 1 && ($0 > 0 || rows == nil)
      })
    else {
      throw TesseraError(
        .invalidShape, "a tensor of shape \(self.shape) cannot be repeated to the shape \(shape)")
    }
    let repeated = self.shape.indices.map {
      self.shape[$0] == shape[$0 + added] ? strides[$0] : 0
    }
    return TensorView(
      storage, offset: offset, shape: shape,
      strides: [Int](repeating: 0, count: added) + repeated, rows: rows)
  }

  /// The rows that `selection` names, in its order, without copying. What an operation writes to a
  /// selection goes to those rows; it must then name each row at most once.
  ///
  /// - Throws: `.invalidShape` if this is a selection already or has fewer rows than `selection` needs.
  public func selecting(_ selection: RowSelection) throws(TesseraError) -> TensorView {
    guard rows == nil, selection.limit <= shape[0] else {
      throw TesseraError(
        .invalidShape,
        "selecting: rows up to \(selection.limit) of "
          + (rows == nil ? "\(shape[0])" : "a view that is a selection"))
    }
    var shape = shape
    shape[0] = selection.count
    return TensorView(storage, offset: offset, shape: shape, strides: strides, rows: selection)
  }
}

/// Numbers of rows in device memory that were checked to be there.
public struct RowSelection: Sendable {
  /// The memory of the numbers, one after the other.
  package let numbers: Matrix<Int32>
  /// All numbers are below it.
  public let limit: Int

  /// Takes `numbers` (count x 1), all of which are in 0..<`limit`, on trust.
  package init(unchecked numbers: Matrix<Int32>, limit: Int) {
    (self.numbers, self.limit) = (numbers, limit)
  }

  /// The numbers, if they lie on the host.
  package func hostNumbers(
    _ operation: String
  ) throws(TesseraError) -> UnsafeMutableBufferPointer<Int32> {
    try numbers.hostElements(operation)
  }

  /// The number of rows selected.
  public var count: Int { numbers.rows }
}

extension Device {
  /// Copies numbers of rows to this device.
  ///
  /// - Throws: `.invalidArgument` unless all are in 0..<`limit`.
  public func select(_ rows: [Int32], below limit: Int) throws(TesseraError) -> RowSelection {
    if let place = rows.firstIndex(where: { !(0..<limit).contains(Int($0)) }) {
      throw Shapes.outside("select: row", value: Int(rows[place]), at: place, limit: limit)
    }
    return RowSelection(unchecked: try upload(rows, rows: rows.count, columns: 1), limit: limit)
  }
}
