import Tessera
import TesseraBenchmark
import TesseraFormats
internal import TesseraHost

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Runs of `bench` in files.
enum SavedRun {
  static func read(_ path: String) throws(TesseraError) -> BenchmarkRun {
    let file = try MappedFile(path)
    do {
      return try JSONDecoder().decode(BenchmarkRun.self, from: Data(file.memory.bytes))
    } catch {
      throw TesseraError(
        .malformedFile, "\(path): is not what tessera bench --json printed; save it again")
    }
  }
}
