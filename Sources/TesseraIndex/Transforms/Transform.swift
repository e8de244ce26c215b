internal import TesseraCompute
internal import TesseraFormats
internal import TesseraHost
internal import TesseraQuantization

/// A change of rows that has been trained: a mean that is taken off, a matrix that what is left is
/// multiplied by, and for ``TransformRecipe/unitLength`` a division by lengths.
///
/// Products are canonical, and all else is done by the host, so rows are the same bits on every device.
struct Transform: Sendable {
  let recipe: TransformRecipe
  /// Numbers of a row before.
  let inputs: Int
  let mean: [Float]?
  let map: LinearMap?

  /// Numbers of a row after.
  var outputs: Int { map?.outputs ?? inputs }

  init(_ recipe: TransformRecipe, inputs: Int, mean: [Float]? = nil, map: LinearMap? = nil) {
    self.recipe = recipe
    self.inputs = inputs
    self.mean = mean
    self.map = map
  }

  /// Changes rows.
  fileprivate func apply(
    to rows: Vectors, on device: any Device, _ operation: String
  ) throws(TesseraError) -> Vectors {
    var rows = rows
    if let mean { rows = try Vectors(rows.widened().subtracting(mean), dimension: inputs) }
    if let map {
      rows = try Vectors(map.apply(to: rows, on: device, operation), dimension: map.outputs)
    }
    return recipe == .unitLength ? try rows.unitLength() : rows
  }

  /// Changes rows back, as far as that can be: dropped dimensions are those of the mean, or 0, and
  /// lengths stay 1.
  fileprivate func undo(_ rows: Vectors, on device: any Device) throws(TesseraError) -> Vectors {
    var values = rows.widened()
    if let map { values = try map.transposed.apply(to: rows, on: device, "reconstruct") }
    if let mean { values = try values.adding(mean) }
    return try Vectors(values, dimension: inputs)
  }
}

extension [Transform] {
  /// Numbers that are changed at a time.
  private static var blockSize: Int { 1 << 22 }

  /// Changes rows by each of these in order.
  ///
  /// - Parameters:
  ///   - operation: Said in messages and in progress.
  ///   - memoryLimit: What the result may take of memory, as ``CollectedRows`` counts; nil: all of it.
  /// - Throws: `.nonFinite` for NaN and infinity, `.invalidArgument` for numbers so large that the
  ///   result leaves Float32, and what the device throws.
  func apply(
    to rows: Vectors, on device: any Device, _ operation: String, within memoryLimit: Int? = nil,
    control: RunControl = RunControl()
  ) throws(TesseraError) -> Vectors {
    guard let last else { return rows }
    try Shapes.requireFinite(rows, operation)
    let changed = try CollectedRows(
      .float32, count: rows.count, dimension: last.outputs, within: memoryLimit)
    let numbers = Swift.min(Self.blockSize, memoryLimit.map { $0 / 32 } ?? .max)
    let step = Swift.max(1, numbers / rows.dimension)
    for start in stride(from: 0, to: rows.count, by: step) {
      try StopSignal.check()
      let range = start..<Swift.min(start + step, rows.count)
      var block = rows.rows(range)
      for transform in self {
        block = try Self.within(transform.recipe, operation) { () throws(TesseraError) in
          try transform.apply(to: block, on: device, operation)
        }
      }
      try changed.append(block)
      try control.report("rows", done: Double(range.upperBound) / Double(rows.count))
    }
    if memoryLimit != nil { rows.evict() }
    return try changed.rows()
  }

  /// Says of finite rows that became infinite what is wrong with them.
  private static func within(
    _ recipe: TransformRecipe, _ operation: String, _ body: () throws(TesseraError) -> Vectors
  ) throws(TesseraError) -> Vectors {
    do throws(TesseraError) {
      let rows = try body()
      try Shapes.requireFinite(rows, operation)
      return rows
    } catch {
      guard error.code == .nonFinite else { throw error }
      throw TesseraError(
        .invalidArgument,
        "\(operation): \(recipe) makes numbers beyond Float32 of some rows; scale the vectors down")
    }
  }

  /// Changes rows back, the last change first.
  func undo(_ rows: Vectors, on device: any Device) throws(TesseraError) -> Vectors {
    var rows = rows
    for transform in reversed() { rows = try transform.undo(rows, on: device) }
    return rows
  }
}

// MARK: Files

extension Transform {
  /// What a file keeps of it, under names that begin with `prefix`.
  func arrays(_ prefix: String) -> [WrittenArray] {
    var arrays: [WrittenArray] = []
    if let mean { arrays.append(WrittenArray("\(prefix).mean", mean)) }
    if let map {
      arrays.append(
        WrittenArray("\(prefix).map", map.rows, shape: [map.outputs, map.inputs]))
    }
    return arrays
  }

  /// Reads what a file kept.
  ///
  /// - Throws: `.malformedFile` where an array is missing, or of the wrong type or shape.
  init(
    _ recipe: TransformRecipe, inputs: Int, metric: Metric, _ prefix: String, in file: MappedArrays
  ) throws(TesseraError) {
    let outputs = recipe.outputs(of: inputs)
    let hasMean =
      switch recipe {
      case .center: true
      case .principalAxes: metric == .squaredL2
      case .unitLength, .randomRotation, .optimizedRotation: false
      }
    let hasMap = recipe != .center && recipe != .unitLength
    self.init(
      recipe, inputs: inputs,
      mean: hasMean ? try Self.values("\(prefix).mean", [inputs], in: file) : nil,
      map: hasMap
        ? LinearMap(
          try Self.values("\(prefix).map", [outputs, inputs], in: file), outputs: outputs,
          inputs: inputs) : nil)
  }

  private static func values(
    _ name: String, _ shape: [Int], in file: MappedArrays
  ) throws(TesseraError) -> [Float] {
    let array = try file.array(name)
    guard array.shape == shape else {
      throw TesseraError(
        .malformedFile, "has \(name) of the shape \(array.shape), expected \(shape)")
    }
    let values = try array.values(Float.self)
    guard values.allSatisfy(\.isFinite) else {
      throw TesseraError(.malformedFile, "has \(name) with NaN or infinity")
    }
    return values
  }
}
