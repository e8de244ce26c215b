internal import Glibc
/// Stub.
public enum ElementaryFunction: Int32, CaseIterable, Sendable {
  case exp, log, sin, cos, tanh, erf, sigmoid, softplus, squareRoot, reciprocalRoot
  /// Stub.
  public func callAsFunction(_ x: Float) -> Float {
    switch self {
    case .exp: expf(x)
    case .log: logf(x)
    case .sin: sinf(x)
    case .cos: cosf(x)
    case .tanh: tanhf(x)
    case .erf: erff(x)
    case .sigmoid: 1 / (1 + expf(-x))
    case .softplus: log1pf(expf(x))
    case .squareRoot: x.squareRoot()
    case .reciprocalRoot: 1 / x.squareRoot()
    }
  }
  /// Stub.
  public func callAsFunction(_ x: Double) -> Double {
    switch self {
    case .exp: Glibc.exp(x)
    case .log: Glibc.log(x)
    case .sin: Glibc.sin(x)
    case .cos: Glibc.cos(x)
    case .tanh: Glibc.tanh(x)
    case .erf: Glibc.erf(x)
    case .sigmoid: 1 / (1 + Glibc.exp(-x))
    case .softplus: log1p(Glibc.exp(x))
    case .squareRoot: x.squareRoot()
    case .reciprocalRoot: 1 / x.squareRoot()
    }
  }
}
