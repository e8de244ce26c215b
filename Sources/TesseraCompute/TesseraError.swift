/// What went wrong, in a form a program can branch on and a person can act on.
///
/// The message names the operation, what it was given and what it expected. Codes are an open set:
/// new ones may appear, so a `switch` over them needs a `default`.
public struct TesseraError: Error, Sendable, Hashable {
  /// The family of failure.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    private let name: String
    private init(_ name: String) { self.name = name }
    public var description: String { name }

    /// Matrices or vectors whose sizes do not fit together.
    public static let invalidShape = Code("invalidShape")
    /// An option outside its allowed values.
    public static let invalidArgument = Code("invalidArgument")
    /// NaN or infinity where only finite numbers have a meaning.
    public static let nonFinite = Code("nonFinite")
    /// A combination this device or build cannot honour.
    public static let unsupported = Code("unsupported")
    /// Memory that belongs to another device.
    public static let wrongDevice = Code("wrongDevice")
    /// No such device, or its driver cannot be used.
    public static let deviceUnavailable = Code("deviceUnavailable")
    /// A driver call failed while work was running.
    public static let deviceFailure = Code("deviceFailure")
    /// The device lost what was stored on it. It may work again: start from the beginning.
    public static let deviceLost = Code("deviceLost")
    /// A device computed something else than it must.
    public static let wrongResult = Code("wrongResult")
    /// A kernel did not compile; the message holds the build log.
    public static let buildFailure = Code("buildFailure")
    /// Not enough device or host memory.
    public static let outOfMemory = Code("outOfMemory")
    /// The caller asked for the work to end.
    public static let cancelled = Code("cancelled")
    /// A file whose bytes are not what its format says.
    public static let malformedFile = Code("malformedFile")
    /// A file that is not there or cannot be opened.
    public static let inputNotFound = Code("inputNotFound")
    /// An output that cannot be created.
    public static let cannotCreate = Code("cannotCreate")
    /// Reading or writing failed half way.
    public static let inputOutput = Code("inputOutput")
  }

  public let code: Code
  public let message: String
  /// The driver's or operating system's own status, where there is one.
  public let status: Int32?

  public init(_ code: Code, _ message: String, status: Int32? = nil) {
    self.code = code
    self.message = message
    self.status = status
  }
}

extension TesseraError {
  /// Whether another device might succeed where this one failed.
  public var isFailureOfDevice: Bool {
    [.outOfMemory, .deviceFailure, .deviceLost, .buildFailure].contains(code)
  }
}

extension TesseraError: CustomStringConvertible {
  /// The message, followed by the driver's status if there is one. For people; the wording may
  /// change.
  public var description: String {
    guard let status else { return message }
    return "\(message) (status \(status))"
  }
}
