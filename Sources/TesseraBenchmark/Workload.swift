import TesseraCompute

/// A task made ready: inputs lie where they are needed, and a call can be timed.
struct Workload {
  let shape: [String: Int]
  /// Units of work in a call.
  let work: Double
  /// One call. The device is synchronized after it, within the time.
  let run: () throws(TesseraError) -> Void
  /// Compares a part of the last call's result with the reference; returns how many numbers.
  let check: () throws(TesseraError) -> Int
}

extension BenchmarkTask {
  func workload(
    on device: any Device, _ size: BenchmarkSize
  ) throws(TesseraError) -> Workload {
    switch self {
    case .copy: try .copy(on: device, size)
    case .upload: try .upload(on: device, size)
    case .download: try .download(on: device, size)
    case .multiply: try .multiply(on: device, size)
    case .multiplyFloat16: try .roundedProducts(of: .float16, on: device, size)
    case .multiplyInt8: try .roundedProducts(of: .int8, on: device, size)
    case .read: try .nearest(on: device, .read(size))
    case .nearest: try .nearest(on: device, .batch(size))
    case .topK: try .topK(on: device, size)
    case .kmeans: try .kmeans(on: device, size)
    case .encode: try .encode(on: device, size)
    case .lookupScores: try .lookupScores(on: device, size)
    case .nearestCodes: try .nearestCodes(on: device, size)
    }
  }
}

/// Inputs that are the same everywhere.
enum BenchmarkInput {
  /// Numbers from -1 up to 1, all equally likely.
  static func uniform(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return unsafe [Float](unsafeUninitializedCapacity: count) { values, filled in
      while filled < count {
        // Two numbers of 24 bits from each draw: exact in Float32.
        let bits = random.next()
        unsafe values[filled] = Float(Int32(truncatingIfNeeded: bits >> 40) - 0x80_0000) * 0x1p-23
        filled += 1
        guard filled < count else { break }
        unsafe values[filled] =
          Float(Int32(truncatingIfNeeded: bits >> 8 & 0xFF_FFFF) - 0x80_0000)
          * 0x1p-23
        filled += 1
      }
    }
  }

  /// Rows in clusters of about a hundred, as embeddings tend to lie.
  static func clustered(_ rows: Int, _ dimension: Int, seed: UInt64) -> [Float] {
    let clusterCount = max(1, rows / 100)
    let centers = uniform(clusterCount * dimension, seed: 1)
    var values = uniform(rows * dimension, seed: seed)
    var random = SplitMix64(seed: seed, stream: 1)
    for row in 0..<rows {
      let center = random.nextIndex(below: clusterCount) * dimension
      for column in 0..<dimension {
        let place = row * dimension + column
        values[place] = centers[center + column] + 0.25 * values[place]
      }
    }
    return values
  }
}

extension TesseraError {
  /// A device computed something else than it must.
  static func wrongResult(
    _ task: BenchmarkTask, _ device: any Device, _ what: String
  ) -> TesseraError {
    TesseraError(
      .wrongResult,
      "\(task.rawValue) on \(device.info.identifier) (\(device.info.variant)): \(what); do not "
        + "trust this device, and report it with the output of tessera devices --json")
  }
}
