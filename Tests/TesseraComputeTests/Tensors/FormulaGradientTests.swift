import TesseraCompute
import TestSupport
import Testing

@Suite("Gradients of formulas")
struct FormulaGradientTests {
  /// Formulas of every operator that has a gradient, on numbers away from their corners.
  private static let formulas: [(name: String, formula: Formula)] = [
    ("+", Formula(inputs: 2) { x, _ in [x[0] + x[1]] }),
    ("-", Formula(inputs: 2) { x, _ in [x[0] - x[1]] }),
    ("*", Formula(inputs: 2) { x, _ in [x[0] * x[1]] }),
    ("/", Formula(inputs: 2) { x, _ in [x[0] / x[1]] }),
    ("negate", Formula(inputs: 2) { x, _ in [-x[0]] }),
    ("magnitude", Formula(inputs: 2) { x, _ in [x[0].magnitude] }),
    ("floor", Formula(inputs: 2) { x, _ in [x[0].floor + x[1]] }),
    ("exp", Formula(inputs: 2) { x, _ in [x[0].exp] }),
    ("log", Formula(inputs: 2) { x, _ in [x[0].magnitude.log] }),
    ("sin", Formula(inputs: 2) { x, _ in [x[0].sin] }),
    ("cos", Formula(inputs: 2) { x, _ in [x[0].cos] }),
    ("tanh", Formula(inputs: 2) { x, _ in [x[0].tanh] }),
    ("erf", Formula(inputs: 2) { x, _ in [x[0].erf] }),
    ("sigmoid", Formula(inputs: 2) { x, _ in [x[0].sigmoid] }),
    ("softplus", Formula(inputs: 2) { x, _ in [x[0].softplus] }),
    ("squareRoot", Formula(inputs: 2) { x, _ in [(x[0] * x[0] + 1).squareRoot] }),
    ("rsqrt", Formula(inputs: 2) { x, _ in [(x[0] * x[0] + 1).reciprocalSquareRoot] }),
    ("minimum", Formula(inputs: 2) { x, _ in [.minimum(x[0], x[1])] }),
    ("maximum", Formula(inputs: 2) { x, _ in [.maximum(x[0], x[1])] }),
    (
      "comparisons",
      Formula(inputs: 2) { x, _ in
        [x[0].isLess(than: x[1]) * x[1] + x[0].isEqual(to: x[1])]
      }
    ),
    ("multiplyAdd", Formula(inputs: 2) { x, _ in [.multiplyAdd(x[0], x[1], x[0])] }),
    ("select", Formula(inputs: 2) { x, _ in [.select(x[0].isLess(than: 0), x[1] * x[1], x[0])] }),
    ("parameters", Formula(inputs: 2, parameters: 1) { x, p in [x[0] * p[0] + x[1].tanh] }),
    (
      "two results",
      Formula(inputs: 2) { x, _ in
        let shared = (x[0] * x[1]).tanh
        return [shared * x[0], shared.exp]
      }
    ),
  ]

  @Test("equal central differences in Float64", arguments: formulas.map(\.name))
  func differences(_ name: String) throws {
    let formula = try #require(Self.formulas.first { $0.name == name }).formula
    let gradient = formula.gradient(by: [0, 1])
    let parameters = [Double](repeating: 0.7, count: formula.parameterCount)
    var generator = RepeatableGenerator(seed: 12)
    func results(_ x: [Double]) -> [Double] {
      formula.results(of: x, parameters: parameters) { _ in 0 }
    }
    for _ in 0..<200 {
      let x = (0..<2).map { _ in Double(generator.unit()) * 3 }
      // Steps of the functions with corners are too near to be crossed.
      guard abs(x[0] - x[1]) > 0.01, abs(x[0]) > 0.01, abs(x[1]) > 0.1,
        abs(x[0] - x[0].rounded()) > 0.01
      else {
        continue
      }
      let weights = formula.outputs.map { _ in Double(generator.unit()) }
      let found = gradient.results(of: x + weights, parameters: parameters) { _ in 0 }
      for input in 0..<2 {
        let step = 1e-5
        let (above, below) = (
          results(x.with(x[input] + step, at: input)),
          results(x.with(x[input] - step, at: input))
        )
        let expected = zip(zip(above, below), weights).reduce(0) {
          $0 + ($1.0.0 - $1.0.1) / (2 * step) * $1.1
        }
        #expect(
          abs(found[input] - expected) <= 1e-6 * max(1, abs(expected)),
          "by input \(input) at \(x): \(found[input]), expected \(expected)")
      }
    }
  }

  @Test("the gradient's gradient is that of the second order")
  func secondOrder() {
    let cube = Formula(inputs: 1) { x, _ in [x[0] * x[0] * x[0]] }
    let first = cube.gradient(by: [0])
    let second = first.gradient(by: [0])
    let found = second.results(of: [2.0, 1.0, 1.0], parameters: []) { _ in 0 }
    #expect(found == [12.0])
  }

  @Test("equal steps are made once")
  func sharing() {
    let formula = Formula(inputs: 1) { x, _ in [x[0].exp * x[0].exp + 1, x[0].exp + 1] }
    #expect(formula.steps.count == 6)
  }
}

extension [Double] {
  fileprivate func with(_ value: Double, at place: Int) -> [Double] {
    var copy = self
    copy[place] = value
    return copy
  }
}
