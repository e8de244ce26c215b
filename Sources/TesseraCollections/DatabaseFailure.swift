internal import GRDB
internal import TesseraHost

/// Turns what SQLite says into errors of this library.
enum DatabaseFailure {
  /// Runs `body`, and gives its errors a code and the database's name.
  static func translated<Result>(
    _ path: String, _ body: () throws -> Result
  ) throws(TesseraError) -> Result {
    do {
      return try body()
    } catch let error as TesseraError {
      throw error
    } catch let error as DatabaseError {
      let (code, remedy) = meaning(of: error.resultCode)
      throw TesseraError(
        code,
        "\(path.printable): \((error.message ?? "\(error.resultCode)").printable); \(remedy)",
        status: error.extendedResultCode.rawValue)
    } catch is CancellationError {
      throw TesseraError(.cancelled, "the work was cancelled")
    } catch {
      throw TesseraError(.inputOutput, "\(path.printable): \("\(error)".printable)")
    }
  }

  private static func meaning(of code: ResultCode) -> (TesseraError.Code, remedy: String) {
    switch code {
    case .SQLITE_FULL, .SQLITE_IOERR: (.inputOutput, "check space and quota of the disk")
    case .SQLITE_CORRUPT, .SQLITE_NOTADB:
      (.malformedFile, "the database is damaged; put back a copy of the collection's folder")
    case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM:
      (.cannotCreate, "make the collection's folder and its files writable")
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      (.busy, "another program has opened the database; try again when it has ended")
    case .SQLITE_NOMEM: (.outOfMemory, "free some memory")
    case .SQLITE_TOOBIG:
      (.invalidArgument, "texts and metadata of one item have to be smaller than a gigabyte")
    default: (.inputOutput, "the database refused what was asked of it")
    }
  }
}
