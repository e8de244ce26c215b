/// One thing a check of this machine found.
public struct Finding: Sendable, Hashable {
  /// The result of one check.
  public enum State: String, Sendable, Hashable {
    case ok
    /// Works, but not as well as it could.
    case odd
    /// Not there or not usable; something cannot be done without it.
    case missing
  }

  /// The thing that was looked at.
  public let subject: String
  /// The result.
  public let state: State
  /// The details of what was found.
  public let detail: String
  /// The remedy: a command where there is one. Nil if nothing is wrong, or `detail` says it.
  public let remedy: String?

  static func ok(_ subject: String, _ detail: String) -> Finding {
    Finding(subject: subject, state: .ok, detail: detail, remedy: nil)
  }

  static func odd(_ subject: String, _ detail: String, remedy: String) -> Finding {
    Finding(subject: subject, state: .odd, detail: detail, remedy: remedy)
  }

  static func missing(_ subject: String, _ detail: String, remedy: String) -> Finding {
    Finding(subject: subject, state: .missing, detail: detail, remedy: remedy)
  }
}
