internal import COpenBLAS
internal import Synchronization
internal import TesseraCompute
internal import TesseraHost

/// Says who multiplies Float32 matrices.
package enum ProductPolicy: Sendable {
  /// OpenBLAS where the product is large and the library can be used, else the kernels.
  case auto
  /// The instruction set's own kernels.
  case kernels
  /// OpenBLAS for small products too, where the library can be used.
  case library
}

/// The system's OpenBLAS, opened when a product first needs it.
///
/// It only makes large products a little faster. Where the system may refuse memory or threads it is
/// left alone, because it then asks again for ever.
final class BLAS: Sendable {
  private let api: copenblas_api
  /// The most threads that products have had.
  private let grantedThreads = Mutex(1)

  private init(_ api: copenblas_api) { self.api = api }

  /// The value of `TESSERA_BLAS_LIBRARY`: a library to use and no other, or `off`.
  private static var chosen: String? { Environment["TESSERA_BLAS_LIBRARY"] }

  /// True if the user has left OpenBLAS switched on.
  static var isOn: Bool { chosen != "off" }

  /// The library; nil if there is none, or if it must not be used here.
  static let shared: BLAS? = {
    guard isOn, !HostLimits.current.mayRefuseMemory else { return nil }
    #if canImport(Darwin)
      let usual = ["/opt/homebrew/opt/openblas/lib/libopenblas.dylib", "libopenblas.dylib"]
    #else
      let usual = ["libopenblas.so.0", "libopenblas.so"]
    #endif
    for path in chosen.map({ [$0] }) ?? usual {
      if let api = open(path) { return BLAS(api) }
    }
    return nil
  }()

  private static func open(_ path: String) -> copenblas_api? {
    withUnsafeTemporaryAllocation(of: copenblas_api.self, capacity: 1) { api in
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { message in
        guard let target = api.baseAddress, let text = message.baseAddress,
          copenblas_open(path, target, text, message.count)
        else { return nil }
        return target.pointee
      }
    }
  }

  /// Multiplies as ``CPUDevice/multiply(_:transposed:_:transposed:alpha:beta:into:)`` says, with up to
  /// `threads` threads. Returns false, with nothing done, where it cannot have them.
  func multiply(
    _ a: UnsafePointer<Float>?, columns aColumns: Int, transposed aTransposed: Bool,
    _ b: UnsafePointer<Float>?, columns bColumns: Int, transposed bTransposed: Bool,
    inner: Int, alpha: Float, beta: Float, into result: UnsafeMutablePointer<Float>?, rows: Int,
    columns: Int, threads: Int
  ) -> Bool {
    let sides = [aColumns, bColumns, inner, rows, columns]
    guard let a, let b, let result, sides.allSatisfy({ $0 <= Int(Int32.max) }),
      lend(threads)
    else { return false }
    api.cblas_sgemm?(
      Int32(COPENBLAS_ROW_MAJOR),
      Int32(aTransposed ? COPENBLAS_TRANSPOSED : COPENBLAS_PLAIN),
      Int32(bTransposed ? COPENBLAS_TRANSPOSED : COPENBLAS_PLAIN),
      Int32(rows), Int32(columns), Int32(inner), alpha, a, Int32(max(1, aColumns)), b,
      Int32(max(1, bColumns)), beta, result, Int32(columns))
    return true
  }

  /// Allows the library `count` threads. Its limit is one for the whole process, so it is set before
  /// each use, for devices with different counts. Starting threads that are refused ends in a wait
  /// without end, so more than before are tried first.
  private func lend(_ count: Int) -> Bool {
    grantedThreads.withLock { granted in
      guard count <= granted || ThreadProbe.canStart(count - 1) else { return false }
      granted = max(granted, count)
      api.openblas_set_num_threads?(Int32(clamping: count))
      return true
    }
  }
}
