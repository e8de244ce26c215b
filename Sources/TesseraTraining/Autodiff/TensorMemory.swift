public import TesseraCompute

/// Memory for tensors that live for one step of training. What a step let go of serves the next one,
/// so that from the second step on nothing is allocated.
///
/// For one thread.
public final class TensorMemory {
  /// The device that the memory is on.
  public let device: any Device
  /// Bytes that are held now, in use or not.
  public private(set) var heldBytes = 0
  private var free: [Int: [Storage]] = [:]
  private var used: [Storage] = []

  /// Holds nothing yet.
  public init(on device: any Device) { self.device = device }

  /// A tensor whose elements are not defined yet. It may be used until ``reuseAll()``.
  ///
  /// - Throws: `.outOfMemory`.
  public func tensor(_ shape: [Int]) throws(TesseraError) -> TensorView<Float> {
    let byteCount = shape.reduce(MemoryLayout<Float>.stride, *)
    let storage: Storage
    if let known = free[byteCount]?.popLast() {
      storage = known
    } else {
      storage = try device.allocate(byteCount: byteCount)
      heldBytes += byteCount
    }
    used.append(storage)
    return TensorView(storage, shape: shape)
  }

  /// A tensor filled with one number.
  public func tensor(
    _ shape: [Int], filledWith value: Float
  ) throws(TesseraError) -> TensorView<Float> {
    let tensor = try tensor(shape)
    try device.fill(tensor, with: value)
    return tensor
  }

  /// Lets all tensors go: their memory is for those to come.
  public func reuseAll() {
    for storage in used { free[storage.byteCount, default: []].append(storage) }
    used.removeAll(keepingCapacity: true)
  }
}

extension Device {
  /// Sets every element to `value`.
  public func fill(_ tensor: TensorView<Float>, with value: Float) throws(TesseraError) {
    try apply(.constant, to: [], parameters: [value], into: [tensor])
  }
}

extension Formula {
  /// The parameter.
  static let constant = Formula(inputs: 0, parameters: 1) { _, p in [p[0]] }
  /// The sum of two inputs.
  static let sum = Formula(inputs: 2) { x, _ in [x[0] + x[1]] }
  /// The product of two inputs.
  static let scaled = Formula(inputs: 2) { x, _ in [x[0] * x[1]] }
}
