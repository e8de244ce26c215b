import Tessera

extension ProgressBar {
  /// Makes a control whose progress this bar shows, and whose notes are said on stderr.
  func control(_ output: OutputOptions) -> RunControl {
    RunControl(note: output.note) { [bar = SharedBar(self)] in bar.bar.update($0.done) }
  }
}

/// A progress bar where closures must be sendable.
///
/// Safe: progress is told on the thread that called, which is the one that made the bar.
private struct SharedBar: @unchecked Sendable {
  let bar: ProgressBar

  init(_ bar: ProgressBar) { self.bar = bar }
}
