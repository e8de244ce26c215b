/// A number that a ``Formula`` computes for each element: an input, or an operation on other terms.
///
/// Terms are put together with `+ - * /` and the names below; a number literal is a constant.
public final class Term: Sendable, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  let operation: FormulaOperator
  let operands: [Term]
  let number: UInt32

  init(_ operation: FormulaOperator, _ operands: [Term] = [], number: UInt32 = 0) {
    (self.operation, self.operands, self.number) = (operation, operands, number)
  }

  static func input(_ place: Int) -> Term { Term(.input, number: UInt32(place)) }
  static func parameter(_ place: Int) -> Term { Term(.parameter, number: UInt32(place)) }

  /// The operator, which has operands, on the first of `operands`.
  package static func of(_ operation: FormulaOperator, _ operands: [Term]) -> Term {
    Term(operation, Array(operands.prefix(operation.operandCount)))
  }

  /// A number that is part of the formula.
  public static func constant(_ value: Float) -> Term {
    Term(.constant, number: value.bitPattern)
  }

  /// A pseudo-random number in 0..<1. Different draws of an element are independent.
  public static func random(draw: Int) -> Term { Term(.random, number: UInt32(draw)) }

  /// Makes a constant.
  public convenience init(floatLiteral value: Float) {
    self.init(.constant, number: value.bitPattern)
  }

  /// Makes a constant.
  public convenience init(integerLiteral value: Int) {
    self.init(.constant, number: Float(value).bitPattern)
  }

  /// The sum.
  public static func + (a: Term, b: Term) -> Term { Term(.add, [a, b]) }
  /// The difference.
  public static func - (a: Term, b: Term) -> Term { Term(.subtract, [a, b]) }
  /// The product.
  public static func * (a: Term, b: Term) -> Term { Term(.multiply, [a, b]) }
  /// The quotient.
  public static func / (a: Term, b: Term) -> Term { Term(.divide, [a, b]) }
  /// The number with the other sign.
  public static prefix func - (a: Term) -> Term { Term(.negate, [a]) }

  /// `a * b + c`, rounded once.
  public static func multiplyAdd(_ a: Term, _ b: Term, _ c: Term) -> Term {
    Term(.multiplyAdd, [a, b, c])
  }
  /// The smaller of two numbers; NaN if one of them is.
  public static func minimum(_ a: Term, _ b: Term) -> Term { Term(.minimum, [a, b]) }
  /// The larger of two numbers; NaN if one of them is.
  public static func maximum(_ a: Term, _ b: Term) -> Term { Term(.maximum, [a, b]) }
  /// `yes` where the condition is not 0, else `no`.
  public static func select(_ condition: Term, _ yes: Term, _ no: Term) -> Term {
    Term(.select, [condition, yes, no])
  }

  /// 1 if this number is less than `other`, else 0.
  public func isLess(than other: Term) -> Term { Term(.isLess, [self, other]) }
  /// 1 if this number equals `other`, else 0.
  public func isEqual(to other: Term) -> Term { Term(.isEqual, [self, other]) }

  /// The number without its sign.
  public var magnitude: Term { Term(.magnitude, [self]) }
  /// The largest whole number that is not greater.
  public var floor: Term { Term(.floor, [self]) }
  /// The exponential function.
  public var exp: Term { Term(.exp, [self]) }
  /// The natural logarithm.
  public var log: Term { Term(.log, [self]) }
  /// The sine.
  public var sin: Term { Term(.sin, [self]) }
  /// The cosine.
  public var cos: Term { Term(.cos, [self]) }
  /// The hyperbolic tangent.
  public var tanh: Term { Term(.tanh, [self]) }
  /// The error function.
  public var erf: Term { Term(.erf, [self]) }
  /// `1 / (1 + exp(-x))`.
  public var sigmoid: Term { Term(.sigmoid, [self]) }
  /// `log(1 + exp(x))`.
  public var softplus: Term { Term(.softplus, [self]) }
  /// The square root.
  public var squareRoot: Term { Term(.squareRoot, [self]) }
  /// `1 / sqrt(x)`.
  public var reciprocalSquareRoot: Term { Term(.reciprocalSquareRoot, [self]) }
}
