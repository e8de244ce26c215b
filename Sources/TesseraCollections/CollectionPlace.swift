internal import Foundation
internal import TesseraHost

/// Says where a collection is kept.
public enum CollectionPlace: Sendable, Hashable {
  /// In memory alone: it is gone when the object is. Searches wait while a change is being made, and do not
  /// end before it where they are cancelled then.
  case memory
  /// In a folder of its own, which is made where there is none.
  case folder(String)
}

/// The folder of a collection: a lock, a database, and the index of its vectors.
///
/// The database says which index is in use by its number. A new one is made beside the old one, which is
/// removed once the database names the new one.
final class CollectionFolder: Sendable {
  let path: String
  /// Keeps others out until this object goes, or its process ends.
  private let lock: AppendedFile

  /// Opens the folder at `path`, or makes it.
  ///
  /// - Throws: `.busy` where another has opened it, `.cannotCreate` where something else is in the way.
  init(_ path: String) throws(TesseraError) {
    self.path = path
    let files = FileManager.default
    var isFolder: ObjCBool = false
    if unsafe !files.fileExists(atPath: path, isDirectory: &isFolder) {
      do {
        try files.createDirectory(atPath: path, withIntermediateDirectories: false)
      } catch {
        // Another process may have made it in between.
        guard unsafe files.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
        else {
          throw TesseraError(
            .cannotCreate,
            "\(path.printable): the folder of the collection cannot be made; make the folder above "
              + "it, and allow writing there")
        }
      }
    } else if !isFolder.boolValue {
      throw TesseraError(
        .cannotCreate, "\(path.printable): is a file; a collection is kept in a folder of its own")
    }
    let foreign = SystemFile.names(in: path).filter { !Self.isOwn($0) }
    if let name = foreign.first, !files.fileExists(atPath: "\(path)/\(Self.databaseName)") {
      throw TesseraError(
        .cannotCreate,
        "\(path.printable): holds other things (\(name.printable)) and no collection; give a folder "
          + "that is empty or not there yet")
    }
    do throws(TesseraError) {
      lock = try AppendedFile("\(path)/lock")
    } catch {
      guard error.code == .busy else { throw error }
      throw TesseraError(
        .busy,
        "\(path.printable): another process or object has opened the collection; try again when it "
          + "has ended")
    }
  }

  private static let databaseName = "collection.sqlite"

  private static func isOwn(_ name: String) -> Bool {
    name == "lock" || name.hasPrefix(databaseName) || name.hasPrefix("vectors-")
  }

  /// The path of the database.
  var database: String { "\(path)/\(Self.databaseName)" }

  /// The path of an index by its number.
  func index(_ number: Int) -> String { "\(path)/vectors-\(number).index" }

  /// Removes what is left of other indexes than the one in use.
  func removeIndexes(but number: Int) {
    let current = "vectors-\(number).index"
    for name in SystemFile.names(in: path)
    where name.hasPrefix("vectors-") && !name.hasPrefix(current) {
      try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
    }
  }
}
