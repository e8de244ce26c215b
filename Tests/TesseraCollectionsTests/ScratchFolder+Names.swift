import Foundation
import TestSupport

extension ScratchFolder {
  /// The names in a folder of this one.
  func names(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: self(folder)).sorted()
  }

  /// Removes a file.
  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: self(name)) }
}
