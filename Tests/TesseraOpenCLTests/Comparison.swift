import TesseraCompute
import Testing

@testable import TesseraOpenCL

/// What an operation gave: its results as plain arrays, or the error it threw.
enum Outcome<Value: Equatable>: Equatable {
  case value(Value)
  case failure(TesseraError)

  init(_ body: () throws(TesseraError) -> Value) {
    do { self = .value(try body()) } catch { self = .failure(error) }
  }
}

/// Numbers compared by their bits, so that NaN equals itself and -0 differs from 0.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
func bits(_ values: [Double]) -> [UInt64] { values.map(\.bitPattern) }
