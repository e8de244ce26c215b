// swift-tools-version: 6.3
import PackageDescription

let package = Package(
  name: "consumer",
  dependencies: [.package(name: "tessera", path: "../../..")],
  targets: [
    .executableTarget(
      name: "Consumer", dependencies: [.product(name: "Tessera", package: "tessera")])
  ],
  swiftLanguageModes: [.v6])
