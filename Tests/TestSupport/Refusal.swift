public import TesseraCompute

/// The error that `body` throws, or nil if it throws none or one of another kind.
public func refusal<Result>(_ body: () throws -> Result) -> TesseraError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? TesseraError
  }
}
