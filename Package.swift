// swift-tools-version: 6.3
import PackageDescription

/// Every Swift target is built the same way.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "tessera",
  products: [
    .library(name: "TesseraCompute", targets: ["TesseraCompute"]),
    .library(name: "TesseraOpenCL", targets: ["TesseraOpenCL"]),
  ],
  targets: [
    .target(name: "TesseraCompute", swiftSettings: strict),
    .target(name: "COpenCL"),
    .target(name: "Kernels", path: "Kernels", exclude: ["cl"]),
    .target(
      name: "TesseraOpenCL", dependencies: ["TesseraCompute", "COpenCL", "Kernels"],
      swiftSettings: strict),
    .executableTarget(
      name: "KernelCheck", dependencies: ["TesseraCompute", "TesseraOpenCL"],
      path: "Tests/KernelCheck", swiftSettings: strict),
    .testTarget(
      name: "TesseraOpenCLTests", dependencies: ["TesseraCompute", "TesseraOpenCL", "COpenCL"],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu2x
)
