internal import TesseraHost

/// The threads that OpenBLAS starts when it is loaded, each of which keeps a core busy for some 25 ms
/// before it sleeps: longer than many a command runs. They start again with the first product.
enum BLASThreads {
  /// Ends them. Only for a process that has nothing else running: a product under way would not end.
  static func end() {
    // Builds of OpenBLAS without threads do not have it.
    guard let address = dlsym(nil, "blas_thread_shutdown_") else { return }
    _ = unsafeBitCast(address, to: (@convention(c) () -> Int32).self)()
  }
}
