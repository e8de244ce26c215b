/// One step of a ``Formula``: a correctly rounded operation, a choice, or an elementary function.
///
/// The raw value is shared with the C kernels. Steps give the same bits on every device, but for the
/// sign and payload of NaN.
public enum FormulaOperator: Int32, Sendable, Hashable, CaseIterable {
  // MARK: Without operands

  /// A number of an input: the step's number says which input.
  case input = 0
  /// A number that is given when the formula is applied: the step's number says which.
  case parameter = 1
  /// The number whose bits are the step's number.
  case constant = 2
  /// A pseudo-random multiple of 2^-24 in 0..<1, a function of the ``RandomKey``, of the element's
  /// place in the result and of the step's number (``Philox``).
  case random = 3

  // MARK: Of one operand

  case negate = 4
  case magnitude = 5
  /// The largest whole number that is not greater.
  case floor = 6
  case exp = 7
  case log = 8
  case sin = 9
  case cos = 10
  case tanh = 11
  /// The error function.
  case erf = 12
  /// `1 / (1 + exp(-x))`.
  case sigmoid = 13
  /// `log(1 + exp(x))`.
  case softplus = 14
  case squareRoot = 15
  /// `1 / sqrt(x)`.
  case reciprocalSquareRoot = 16

  // MARK: Of two operands

  case add = 17
  case subtract = 18
  case multiply = 19
  case divide = 20
  /// The smaller operand; NaN if one of them is.
  case minimum = 21
  /// The larger operand; NaN if one of them is.
  case maximum = 22
  /// 1 if the first operand is less, else 0.
  case isLess = 23
  /// 1 if the operands are equal, else 0.
  case isEqual = 24

  // MARK: Of three operands

  /// `a * b + c`, rounded once.
  case multiplyAdd = 25
  /// The second operand where the first is not 0, else the third.
  case select = 26

  /// The number of operands: 0 to 3.
  public var operandCount: Int {
    switch self {
    case .input, .parameter, .constant, .random: 0
    case .negate, .magnitude, .floor, .exp, .log, .sin, .cos, .tanh, .erf, .sigmoid, .softplus,
      .squareRoot, .reciprocalSquareRoot:
      1
    case .add, .subtract, .multiply, .divide, .minimum, .maximum, .isLess, .isEqual: 2
    case .multiplyAdd, .select: 3
    }
  }
}
