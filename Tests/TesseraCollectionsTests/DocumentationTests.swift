import Foundation
import Testing

@Suite("Articles of the documentation")
struct DocumentationTests {
  private static let package = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../..").standardized

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: package.appending(path: path), encoding: .utf8)
  }

  static let articles: [(name: String, text: String)] = {
    let folder = package.appending(path: "Sources/Tessera/Tessera.docc")
    let files = try? FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    return (files ?? []).filter { $0.pathExtension == "md" }.compactMap { file in
      (try? String(contentsOf: file, encoding: .utf8)).map { (file.lastPathComponent, $0) }
    }
  }()

  /// The blocks of code in a language, each as lines without the spaces before them.
  private func blocks(_ language: String, of text: String) -> [[String]] {
    text.matches(of: /(?s)```(\w+)\n(.*?)```/).filter { $0.1 == language }.map {
      lines(String($0.2))
    }
  }

  private func lines(_ text: String) -> [String] {
    text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
  }

  /// True if the lines of `block` stand one after the other in `lines`.
  private func holds(_ lines: [String], _ block: [String]) -> Bool {
    guard let first = block.first else { return false }
    return lines.indices.contains { start in
      lines[start] == first && lines[start...].prefix(block.count).elementsEqual(block)
    }
  }

  @Test("show code that tests run, or compile elsewhere")
  func code() throws {
    let examples = try Self.text("Tests/TesseraCollectionsTests/ExampleTests.swift")
      .replacing(/folder\(("[^"]*")\)/) { "\($0.1)" }
    let swift = lines(examples).filter { !$0.hasPrefix("#expect") }
    let consumers = try ["Names/WholeModule.swift", "../Package.swift"]
      .map { lines(try Self.text("Tests/Consumers/swift/Sources/\($0)")) }
    let readme = try Self.text("README.md")
    let section = try #require(readme.firstMatch(of: /(?s)\n## Collections\n.*?\n##\s/)).0
    var count = 0
    for (name, text) in Self.articles + [("README", String(section))] {
      for block in blocks("swift", of: text) {
        #expect(([swift] + consumers).contains { holds($0, block) }, "\(name): \(block)")
        count += 1
      }
      for language in ["c", "python"] {
        for block in blocks(language, of: text) {
          #expect(blocks(language, of: readme).contains(block), "\(name): \(block)")
          count += 1
        }
      }
      for command in blocks("sh", of: text).joined() {
        #expect(readme.contains(command), "\(name): \(command)")
        count += 1
      }
    }
    #expect(Self.articles.count >= 5 && count > 12)
  }
}
