/// A line on a terminal's stderr that shows how far long work is, how fast, and how long it will
/// take.
///
/// Shows nothing where stderr is no terminal, and nothing in the first fifth of a second.
final class ProgressBar: @unchecked Sendable {
  // Safe: progress is told on the thread that called for the work, and that is one.
  private let label: String
  private let total: Double
  private let unit: String
  private let isShown: Bool
  private let start = ContinuousClock.now
  private var lastDrawn: ContinuousClock.Instant
  private var isDrawn = false

  /// - Parameters:
  ///   - total: How many of `unit` there are.
  ///   - isQuiet: Show nothing at all.
  init(_ label: String, total: Int, unit: String, isQuiet: Bool) {
    self.label = label
    self.total = Double(total)
    self.unit = unit
    isShown = Console.isTerminal && !isQuiet
    lastDrawn = start
  }

  /// Shows that `fraction` of the whole, 0 to 1, is done; at most ten times a second.
  func update(_ fraction: Double) {
    guard isShown else { return }
    let now = ContinuousClock.now
    guard now - lastDrawn > (isDrawn ? .milliseconds(100) : .milliseconds(200)) else { return }
    lastDrawn = now
    isDrawn = true
    let seconds = (now - start) / .seconds(1)
    let line = Self.line(label, fraction, total: total, unit: unit, seconds: seconds)
    Console.write("\r\u{1B}[K" + line)
  }

  /// Takes the line away.
  func finish() {
    if isDrawn { Console.write("\r\u{1B}[K") }
    isDrawn = false
  }

  static func line(
    _ label: String, _ fraction: Double, total: Double, unit: String, seconds: Double
  ) -> String {
    let filled = Int(fraction * 30)
    let bar =
      String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
    let left = fraction > 0 ? Int(seconds / fraction * (1 - fraction)) : 0
    let clock = "\(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60)"
    let rate = (fraction * total / seconds).short
    return "\(label) [\(bar)] \(Int(fraction * 100)) %  \(rate) \(unit)/s  \(clock) left"
  }
}
