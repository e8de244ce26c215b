import TesseraCompute
import TesseraHost

extension RunControl {
  /// Runs `work` on `device`, or on the fallback where that fails; whatever happens on the way looks
  /// at this control's stop signal.
  func steer<Result>(
    on device: any Device, _ work: (any Device) throws(TesseraError) -> Result
  ) throws(TesseraError) -> Result {
    try stop.govern { () throws(TesseraError) in
      try stop.check()
      return try run(on: device, work).result
    }
  }

  /// Steers a call made within another: it ends when that one should, and says nothing.
  static var inner: RunControl { RunControl(stop: StopSignal.current ?? StopSignal()) }
}
