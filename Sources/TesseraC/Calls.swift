public import CTessera
import Tessera
import TesseraHost

/// Does the work of a call, and turns its error into a status and a text.
func call(_ body: () throws(TesseraError) -> Void) -> tessera_status {
  do throws(TesseraError) {
    try body()
    return 0
  } catch {
    LastError.keep(error.description)
    return error.code.rawValue
  }
}

/// Does the work of a call that makes a handle; after an error the handle is NULL.
func make(
  _ out: UnsafeMutablePointer<OpaquePointer?>?,
  _ body: () throws(TesseraError) -> (any CThing)
) -> tessera_status {
  call { () throws(TesseraError) in
    let out = try required(out, "the place for the handle")
    out.pointee = nil
    out.receive(try body())
  }
}

/// The text of each thread's last error.
private enum LastError {
  private static let key: pthread_key_t? = {
    var key = pthread_key_t()
    return pthread_key_create(&key) { free($0) } == 0 ? key : nil
  }()

  static func keep(_ text: String) {
    guard let key else { return }
    free(pthread_getspecific(key))
    pthread_setspecific(key, strdup(text))
  }

  static var text: UnsafePointer<CChar> {
    guard let known = key.flatMap({ pthread_getspecific($0) }) else { return Text.empty }
    return UnsafePointer(known.assumingMemoryBound(to: CChar.self))
  }
}

/// Texts that stay where they are as long as the process lives.
private enum Text {
  // Safe: none of them changes after it was made.
  nonisolated(unsafe) static let empty = make("")
  nonisolated(unsafe) static let version = make(TesseraVersion.current)
  nonisolated(unsafe) static let unknown = make("unknown")
  nonisolated(unsafe) static let names =
    [make("ok")] + (1...18).map { make(TesseraError.Code(rawValue: $0).description) }

  private static func make(_ text: String) -> UnsafePointer<CChar> {
    UnsafePointer(strdup(text))
  }
}

private let features: Set<String> = [
  "flat", "filter", "within", "codes", "index.build", "index.convert", "index.add", "merge",
  "kmeans", "kmeans.partial", "shard.ball", "quantizer", "opencl",
]

/// Returns the version of the library.
@c @implementation
public func tessera_version() -> UnsafePointer<CChar>? { Text.version }

/// Tells whether the library has a feature.
@c @implementation
public func tessera_has(_ feature: UnsafePointer<CChar>?) -> Int32 {
  guard let feature else { return 0 }
  return features.contains(String(cString: feature)) ? 1 : 0
}

/// Returns the sentence that belongs to this thread's last failed call.
@c @implementation
public func tessera_last_error() -> UnsafePointer<CChar>? { LastError.text }

/// Returns the name of a status.
@c @implementation
public func tessera_status_name(_ status: tessera_status) -> UnsafePointer<CChar>? {
  Text.names.indices.contains(Int(status)) ? Text.names[Int(status)] : Text.unknown
}

/// Gives back a handle of any kind.
@c @implementation
public func tessera_free(_ handle: UnsafeMutableRawPointer?) -> tessera_status {
  call { () throws(TesseraError) in
    if let handle { try Handles.remove(handle) }
  }
}

/// Returns how many handles there are now.
@c @implementation
public func tessera_handle_count() -> Int64 { Int64(Handles.count) }
