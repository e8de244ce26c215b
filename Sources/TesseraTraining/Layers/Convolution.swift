public import TesseraCompute

/// A convolution of images: images x height x width x channels to images x height x width x outputs, as
/// a product with the patch around each point.
public struct Convolution: Layer {
  /// (height * width * channels of a patch) x outputs: rows of the patch one after the other, channels
  /// running fastest.
  public let weight: Parameter
  /// 1 x outputs.
  public let bias: Parameter
  private let shape: PatchShape

  /// Makes weights that begin as ``Initialiser/he(inputs:)`` says, and a bias of 0.
  ///
  /// - Parameters:
  ///   - size: Height and width of a patch · 1 or more. A height of 1 makes a convolution of sequences.
  ///   - stride: The distance from patch to patch · 1 or more.
  ///   - padding: Zeros around the image on each side · 0 or more.
  public init(
    _ name: String, channels: Int, outputs: Int, size: (height: Int, width: Int), stride: Int = 1,
    padding: (height: Int, width: Int) = (0, 0), seed: UInt64, on device: any Device
  ) throws(TesseraError) {
    let inputs = size.height * size.width * channels
    shape = PatchShape(
      height: size.height, width: size.width, stride: stride, paddedRows: padding.height,
      paddedColumns: padding.width)
    weight = try Initialiser.he(inputs: inputs).parameter(
      name + ".weight", [inputs, outputs], seed: seed, on: device)
    bias = try Initialiser.constant(0).parameter(
      name + ".bias", [1, outputs], seed: seed, on: device)
  }

  /// The weight, then the bias.
  public var parameters: [Parameter] { [weight, bias] }

  /// Cost: memory for all patches, height * width of a patch times that of the images.
  public func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    let patches = try tape.patches(of: x, shape)
    let points = patches.shape[0] * patches.shape[1] * patches.shape[2]
    let product = try tape.product(
      tape.reshaped(patches, [points, patches.shape[3]]), tape.weights(of: weight))
    let result = try tape.apply(product, tape.weights(of: bias)) { x, _ in x[0] + x[1] }
    return try tape.reshaped(result, Array(patches.shape[..<3]) + [result.shape[1]])
  }
}

/// Halves height and width: the largest of each two by two numbers. An odd last row or column is left
/// out.
public struct MaxPooling: Layer {
  /// Takes no settings.
  public init() {}

  /// None.
  public var parameters: [Parameter] { [] }

  /// Takes images x height x width x channels.
  public func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    try tape.largestOfFour(x)
  }
}

/// How patches lie on an image.
struct PatchShape: Sendable, Hashable {
  let height: Int
  let width: Int
  let stride: Int
  let paddedRows: Int
  let paddedColumns: Int

  /// The places of patches along a side.
  static func places(_ length: Int, _ padding: Int, _ size: Int, _ stride: Int) -> Int {
    (length + 2 * padding - size) / stride + 1
  }
}

extension Tape {
  /// The patch around each point: images x places down x places across x numbers of a patch.
  ///
  /// - Throws: `.invalidShape` for what are no images, or images smaller than a patch.
  func patches(of x: Variable, _ patch: PatchShape) throws(TesseraError) -> Variable {
    guard x.shape.count == 4, x.shape[1] + 2 * patch.paddedRows >= patch.height,
      x.shape[2] + 2 * patch.paddedColumns >= patch.width
    else {
      throw TesseraError(
        .invalidShape,
        "convolution: images of shape \(x.shape) do not hold patches of \(patch.height) x "
          + "\(patch.width)")
    }
    let (count, channels) = (x.shape[0], x.shape[3])
    let padded = [
      count, x.shape[1] + 2 * patch.paddedRows, x.shape[2] + 2 * patch.paddedColumns, channels,
    ]
    let down = PatchShape.places(x.shape[1], patch.paddedRows, patch.height, patch.stride)
    let across = PatchShape.places(x.shape[2], patch.paddedColumns, patch.width, patch.stride)
    /// The inside of a padded image.
    func inside(_ image: TensorView<Float>) -> TensorView<Float> {
      image.slice(patch.paddedRows..<patch.paddedRows + x.shape[1], of: 1)
        .slice(patch.paddedColumns..<patch.paddedColumns + x.shape[2], of: 2)
    }
    /// The points that stand at one place of all patches.
    func points(_ image: TensorView<Float>, _ row: Int, _ column: Int) -> TensorView<Float> {
      image.slice(row..<row + (down - 1) * patch.stride + 1, of: 1, every: patch.stride)
        .slice(column..<column + (across - 1) * patch.stride + 1, of: 2, every: patch.stride)
    }
    /// The same place in the patches themselves.
    func place(_ patches: TensorView<Float>, _ row: Int, _ column: Int) -> TensorView<Float> {
      let first = (row * patch.width + column) * channels
      return patches.slice(first..<first + channels, of: 3)
    }

    var image = x.value
    if patch.paddedRows > 0 || patch.paddedColumns > 0 {
      image = try memory.tensor(padded, filledWith: 0)
      try device.apply(.copy, to: [x.value], into: [inside(image)])
    }
    let value = try memory.tensor([count, down, across, patch.height * patch.width * channels])
    for row in 0..<patch.height {
      for column in 0..<patch.width {
        try device.apply(
          .copy, to: [points(image, row, column)], into: [place(value, row, column)])
      }
    }
    return record([value], from: [x]) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      // Each point's gradient is the sum over the places of patches it stands at, row by row.
      let sum = try memory.tensor(padded, filledWith: 0)
      for row in 0..<patch.height {
        for column in 0..<patch.width {
          let target = points(sum, row, column)
          try device.apply(
            .sum, to: [target, place(gradient, row, column)], into: [target])
        }
      }
      try add(inside(sum), to: x)
    }[0]
  }

  /// The largest of each two by two numbers of images.
  func largestOfFour(_ x: Variable) throws(TesseraError) -> Variable {
    guard x.shape.count == 4, x.shape[1] > 1, x.shape[2] > 1 else {
      throw TesseraError(
        .invalidShape, "pooling: images of shape \(x.shape) have no two by two numbers")
    }
    let (height, width) = (x.shape[1] / 2 * 2, x.shape[2] / 2 * 2)
    func corners(_ image: TensorView<Float>) -> [TensorView<Float>] {
      [(0, 0), (0, 1), (1, 0), (1, 1)].map { row, column in
        image.slice(row..<height, of: 1, every: 2).slice(column..<width, of: 2, every: 2)
      }
    }
    let value = try memory.tensor([x.shape[0], height / 2, width / 2, x.shape[3]])
    try device.apply(.largestOfFour, to: corners(x.value), into: [value])
    return record([value], from: [x]) { [unowned self] gradients throws(TesseraError) in
      guard let gradient = gradients[0] else { return }
      let result =
        height == x.shape[1] && width == x.shape[2]
        ? try memory.tensor(x.shape) : try memory.tensor(x.shape, filledWith: 0)
      try device.apply(
        .largestOfFourGradient, to: corners(x.value) + [gradient], into: corners(result))
      try add(result, to: x)
    }[0]
  }
}

extension Formula {
  fileprivate static let largestOfFour = Formula(inputs: 4) { x, _ in
    [.maximum(.maximum(x[0], x[1]), .maximum(x[2], x[3]))]
  }
  fileprivate static let largestOfFourGradient = largestOfFour.gradient(by: [0, 1, 2, 3])
}
