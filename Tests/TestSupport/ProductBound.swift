/// The error bound that `innerProducts` and `multiply` state.
public enum ProductBound {
  /// Tells whether `found` is as near to `exact` as a sum of `count` Float32 products has to be,
  /// after `extraRoundings` of numbers no larger than `magnitude`.
  ///
  /// `magnitude` is the product of the two vectors' lengths.
  public static func holds(
    _ found: Float, _ exact: Double, magnitude: Double, count: Int, extraRoundings: Int = 0
  ) -> Bool {
    // Products below the smallest normal number may be flushed to zero; the relative bound does not
    // cover that.
    let underflow = Double(count) * Double(Float.leastNormalMagnitude)
    let bound = Double(count + extraRoundings) * 0x1p-23 * magnitude + underflow
    return abs(Double(found) - exact) <= bound
  }
}
