import TesseraCompute
import TestSupport
import Testing

@testable import TesseraOpenCL

/// The elementary functions of every OpenCL device, against the specification.
@Suite("elementary functions of OpenCL devices")
struct ElementaryTests {
  private static let devices = Subject.all.filter(\.device.roundsAsIEEE)
  /// The quotient, after the functions.
  private static let quotient = Int(ElementaryFunction.allCases.count)

  @Test("have the specification's bits", arguments: devices, [1, 16])
  func bits(_ subject: Subject, _ lanes: Int) throws {
    let device = subject.device
    let x = padded(FunctionSample.arguments)
    for function in ElementaryFunction.allCases {
      let found = try apply(Int(function.rawValue), x, x, lanes: lanes, on: device)
      let different = x.indices.first { found[$0].bitPattern != function(x[$0]).bitPattern }
      #expect(different == nil, "\(function) of \(different.map { x[$0] } ?? 0)")
    }
    let (a, b) = FunctionSample.quotients
    let (numerators, denominators) = (padded(a), padded(b))
    let found = try apply(Self.quotient, numerators, denominators, lanes: lanes, on: device)
    let different = found.indices.first {
      found[$0].bitPattern
        != ElementaryFunction.quotient(numerators[$0], denominators[$0]).bitPattern
    }
    #expect(
      different == nil,
      "\(different.map { "\(numerators[$0]) / \(denominators[$0]) is \(found[$0])" } ?? "")")
  }

  @Test("are in the text by the names they are called by")
  func names() throws {
    let text = try KernelSource("formula").text()
    for name in ElementaryFunction.allCases.map(\.kernelName) + ["tessera_divide"] {
      #expect(text.contains("TESSERA_INLINE tessera_float \(name)(tessera_float "))
    }
  }

  /// Fills up to a multiple of 16.
  private func padded(_ numbers: [Float]) -> [Float] {
    numbers + Array(repeating: 1, count: (16 - numbers.count % 16) % 16)
  }

  private func apply(
    _ function: Int, _ x: [Float], _ y: [Float], lanes: Int, on device: OpenCLDevice
  ) throws -> [Float] {
    let target = try device.allocate(Float.self, rows: x.count, columns: 1)
    let items = x.count / lanes
    try device.launch(
      "apply_function", of: KernelSource("apply_function", ["LANES": lanes]),
      [
        .int(function), device.argument(device.upload(x, rows: x.count, columns: 1), "test"),
        device.argument(device.upload(y, rows: y.count, columns: 1), "test"), .int(items),
        device.argument(target, "test"),
      ],
      over: Grid(items: items, local: device.workGroupSize, workPerItem: 100 * lanes))
    return try device.download(target)
  }
}
