import TesseraCompute
import Testing

@testable import TesseraOpenCL

@Suite struct RoundedProductsTests {
  @Test("the first query's products of every run are kept, and exact", arguments: EmulatedUnit.all)
  func kept(_ emulated: EmulatedUnit) throws {
    let numbers: RoundedNumber = emulated.filter == .float16 ? .float16 : .int8
    for device in emulated.devices().devices {
      let products = try device.roundedProducts(of: numbers, queries: 37, rows: 70, dimension: 75)
      #expect(products.keptCount == 70)
      // Before anything was computed, nothing is kept.
      #expect(throws: TesseraError.self) { try products.mistake() }
      for _ in 0..<2 {
        try products.run()
        #expect(try products.mistake() == nil)
      }
    }
  }

  @Test("numbers that no unit multiplies are refused by name")
  func refused() throws {
    var options = OpenCLOptions()
    options.matrixUnits = .none
    for device in OpenCLDevice.all(options).devices {
      let error = #expect(throws: TesseraError.self) {
        try device.roundedProducts(of: .float16, queries: 1, rows: 1, dimension: 1)
      }
      #expect(error?.code == .unsupported && error?.message.contains("matrix unit") == true)
    }
    let dot = EmulatedUnit(unit: MatrixUnit(kind: .dotProduct, isEmulated: true), filter: .int8)
    for device in dot.devices().devices {
      let error = #expect(throws: TesseraError.self) {
        try device.roundedProducts(of: .float16, queries: 1, rows: 1, dimension: 1)
      }
      #expect(error?.code == .unsupported && error?.message.contains("float16") == true)
    }
  }
}
