import TesseraCompute
import Testing

@Suite("TesseraError")
struct ErrorTests {
  @Test("describes itself by its message, and by the driver's status if there is one")
  func description() {
    #expect("\(TesseraError(.invalidShape, "topK: no"))" == "topK: no")
    #expect("\(TesseraError(.deviceFailure, "read", status: -5))" == "read (status -5)")
  }

  @Test("codes are told apart and name themselves")
  func codes() {
    let codes: [TesseraError.Code] = [
      .invalidShape, .invalidArgument, .nonFinite, .unsupported, .wrongDevice, .deviceUnavailable,
      .deviceFailure, .buildFailure, .outOfMemory, .malformedFile, .inputNotFound, .cannotCreate,
      .inputOutput,
    ]
    #expect(Set(codes).count == codes.count)
    #expect(Set(codes.map(\.description)).count == codes.count)
    #expect(TesseraError.Code.outOfMemory.description == "outOfMemory")
  }
}
