extension BenchmarkUnit {
  /// A rate for people: 12.3 GB/s, 1.5 TFLOP/s, 870 Mlookups/s.
  public func text(_ rate: Double) -> String {
    let (value, prefix) = Self.scaled(rate, ["", "k", "M", "G", "T", "P"], step: 1000)
    return "\(value) \(prefix)\(rawValue)"
  }

  fileprivate static func scaled(
    _ number: Double, _ prefixes: [String], step: Double
  ) -> (value: String, prefix: String) {
    var value = number
    var index = 0
    while value >= step * 0.9995, index + 1 < prefixes.count {
      value /= step
      index += 1
    }
    return (value.threeDigits, prefixes[index])
  }
}

extension BenchmarkFigure {
  /// A time for people: 12.3 ms, 1.5 s, 870 us.
  public static func text(seconds: Double) -> String {
    let (value, unit) = BenchmarkUnit.scaled(seconds * 1e6, ["us", "ms", "s"], step: 1000)
    return "\(value) \(unit)"
  }

  /// `100000 x 128, 256 queries, k 10`.
  public var shapeText: String {
    let sides = ["rows", "columns", "dimension"].compactMap { shape[$0] }.map(String.init)
    let rest = [
      shape["queries"].map { "\($0) quer\($0 == 1 ? "y" : "ies")" },
      shape["subspaces"].map { "\($0) subspaces" }, shape["k"].map { "k \($0)" },
    ].compactMap { $0 }
    return ([sides.joined(separator: " x ")] + rest).filter { !$0.isEmpty }
      .joined(separator: ", ")
  }

  /// `61 % of copy`; nil where there is no share.
  public var shareText: String? {
    guard let shareOfPeak, let peak = task.peak else { return nil }
    return "\((100 * shareOfPeak).threeDigits) % of \(peak.rawValue)"
  }
}

extension Double {
  /// 1.23, 12.3, 123, 1234.
  var threeDigits: String {
    guard isFinite, abs(self) < 1e15 else { return "\(self)" }
    let decimals = abs(self) >= 99.95 ? 0 : abs(self) >= 9.995 ? 1 : 2
    let scale = [1.0, 10, 100][decimals]
    let rounded = (self * scale).rounded() / scale
    return decimals == 0 ? "\(Int(rounded))" : "\(rounded)"
  }
}
