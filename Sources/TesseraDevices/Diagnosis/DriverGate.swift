internal import Synchronization
package import TesseraHost

/// Stands before the OpenCL drivers: a program may ask here that they be tried before they are loaded
/// into its process. A library that is imported does not do so by itself.
package enum DriverGate {
  /// What came of trying the drivers.
  package struct Verdict: Sendable {
    /// Why drivers are left out, by the path of the `.icd` file or the name of the library.
    package var refusals: [String: String] = [:]
    /// Whether anything is left to load.
    package var admitsAny = true
    /// Sentences for people, each with its remedy.
    package var problems: [TesseraError] = []

    package init() {}
  }

  private struct State {
    var check: (@Sendable () -> Verdict)?
    var verdict: Verdict?
    var vendorsFolder: String?
  }
  private static let state = Mutex(State())

  /// Asks for `check` to be made before drivers are loaded for the first time.
  package static func install(_ check: @escaping @Sendable () -> Verdict) {
    state.withLock { $0 = State(check: check, vendorsFolder: currentFolder) }
  }

  /// Makes the check, if one was asked for and this is the first call.
  static func pass() -> Verdict {
    state.withLock { state in
      if let verdict = state.verdict { return verdict }
      let verdict = state.check?() ?? Verdict()
      state.verdict = verdict
      return verdict
    }
  }

  /// The folder in which the user's drivers are registered, whatever was left out of it since.
  static var vendorsFolder: String { state.withLock(\.vendorsFolder) ?? currentFolder }

  private static var currentFolder: String {
    Environment["OCL_ICD_VENDORS"] ?? Environment["OPENCL_VENDOR_PATH"] ?? "/etc/OpenCL/vendors"
  }
}
