/// Describes a failure in a form that a program can branch on and a person can act on.
///
/// The message names the operation, what it was given and what it expected. Codes are an open set:
/// new ones may appear, so a `switch` over them needs a `default`.
public struct TesseraError: Error, Sendable, Hashable {
  /// The family of failure. Numbers never change their meaning; 0 is free for "no error".
  public struct Code: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// The code's number, as a C caller sees it.
    public let rawValue: Int32
    /// Makes the code of that number; unknown numbers are allowed.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The name of the constant below; the number where there is none.
    public var description: String { Self.names[self] ?? "code \(rawValue)" }

    /// An option outside its allowed values.
    public static let invalidArgument = Code(rawValue: 1)
    /// Matrices or vectors whose sizes do not fit together.
    public static let invalidShape = Code(rawValue: 2)
    /// NaN or infinity where only finite numbers have a meaning.
    public static let nonFinite = Code(rawValue: 3)
    /// A combination this device or build cannot honour.
    public static let unsupported = Code(rawValue: 4)
    /// Memory that belongs to another device.
    public static let wrongDevice = Code(rawValue: 5)
    /// No such device, or its driver cannot be used.
    public static let deviceUnavailable = Code(rawValue: 6)
    /// A driver call failed while work was running.
    public static let deviceFailure = Code(rawValue: 7)
    /// The device lost what was stored on it. It may work again: start from the beginning.
    public static let deviceLost = Code(rawValue: 8)
    /// A device computed something else than it must.
    public static let wrongResult = Code(rawValue: 9)
    /// A kernel did not compile; the message holds the build log.
    public static let buildFailure = Code(rawValue: 10)
    /// Not enough device or host memory.
    public static let outOfMemory = Code(rawValue: 11)
    /// The caller asked for the work to end.
    public static let cancelled = Code(rawValue: 12)
    /// The work was not done by the moment the caller set.
    public static let deadlineExceeded = Code(rawValue: 13)
    /// A file whose bytes are not what its format says.
    public static let malformedFile = Code(rawValue: 14)
    /// A file that is not there or cannot be opened.
    public static let inputNotFound = Code(rawValue: 15)
    /// An output that cannot be created.
    public static let cannotCreate = Code(rawValue: 16)
    /// Reading or writing failed half way.
    public static let inputOutput = Code(rawValue: 17)
    /// Something that only one at a time may do is being done by another; it can be tried again.
    public static let busy = Code(rawValue: 18)

    private static let names: [Code: String] = [
      .invalidArgument: "invalidArgument",
      .invalidShape: "invalidShape",
      .nonFinite: "nonFinite",
      .unsupported: "unsupported",
      .wrongDevice: "wrongDevice",
      .deviceUnavailable: "deviceUnavailable",
      .deviceFailure: "deviceFailure",
      .deviceLost: "deviceLost",
      .wrongResult: "wrongResult",
      .buildFailure: "buildFailure",
      .outOfMemory: "outOfMemory",
      .cancelled: "cancelled",
      .deadlineExceeded: "deadlineExceeded",
      .malformedFile: "malformedFile",
      .inputNotFound: "inputNotFound",
      .cannotCreate: "cannotCreate",
      .inputOutput: "inputOutput",
      .busy: "busy",
    ]
  }

  /// The family of failure, for programs.
  public let code: Code
  /// The sentence for people: the operation, what it was given, what it expected, and the remedy.
  public let message: String
  /// The driver's or operating system's own status, where there is one.
  public let status: Int32?
  /// Holds the cause, or nothing: a structure cannot hold itself, an array of it can.
  private let causes: [TesseraError]

  /// The error that led to this one, where there is one.
  public var cause: TesseraError? { causes.first }

  /// Makes an error; `status` is what a driver or the operating system returned.
  public init(
    _ code: Code, _ message: String, status: Int32? = nil, cause: TesseraError? = nil
  ) {
    self.code = code
    self.message = message
    self.status = status
    causes = cause.map { [$0] } ?? []
  }
}

extension TesseraError {
  /// True if another device might succeed where this one failed.
  public var isFailureOfDevice: Bool {
    [.outOfMemory, .deviceFailure, .deviceLost, .buildFailure].contains(code)
  }

  /// Tells whether the call was ended from outside, which says nothing of what it was doing.
  package var isStop: Bool { [.cancelled, .deadlineExceeded].contains(code) }
}

extension TesseraError: CustomStringConvertible {
  /// The message, followed by the driver's status and the cause where there are any. For people; the
  /// wording may change.
  public var description: String {
    let own = status.map { "\(message) (status \($0))" } ?? message
    return cause.map { "\(own); caused by: \($0)" } ?? own
  }
}

extension TesseraError {
  /// A refused system call: the path, what was tried, what the system says and what to do.
  ///
  /// - Parameter number: `errno`, read right after the call.
  package static func system(
    _ code: Code, _ path: String, _ action: String, _ number: Int32, remedy: String
  ) -> TesseraError {
    let reason = String(cString: strerror(number))
    return TesseraError(
      code, "\(path.printable): \(action): \(reason); \(remedy)", status: number)
  }
}

extension StringProtocol {
  /// The text with nothing in it that breaks a line or steers a terminal: paths and file contents
  /// go into messages.
  package var printable: String {
    var text = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: text.append("?")
      default: text.append(scalar)
      }
    }
    return String(text)
  }
}
