// swift-tools-version: 6.3
import PackageDescription

/// Every Swift target is built the same way.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// Targets that mark every use of memory the compiler cannot check with `unsafe`.
let memorySafe = strict + [.strictMemorySafety()]

let package = Package(
  name: "tessera",
  products: [
    .library(name: "Tessera", targets: ["Tessera"]),
    .library(name: "TesseraCollections", targets: ["TesseraCollections"]),
    .library(name: "TesseraCompute", targets: ["TesseraCompute"]),
    .library(name: "TesseraCPU", targets: ["TesseraCPU"]),
    .library(name: "TesseraOpenCL", targets: ["TesseraOpenCL"]),
    .library(name: "TesseraBenchmark", targets: ["TesseraBenchmark"]),
    .library(name: "TesseraFormats", targets: ["TesseraFormats"]),
    .library(name: "TesseraTraining", targets: ["TesseraTraining"]),
    .library(name: "TesseraRecommend", targets: ["TesseraRecommend"]),
    // What scripts/build-library.sh makes libtessera.so of.
    .library(name: "TesseraC", type: .dynamic, targets: ["TesseraC"]),
    .executable(name: "tessera", targets: ["TesseraCommand"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    .target(name: "COpenBLAS"),
    .target(name: "CSIMD"),
    .target(name: "TesseraHost", swiftSettings: strict),
    .target(name: "TesseraCompute", dependencies: ["TesseraHost"], swiftSettings: strict),
    .target(
      name: "TesseraCPU", dependencies: ["TesseraHost", "TesseraCompute", "CSIMD", "COpenBLAS"],
      swiftSettings: strict),
    .target(name: "COpenCL"),
    .target(name: "Kernels", path: "Kernels", exclude: ["cl"]),
    .target(
      name: "TesseraOpenCL", dependencies: ["TesseraHost", "TesseraCompute", "COpenCL", "Kernels"],
      swiftSettings: strict),
    .target(
      name: "TesseraFormats", dependencies: ["TesseraHost", "TesseraCompute"],
      swiftSettings: memorySafe),
    .target(
      name: "TesseraDevices",
      dependencies: [
        "TesseraHost", "TesseraCompute", "TesseraCPU", "TesseraFormats", "TesseraOpenCL",
      ],
      swiftSettings: memorySafe),
    .target(name: "TesseraBenchmark", dependencies: ["TesseraCompute"], swiftSettings: memorySafe),
    .target(
      name: "TesseraQuantization", dependencies: ["TesseraHost", "TesseraCompute"],
      swiftSettings: strict),
    .target(
      name: "TesseraTraining", dependencies: ["TesseraCompute", "TesseraFormats", "TesseraHost"],
      swiftSettings: memorySafe),
    .target(
      name: "TesseraRecommend", dependencies: ["TesseraHost", "TesseraTraining"],
      swiftSettings: memorySafe),
    .target(
      name: "TesseraIndex",
      dependencies: ["TesseraHost", "TesseraCompute", "TesseraFormats", "TesseraQuantization"],
      swiftSettings: memorySafe),
    .target(
      name: "Tessera",
      dependencies: [
        "TesseraCompute", "TesseraDevices", "TesseraFormats", "TesseraHost", "TesseraIndex",
        "TesseraQuantization",
      ],
      swiftSettings: memorySafe),
    // Has Foundation and SQLite, which `import Tessera` does without.
    .target(
      name: "TesseraCollections",
      dependencies: [
        "TesseraCompute", "TesseraHost", "TesseraIndex",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: memorySafe),
    .target(name: "CTessera"),
    .target(
      name: "TesseraC", dependencies: ["CTessera", "Tessera", "TesseraCompute", "TesseraHost"],
      swiftSettings: strict),
    .executableTarget(
      name: "TesseraCommand",
      dependencies: [
        "Tessera", "TesseraBenchmark", "TesseraCompute", "TesseraHost", "TesseraRecommend",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: memorySafe),

    // `make study` runs it.
    .executableTarget(
      name: "Studies",
      dependencies: [
        "Tessera", "TesseraDevices", "TesseraHost", "TesseraTraining",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Benchmarks/Studies/Sources", swiftSettings: strict),

    .target(name: "COracle", path: "Tests/COracle"),
    .target(
      name: "TestSupport",
      dependencies: ["COracle", "TesseraCompute", "TesseraCPU", "TesseraHost", "TesseraOpenCL"],
      path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "DeviceConformanceTests",
      dependencies: ["CSIMD", "TestSupport", "TesseraCPU", "TesseraCompute"],
      swiftSettings: strict),
    .testTarget(
      name: "TesseraComputeTests", dependencies: ["TestSupport", "TesseraCompute"],
      swiftSettings: strict),
    .executableTarget(
      name: "KernelCheck", dependencies: ["TesseraCompute", "TesseraOpenCL"],
      path: "Tests/KernelCheck", swiftSettings: strict),
    .testTarget(
      name: "TesseraOpenCLTests",
      dependencies: ["COpenCL", "TestSupport", "TesseraCompute", "TesseraHost", "TesseraOpenCL"],
      swiftSettings: strict),
    .testTarget(
      name: "FaultTests",
      dependencies: [
        "COpenCL", "TesseraCompute", "TesseraHost", "TesseraIndex", "TesseraOpenCL",
        "TesseraQuantization",
      ],
      swiftSettings: strict),
    // `make fuzz` builds it with libFuzzer.
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "TesseraCompute", "TesseraFormats", "TesseraHost", "TesseraIndex", "TesseraQuantization",
      ],
      path: "Tests/Fuzz/Sources", swiftSettings: strict),
    .testTarget(
      name: "FuzzTests", dependencies: ["Fuzz"], swiftSettings: strict),
    .testTarget(
      name: "TesseraHostTests", dependencies: ["TestSupport", "TesseraHost"], swiftSettings: strict),
    .testTarget(
      name: "TesseraFormatsTests",
      dependencies: ["TestSupport", "TesseraCompute", "TesseraFormats", "TesseraHost"],
      swiftSettings: strict),
    .testTarget(
      name: "TesseraDevicesTests",
      dependencies: [
        "TestSupport", "TesseraCPU", "TesseraCompute", "TesseraDevices", "TesseraOpenCL",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TesseraBenchmarkTests", dependencies: ["TesseraBenchmark", "TesseraCompute"],
      swiftSettings: strict),
    .testTarget(
      name: "TesseraQuantizationTests",
      dependencies: [
        "TestSupport", "TesseraCPU", "TesseraCompute", "TesseraDevices", "TesseraFormats",
        "TesseraHost", "TesseraIndex", "TesseraQuantization",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TesseraTrainingTests",
      dependencies: ["TestSupport", "TesseraCPU", "TesseraRecommend", "TesseraTraining"],
      swiftSettings: strict),
    .testTarget(
      name: "TesseraIndexTests",
      dependencies: [
        "TestSupport", "TesseraCPU", "TesseraCompute", "TesseraFormats", "TesseraHost",
        "TesseraIndex", "TesseraOpenCL", "TesseraQuantization",
      ],
      exclude: ["Fixtures"],
      swiftSettings: strict),
    // Changes a collection until it is killed.
    .executableTarget(
      name: "CollectionWriter", dependencies: ["Tessera", "TesseraCollections"],
      path: "Tests/CollectionWriter", swiftSettings: strict),
    .testTarget(
      name: "TesseraCollectionsTests",
      dependencies: [
        "CollectionWriter", "TestSupport", "Tessera", "TesseraBenchmark", "TesseraCollections",
        "TesseraCompute", "TesseraHost", .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TesseraCTests", dependencies: ["CTessera", "Tessera", "TesseraC", "TesseraHost"],
      swiftSettings: strict),
    .testTarget(
      name: "TesseraCommandTests", dependencies: ["Tessera", "TesseraBenchmark", "TesseraCommand"],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu2x
)

// Only who builds the documentation needs what builds it.
if Context.environment["TESSERA_DOCS"] != nil {
  package.dependencies.append(
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}
