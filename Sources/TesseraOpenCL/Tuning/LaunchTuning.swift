internal import Synchronization
public import TesseraCompute

/// Values of knobs for one class of shapes; a knob that is not there has its default.
public struct LaunchValues: Sendable, Hashable {
  /// The values that differ from the defaults.
  public private(set) var chosen: [LaunchKnob: Int] = [:]

  /// Starts with the default of every knob.
  public init() {}

  /// - Precondition: a new value is the knob's default or one of its alternatives.
  public subscript(_ knob: LaunchKnob) -> Int {
    get { chosen[knob] ?? knob.defaultValue }
    set {
      precondition(
        newValue == knob.defaultValue || knob.alternatives.contains(newValue),
        "\(knob.rawValue) cannot be \(newValue)")
      chosen[knob] = newValue == knob.defaultValue ? nil : newValue
    }
  }

  /// The chosen values under the knobs' names, for files.
  public var byName: [String: Int] {
    Dictionary(uniqueKeysWithValues: chosen.map { ($0.key.rawValue, $0.value) })
  }

  /// - Throws: `.malformedFile` for a knob or a value there is not.
  public init(byName values: [String: Int]) throws(TesseraError) {
    for (name, value) in values {
      guard let knob = LaunchKnob(rawValue: name) else {
        throw TesseraError(.malformedFile, "there is no launch parameter \"\(name)\"")
      }
      guard value == knob.defaultValue || knob.alternatives.contains(value) else {
        throw TesseraError(.malformedFile, "launch parameter \(name) cannot be \(value)")
      }
      self[knob] = value
    }
  }
}

/// The launch parameters of a device, by class of shapes. Changes speed, never results.
public struct LaunchTuning: Sendable, Hashable {
  private var classes: [LaunchClass: LaunchValues] = [:]

  /// The defaults.
  public init() {}

  /// The values for shapes of this class; the defaults where nothing was tuned.
  public subscript(_ shapes: LaunchClass) -> LaunchValues {
    get { classes[shapes] ?? LaunchValues() }
    set { classes[shapes] = newValue.chosen.isEmpty ? nil : newValue }
  }

  /// Names the kernels that a tuning was measured with; it is good for no others.
  public static let kernelFingerprint = String(KernelTrust.kernelFingerprint, radix: 16)
}

extension OpenCLDevice {
  /// The launch parameters in use, by default the built-in ones.
  public var tuning: LaunchTuning {
    get { launchTuning.withLock { $0 } }
    set { launchTuning.withLock { $0 = newValue } }
  }

  /// Kernels are tried with the built-in values: a tuning was checked when it was made.
  func launchValues(_ shapes: LaunchClass) -> LaunchValues {
    KernelTrust.isTesting ? LaunchValues() : launchTuning.withLock { $0[shapes] }
  }
}
