internal import COpenBLAS
internal import TesseraHost

extension WorkerPool {
  /// Allows OpenBLAS, which has threads of its own, as many as there are workers. Its limit is one
  /// for the whole process, so it is set before each use, for devices with different counts.
  func lendToBLAS() { openblas_set_num_threads(Int32(clamping: count)) }
}
