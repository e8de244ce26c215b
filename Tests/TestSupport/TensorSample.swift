public import TesseraCompute

/// A tensor with its numbers in some order in memory, the same on every device.
public struct TensorSample: Sendable {
  /// How the numbers of a tensor lie in memory.
  public enum Layout: String, Sendable, CaseIterable {
    /// One after the other.
    case dense
    /// The last two sides exchanged.
    case transposed
    /// With gaps between the numbers of each side.
    case spaced
    /// The first side goes through a list of rows.
    case selected
    /// One line, repeated along the first side.
    case repeated
    /// One number, repeated.
    case single
  }

  /// The sides.
  public let shape: [Int]
  /// How the numbers lie in memory.
  public let layout: Layout
  /// All numbers of the memory.
  public let memory: [Float]
  private let strides: [Int]
  private let rows: [Int32]?
  private let rowCount: Int

  /// Makes a tensor of `shape` whose memory `fill` fills.
  public init(_ shape: [Int], _ layout: Layout, fill: (_ count: Int) -> [Float]) {
    self.shape = shape
    self.layout = layout
    var order = Array(shape.indices)
    var gap = 0
    var rows: [Int32]?
    var lengths = shape
    switch layout {
    case .dense, .repeated, .single: break
    case .transposed: if shape.count > 1 { order.swapAt(shape.count - 1, shape.count - 2) }
    case .spaced: gap = 2
    case .selected:
      // Rows in no order, with others between them.
      rows = (0..<shape[0]).map { Int32($0 * 2 % max(1, shape[0] | 1)) }
      lengths[0] = shape[0] + 1
    }
    var strides = [Int](repeating: 0, count: shape.count)
    var stride = 1
    for side in order.reversed() {
      if gap > 0 { stride += gap - 1 }
      strides[side] = stride
      stride *= lengths[side]
    }
    switch layout {
    case .repeated: strides[0] = 0
    case .single: strides = strides.map { _ in 0 }
    default: break
    }
    self.strides = strides
    self.rows = rows
    rowCount = lengths[0]
    memory = fill(3 + stride + gap)
  }

  /// The tensor on a device, with memory of its own.
  public func view(on device: any Device) throws(TesseraError) -> TensorView<Float> {
    let stored = try device.upload(memory, rows: 1, columns: memory.count)
    var whole = shape
    whole[0] = rowCount
    let view = TensorView<Float>(stored.storage, offset: 3, shape: whole, strides: strides)
    guard let rows else { return view }
    return try view.selecting(device.select(rows, below: rowCount))
  }
}

extension Device {
  /// All numbers of the memory that a view lies in.
  public func memory(of view: TensorView<Float>) throws(TesseraError) -> [Float] {
    try download(
      Matrix<Float>(view.storage, rows: 1, columns: view.storage.byteCount / 4))
  }
}

/// Returns the first place where bits differ, but for those of NaN; nil if there is none.
public func bitDifference(_ found: [Float], _ expected: [Float]) -> String? {
  guard found.count == expected.count else {
    return "\(found.count) numbers, expected \(expected.count)"
  }
  for place in found.indices where found[place].bitPattern != expected[place].bitPattern {
    if found[place].isNaN, expected[place].isNaN { continue }
    return "number \(place) is \(found[place]), expected \(expected[place])"
  }
  return nil
}
