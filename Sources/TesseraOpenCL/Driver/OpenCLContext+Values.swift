internal import TesseraCompute

extension OpenCLContext {
  /// Copies `values` to `storage`, from its value `index` on.
  func write<Value: BitwiseCopyable>(
    _ values: [Value], to storage: OpenCLStorage, from index: Int = 0
  ) throws(TesseraError) {
    let start = storage.start + index * MemoryLayout<Value>.stride
    let result = values.withUnsafeBytes { bytes in
      Result { () throws(TesseraError) in
        try write(bytes, to: storage.buffer, at: start)
      }
    }
    try result.get()
  }

  /// `count` values in `storage` from value `index` on, once all commands queued before are done.
  func read<Value: BitwiseCopyable & ExpressibleByIntegerLiteral>(
    _ count: Int, of: Value.Type, from storage: OpenCLStorage, from index: Int = 0
  ) throws(TesseraError) -> [Value] {
    let start = storage.start + index * MemoryLayout<Value>.stride
    var values = [Value](repeating: 0, count: count)
    let result = values.withUnsafeMutableBytes { bytes in
      Result { () throws(TesseraError) in
        try read(storage.buffer, at: start, to: bytes)
      }
    }
    try result.get()
    return values
  }
}
