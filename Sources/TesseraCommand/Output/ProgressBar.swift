import Synchronization
import Tessera

/// A line on a terminal's stderr that shows how far long work is, how fast, and how long it will
/// take.
///
/// Shows nothing where stderr is no terminal, and nothing in the first fifth of a second.
final class ProgressBar: Sendable {
  private let label: String
  private let total: Double
  private let unit: String
  private let isShown: Bool
  private let start = ContinuousClock.now
  private let drawing: Mutex<(last: ContinuousClock.Instant, isThere: Bool)>

  /// - Parameters:
  ///   - total: How many of `unit` there are.
  ///   - isQuiet: Show nothing at all.
  init(_ label: String, total: Int, unit: String, isQuiet: Bool) {
    self.label = label
    self.total = Double(total)
    self.unit = unit
    isShown = Console.isTerminal && !isQuiet
    drawing = Mutex((start, false))
  }

  /// Shows that `fraction` of the whole, 0 to 1, is done; at most ten times a second.
  func update(_ fraction: Double) {
    guard isShown else { return }
    let now = ContinuousClock.now
    let isDue = drawing.withLock { drawing in
      let pause = drawing.isThere ? Duration.milliseconds(100) : .milliseconds(200)
      guard now - drawing.last > pause else { return false }
      drawing = (now, true)
      return true
    }
    guard isDue else { return }
    let seconds = (now - start) / .seconds(1)
    let line = Self.line(label, fraction, total: total, unit: unit, seconds: seconds)
    Console.write("\r\u{1B}[K" + line)
  }

  /// Takes the line away.
  func finish() {
    let wasThere = drawing.withLock { drawing in
      defer { drawing.isThere = false }
      return drawing.isThere
    }
    if wasThere { Console.write("\r\u{1B}[K") }
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

  /// Makes a control whose progress this bar shows, and whose notes are said on stderr.
  func control(_ output: OutputOptions) -> RunControl {
    RunControl(progress: { self.update($0.done) }, note: output.note)
  }
}
