public import TesseraCompute

/// A rule that moves weights along their gradients.
///
/// State (momentum, moments) is kept per parameter and named in checkpoints as
/// `optimiser.<parameter>.<state>`. A parameter with a gradient by some rows only is moved in those
/// rows only, and so is its state ("lazy" or "sparse" variants).
public protocol Optimiser: AnyObject {
  /// The factor of each step; schedules set it.
  var rate: Float { get set }
  /// Steps done so far.
  var stepCount: Int { get set }
  /// The state of all parameters, in the order in which it was made.
  var state: OptimiserState { get }

  /// The update of one parameter: a formula of weights, gradient and state.
  ///
  /// - Returns: A formula whose inputs are weights, gradient and state, whose results are new weights
  ///   and state, and its parameters for this step.
  func update() -> (formula: Formula, parameters: [Float])

  /// Names of the state that a parameter has, each as many numbers as the parameter.
  var stateNames: [String] { get }
}

extension Optimiser {
  /// Moves every parameter that has a gradient.
  ///
  /// - Throws: `.outOfMemory` when state is made, and what the device throws; the weights may be
  ///   changed in part then: go on from a checkpoint.
  public func step(_ parameters: [Parameter], on device: any Device) throws(TesseraError) {
    stepCount += 1
    let (formula, numbers) = update()
    for parameter in parameters {
      guard let gradient = parameter.gradient else { continue }
      let all = [parameter.value] + (try state.tensors(of: parameter, stateNames, on: device))
      switch gradient {
      case .dense(let gradient):
        try device.apply(
          formula, to: [all[0], gradient] + all[1...], parameters: numbers, into: all)
      case .rows(let rows, let gradient):
        let touched = try all.map { tensor throws(TesseraError) in try tensor.selecting(rows) }
        try device.apply(
          formula, to: [touched[0], gradient] + touched[1...], parameters: numbers, into: touched)
      }
    }
  }
}

/// Numbers that an optimiser keeps for each parameter.
public final class OptimiserState {
  /// The tensors by parameter and name.
  public private(set) var tensors: [(name: String, tensor: TensorView<Float>)] = []
  private var places: [String: Int] = [:]

  /// Holds nothing yet.
  public init() {}

  /// The state of a parameter, zeros when it is first asked for.
  func tensors(
    of parameter: Parameter, _ names: [String], on device: any Device
  ) throws(TesseraError) -> [TensorView<Float>] {
    try names.map { name throws(TesseraError) in
      let name = "\(parameter.name).\(name)"
      if let place = places[name] { return tensors[place].tensor }
      let storage = try device.allocate(byteCount: parameter.count * MemoryLayout<Float>.stride)
      let tensor = TensorView<Float>(storage, shape: parameter.value.shape)
      try device.fill(tensor, with: 0)
      places[name] = tensors.count
      tensors.append((name, tensor))
      return tensor
    }
  }
}
