// swift-tools-version: 6.3
import PackageDescription

/// By path, or by a URL where one is given: `TESSERA_URL=https://... swift build`.
let tessera: Package.Dependency =
  if let url = Context.environment["TESSERA_URL"] {
    .package(url: url, from: "0.1.0")
  } else {
    .package(name: "tessera", path: "../../..")
  }

let package = Package(
  name: "consumer",
  dependencies: [tessera],
  targets: [
    .executableTarget(
      name: "Consumer", dependencies: [.product(name: "Tessera", package: "tessera")]),
    // A module of somebody else, with names that modules of Tessera have too.
    .target(name: "Shop"),
    .executableTarget(
      name: "Names", dependencies: ["Shop", .product(name: "Tessera", package: "tessera")]),
    .executableTarget(
      name: "Collection",
      dependencies: [
        .product(name: "Tessera", package: "tessera"),
        .product(name: "TesseraCollections", package: "tessera"),
      ]),
  ],
  swiftLanguageModes: [.v6])
