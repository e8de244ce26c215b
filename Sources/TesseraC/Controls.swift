public import CTessera
import Tessera

/// Stands behind a `tessera_control`.
final class CControl: CThing {
  static let kind = "control"
  let stop: StopSignal
  private let listener: Listener

  /// Safe to share: the caller gives functions that may be called from any thread that makes a call.
  private struct Listener: @unchecked Sendable {
    let progress: tessera_progress?
    let note: tessera_note?
    let context: UnsafeMutableRawPointer?
  }

  init(_ options: tessera_control_options) throws(TesseraError) {
    guard options.seconds >= 0 else {
      throw TesseraError(
        .invalidArgument, "control: a deadline in \(options.seconds) seconds cannot be kept")
    }
    // Thirty years are as good as none, and a clock cannot count much further.
    let hasDeadline = options.seconds > 0 && options.seconds < 1e9
    stop = StopSignal(deadline: hasDeadline ? .now + .seconds(options.seconds) : nil)
    listener = Listener(
      progress: options.progress, note: options.note, context: options.context)
  }

  /// Returns the control of one call on a device.
  func runControl(_ device: CDevice?) -> RunControl {
    var control = RunControl(stop: stop, fallback: device?.fallback)
    let listener = listener
    if let progress = listener.progress {
      control.progress = { [stop] step in
        let answer = progress(step.stage, step.done, step.objective ?? .nan, listener.context)
        if answer != 0 { stop.raise() }
      }
    }
    if let note = listener.note { control.note = { note($0, listener.context) } }
    return control
  }

  /// Returns the control that a call was given; one that steers nothing for NULL.
  static func of(_ handle: OpaquePointer?, _ device: CDevice? = nil) throws(TesseraError)
    -> RunControl
  {
    guard let handle else { return RunControl(fallback: device?.fallback) }
    let control: CControl = try Handles.get(handle)
    try control.stop.check()
    return control.runControl(device)
  }
}

/// Makes a control.
@c @implementation
public func tessera_control_create(
  _ options: UnsafePointer<tessera_control_options>?,
  _ control: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(control) { () throws(TesseraError) in
    try CControl(TesseraC.options(options, or: tessera_control_options(), "control: options"))
  }
}

/// Ends the calls that have a control.
@c @implementation
public func tessera_control_cancel(_ control: OpaquePointer?) -> tessera_status {
  call { () throws(TesseraError) in
    try Handles.get(control, CControl.self).stop.raise()
  }
}
