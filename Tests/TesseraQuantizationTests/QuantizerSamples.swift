import TesseraCPU
import TesseraCompute
import TesseraDevices
import TesseraQuantization
import Testing

/// A quantizer of every family, and points that suit it.
enum QuantizerSamples {
  /// Factory strings that train in a moment on ``points(_:dimension:seed:)`` of 10 dimensions or
  /// more. To test another family in every way here, add one of its strings.
  static let specifications = [
    "PQ2x4", "PQ4x4", "PQ3x5", "PQ2x8", "PQ1x9", "SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16",
    "OPQ2,PQ2x4", "OPQ3_6,PQ3x4", "RQ2x4", "RQ1x9", "PRQ3x2x4",
    "RaBitQ", "RaBitQ4", "LRVQ5_3x4",
  ]

  /// Those whose scores are estimates of their own, with tests of their own.
  static let estimators: Set = ["RaBitQ", "RaBitQ4"]

  /// Points around a few centres with dimensions that depend on each other.
  static func points(_ count: Int, dimension: Int, seed: UInt64 = 8) -> [Float] {
    var random = SplitMix64(seed: seed)
    let centres = (0..<20 * dimension).map { _ in random.nextGaussian() }
    let mixing = (0..<dimension * dimension).map { _ in random.nextGaussian() * 0.2 }
    return (0..<count).flatMap { _ -> [Float] in
      let centre = random.nextIndex(below: 20) * dimension
      let noise = (0..<dimension).map { _ in random.nextGaussian() }
      return (0..<dimension).map { d in
        (0..<dimension).reduce(centres[centre + d]) { $0 + noise[$1] * mixing[d * dimension + $1] }
      }
    }
  }

  static func train(
    _ specification: String, _ points: [Float], dimension: Int,
    on device: any Device = ReferenceDevice.shared
  ) throws -> TrainedQuantizer {
    try train(specification, Vectors(points, dimension: dimension), on: device)
  }

  /// With few updates, which is all that these tests need.
  static func train(
    _ specification: String, _ points: Vectors, on device: any Device
  ) throws -> TrainedQuantizer {
    var recipe = try QuantizerFactory.recipe(specification)
    if var tuned = recipe as? any CodewordRecipe {
      tuned.options.iterations = 4
      recipe = tuned
    }
    return try recipe.train(points, on: device)
  }
}

/// The devices of this machine, and the CPU with each of its instruction sets.
enum EveryDevice {
  static func named() throws -> [(name: String, device: any Device)] {
    let (devices, problems) = Devices.all()
    #expect(devices.count >= 2, "\(problems)")
    let variants = try CPUDevice.variants.map { try CPUDevice(variant: $0, threads: 1) }
    return (devices + variants).map { ("\($0.info.identifier) \($0.info.variant)", $0) }
  }
}
