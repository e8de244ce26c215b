import Foundation
import Testing

/// What `import Tessera` brings: each public name is listed in Tessera.swift, or here.
@Suite("Names that an import brings")
struct NamesTests {
  /// Names for which a file has to import the module they are in: general words, and what only backends,
  /// matrix and tensor operations and readers of diagnoses need.
  static let left: Set<String> = [
    "Assigner", "CodeOperations", "CodeQueries", "CodeSet", "Device", "DeviceMemory",
    "DeviceScalar", "ElementaryFunction", "Finding", "Formula", "FormulaNumber", "FormulaOperator",
    "HostStorage", "Matrix", "MatrixOperations", "Philox", "PlainAssigner", "Probes",
    "ProductCodebook", "ProductCodes", "RandomKey", "Reduction", "RoundedMultiplier",
    "RoundedNumber", "RoundedProducts", "Rounding", "RowSelection", "SearchOperations",
    "SparseMatrix", "Storage", "TensorOperations", "TensorView", "Term", "VectorSet",
  ]

  private static let ofOneSystem =
    ["import Glibc", "import Musl", "import Darwin", "#include <linux/"]
    + ["epoll", "inotify", "prctl", "sysinfo"].map { "#include <sys/\($0)" }

  private static let package = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../..").standardized

  @Test("are listed, or left out on purpose")
  func names() throws {
    let facade = try String(
      contentsOf: Self.package.appending(path: "Sources/Tessera/Tessera.swift"), encoding: .utf8)
    let listed = Set(
      facade.matches(
        of: /@_exported public import (?:class|enum|protocol|struct) Tessera\w+\.(\w+)/
      )
      .map { String($0.1) })
    #expect(listed.count > 50)
    var found: Set<String> = []
    for module in ["Compute", "Devices", "Formats", "Index", "Quantization"] {
      let folder = Self.package.appending(path: "Sources/Tessera\(module)")
      let files = try #require(
        FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
      for case let file as URL in files where file.pathExtension == "swift" {
        let text = try String(contentsOf: file, encoding: .utf8)
        let names = text.matches(
          of:
            /(?m)^(?:@\w+ )*(?:public|open) (?:final )?(?:class|enum|protocol|struct|typealias) (\w+)/
        )
        found.formUnion(names.map { String($0.1) })
        // A function or variable of a module would fall into every importer's files.
        #expect(text.firstMatch(of: /(?m)^public (?:func|let|var)\b/) == nil, "\(file.path)")
      }
    }
    #expect(found.count > 70)
    let host: Set = ["HostMemory", "StopSignal", "TesseraError"]
    #expect(listed.subtracting(host).subtracting(found) == [])
    #expect(found.subtracting(listed) == Self.left)
    #expect(listed.isDisjoint(with: Self.left))
  }

  @Test("of one system's library are in TesseraHost alone, or between #if and #endif")
  func systems() throws {
    let sources = Self.package.appending(path: "Sources")
    let files = try #require(
      FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
    var count = 0
    for case let file as URL in files where ["swift", "c", "h"].contains(file.pathExtension) {
      guard !file.path.contains("/TesseraHost/") else { continue }
      count += 1
      // All of a header is between #ifndef and #endif, so that it is read once.
      var depth = file.pathExtension == "h" ? -1 : 0
      for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
        guard line.contains("import ") || line.contains("#") else { continue }
        let words = line.trimmingPrefix { $0 == " " }
        if words.hasPrefix("#if") { depth += 1 }
        if words.hasPrefix("#endif") { depth -= 1 }
        let isOfOneSystem = Self.ofOneSystem.contains { words.hasSuffix($0) || words.hasPrefix($0) }
        #expect(!isOfOneSystem || depth > 0, "\(file.path): \(line)")
      }
    }
    #expect(count > 200)
  }
}
