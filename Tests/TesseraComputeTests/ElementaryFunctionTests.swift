import TestSupport
import Testing

@testable import TesseraCompute

@Suite("elementary functions")
struct ElementaryFunctionTests {
  @Test("are within 1 ulp of the true value", arguments: ElementaryFunction.allCases)
  func error(_ function: ElementaryFunction) {
    var worst = (error: 0.0, at: Float(0))
    for x in FunctionSample.arguments {
      let error = ulps(function(x), from: function(Double(x)))
      if error > worst.error { worst = (error, x) }
    }
    // A correctly rounded result is within half.
    let limit = function == .squareRoot ? 0.5 : 1
    #expect(worst.error <= limit, "\(worst)")
    // No function of these is exact everywhere: a comparison that finds nothing compares nothing.
    #expect(worst.error > 0.4)
  }

  @Test("give what C99 says at the ends")
  func ends() {
    let nan = Float(bitPattern: 0x7FC0_0000)
    let table: [(ElementaryFunction, [(Float, Float)])] = [
      (
        .exp,
        [(0, 1), (-0.0, 1), (.infinity, .infinity), (-.infinity, 0), (89, .infinity), (-104, 0)]
      ),
      (.log, [(1, 0), (0, -.infinity), (-0.0, -.infinity), (.infinity, .infinity), (-1, nan)]),
      (.sin, [(0, 0), (-0.0, -0.0), (.infinity, nan), (-.infinity, nan)]),
      (.cos, [(0, 1), (-0.0, 1), (.infinity, nan), (-.infinity, nan)]),
      (.tanh, [(0, 0), (-0.0, -0.0), (.infinity, 1), (-.infinity, -1)]),
      (.erf, [(0, 0), (-0.0, -0.0), (.infinity, 1), (-.infinity, -1)]),
      (.sigmoid, [(0, 0.5), (-0.0, 0.5), (.infinity, 1), (-.infinity, 0)]),
      (.softplus, [(.infinity, .infinity), (-.infinity, 0), (1000, 1000), (-104, 0)]),
      (.squareRoot, [(4, 2), (-0.0, -0.0), (.infinity, .infinity), (-1, nan)]),
      (.reciprocalRoot, [(4, 0.5), (0, .infinity), (-0.0, -.infinity), (.infinity, 0), (-1, nan)]),
    ]
    #expect(Set(table.map(\.0)).count == ElementaryFunction.allCases.count)
    let anyNaN: [UInt32] = [0x7FC0_0000, 0xFFC0_0000, 0x7F80_0001, 0xFFFF_FFFF]
    for (function, pairs) in table {
      for (x, result) in pairs + anyNaN.map({ (Float(bitPattern: $0), nan) }) {
        #expect(function(x).bitPattern == result.bitPattern, "\(function) of \(x)")
      }
    }
  }

  @Test("round a quotient as IEEE 754 says, with one NaN")
  func quotient() {
    #expect(ElementaryFunction.quotient(1, 3) == 1.0 / 3)
    #expect(ElementaryFunction.quotient(-1, 0) == -.infinity)
    for (a, b) in [(0, 0), (.infinity, -.infinity), (-.nan, 1), (1, .nan)] as [(Float, Float)] {
      #expect(ElementaryFunction.quotient(a, b).bitPattern == 0x7FC0_0000)
    }
  }

}
