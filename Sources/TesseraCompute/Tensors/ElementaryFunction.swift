internal import TesseraHost

/// A function of one Float32 number whose result is the same bits on every device, processor and thread
/// count.
///
/// The functions here are the specification: a fixed sequence of additions, subtractions, products,
/// fused multiply-adds, comparisons, and operations on whole numbers and bits. IEEE 754 leaves no
/// choice in any of them, so whoever takes the same steps gets the same result. The kernels of CPUs and
/// OpenCL devices (`Kernels/cl/tensors/elementary.cl`) take them.
///
/// For every function:
/// - A result is within 1 ulp of the true value for every Float32 argument, where the result is
///   subnormal too. `make check-elementary` goes through all 2^32 of them and prints the largest errors,
///   which `Benchmarks/results/2026-11-30-elementary.md` records.
/// - NaN gives the one NaN 0x7FC00000, whatever its sign and payload. So does an argument outside the
///   function's domain.
/// - Zeros, their signs and infinities give what C99 says.
///
/// Polynomials were fitted for the least largest error with Float32 coefficients by
/// `Tests/ElementaryCheck/fit.py`, which prints them.
public enum ElementaryFunction: Int32, CaseIterable, Sendable {
  /// e^x, within 0.66 ulp where that is a normal number.
  ///
  /// With k = x / ln 2 rounded to a whole number and r = x - k ln 2, in -0.347...0.347, where ln 2 has
  /// two parts of which k times the first is exact: e^x = 2^k (1 + r + r^2 p(r)), p of degree 5. The sum
  /// keeps what rounding takes from 1 + r. Above 88.7 infinity, below -103.97 zero.
  case exp
  /// The natural logarithm. log 0 is -infinity, and of negative numbers NaN.
  ///
  /// x = 2^k (1 + f) with 1 + f in 2/3..<4/3: log x = k ln 2 + f - f^2 / 2 + f^3 p(f), p of degree 7. The
  /// sum keeps what rounding takes from k ln 2 + f, and f^2 / 2 is a pair of numbers.
  case log
  /// The sine of an angle in radians. NaN for infinities.
  ///
  /// With n = x / (pi / 2) rounded, r = x - n pi / 2 is found as a pair of numbers: for |x| < 2^15
  /// from pi / 2 in three parts (Cody and Waite, 1980); beyond from the digits of 2 / pi that count,
  /// multiplied in whole numbers (Payne and Hanek, 1983). Then r + r^3 p(r^2), p of degree 3, or
  /// 1 - r^2 / 2 + r^4 q(r^2), q of degree 2, by the lowest two bits of n.
  case sin
  /// The cosine of an angle in radians, as ``sin`` with n + 1. NaN for infinities.
  case cos
  /// The hyperbolic tangent.
  ///
  /// (1 - e) / (1 + e) with e = e^-2|x| = 2^k (1 + t) as for ``exp``; both sides are pairs of numbers,
  /// made from 1 - 2^k and 1 + 2^k, so that nothing is lost near zero. Below 2^-12 it is x.
  case tanh
  /// The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x.
  ///
  /// x + x p(x^2), p of degree 6, for |x| < 0.921875; above, with t = |x|, 1 - e^-(t + t q(t)), q of
  /// degree 6, the exponential as for ``exp``. From 4 on it is 1.
  case erf
  /// The logistic function 1 / (1 + e^-x).
  ///
  /// For e = e^-|x|, a pair of numbers made as for ``exp``: 1 / (1 + e), or e / (1 + e) for x < 0.
  case sigmoid
  /// log(1 + e^x).
  ///
  /// max(x, 0) + log(1 + e), with e = e^-|x| a pair of numbers as for ``sigmoid``, and the logarithm as
  /// for ``log``: of 1 + e, or half of it from e > 1/3 on. Above 20 it is x.
  case softplus
  /// The square root, correctly rounded. Of -0 it is -0, of numbers below zero NaN.
  case squareRoot
  /// 1 / sqrt(x). Of zeros it is an infinity with their sign, of numbers below zero NaN.
  ///
  /// x = 4^k m with m in 1..<4; a guess from the bits of m, two of Newton's steps, and a third that keeps
  /// what rounding takes from m y.
  case reciprocalRoot

  /// Applies the function. The result is the same bits everywhere.
  public func callAsFunction(_ x: Float) -> Float {
    switch self {
    case .exp: Elementary.exponential(x)
    case .log: Elementary.logarithm(x)
    case .sin: Elementary.sine(x)
    case .cos: Elementary.cosine(x)
    case .tanh: Elementary.hyperbolicTangent(x)
    case .erf: Elementary.errorFunction(x)
    case .sigmoid: Elementary.logistic(x)
    case .softplus: Elementary.softplus(x)
    case .squareRoot: Elementary.canonical(x.squareRoot())
    case .reciprocalRoot: Elementary.reciprocalRoot(x)
    }
  }

  /// Applies the function in Float64, by the C library of the system: for finite differences and for
  /// the errors of Float32 results. Its last bits may differ between systems.
  public func callAsFunction(_ x: Double) -> Double { inFloat64(self, x) }

  /// Returns a / b, correctly rounded as IEEE 754 says, and the one NaN 0x7FC00000 where that is NaN.
  public static func quotient(_ a: Float, _ b: Float) -> Float { Elementary.canonical(a / b) }

  /// The name of the function in OpenCL C.
  package var kernelName: String {
    switch self {
    case .exp: "tessera_exp"
    case .log: "tessera_log"
    case .sin: "tessera_sin"
    case .cos: "tessera_cos"
    case .tanh: "tessera_tanh"
    case .erf: "tessera_erf"
    case .sigmoid: "tessera_sigmoid"
    case .softplus: "tessera_softplus"
    case .squareRoot: "tessera_sqrt"
    case .reciprocalRoot: "tessera_rsqrt"
    }
  }
}

/// Outside the type, whose cases have the names of the library's functions.
private func inFloat64(_ function: ElementaryFunction, _ x: Double) -> Double {
  switch function {
  case .exp: exp(x)
  case .log: log(x)
  case .sin: sin(x)
  case .cos: cos(x)
  case .tanh: tanh(x)
  case .erf: erf(x)
  // Neither overflows, nor loses the small results.
  case .sigmoid: x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x))
  case .softplus: x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))
  case .squareRoot: x.squareRoot()
  case .reciprocalRoot: 1 / x.squareRoot()
  }
}
