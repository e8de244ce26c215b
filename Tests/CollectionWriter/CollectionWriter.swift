import Foundation
import Tessera
import TesseraCollections

/// Changes the collection in a folder, from the change with a number on, until it is killed. Writes the
/// number of each change when it is acknowledged.
@main
struct CollectionWriter {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3, let first = Int(arguments[2]) else { exit(64) }
    var life = Life(steps: first)
    let collection = try await VectorCollection<Entry>(
      .folder(arguments[1]), dimension: Life.dimension, metric: .squaredL2,
      on: Devices.choose(.cpu))
    while true {
      let number = life.step
      try await Life.apply(life.next(), to: collection)
      try FileHandle.standardOutput.write(contentsOf: Data("\(number)\n".utf8))
    }
  }
}
