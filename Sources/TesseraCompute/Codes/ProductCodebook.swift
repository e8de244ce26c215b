/// The codewords of a product quantizer: vectors are cut into `subspaceCount` equal parts, and each
/// part is replaced by the nearest of that subspace's codewords.
public struct ProductCodebook: Sendable {
  /// Equal parts that a vector is cut into, each with codewords of its own.
  public let subspaceCount: Int
  /// Codewords per subspace, at most 256, so that a code is one byte.
  public let codewordCount: Int
  /// `subspaceCount * codewordCount` rows, subspace by subspace, of `dimension / subspaceCount`.
  public let codewords: Matrix<Float>

  /// - Throws: `.invalidShape` if the rows are not `subspaceCount` groups of 1 to 256.
  public init(_ codewords: Matrix<Float>, subspaceCount: Int) throws(TesseraError) {
    guard subspaceCount > 0, codewords.rows % subspaceCount == 0, codewords.columns > 0,
      (1...256).contains(codewords.rows / subspaceCount)
    else {
      throw TesseraError(
        .invalidShape,
        "product codebook: \(codewords.rows) x \(codewords.columns) codewords are not "
          + "\(subspaceCount) subspaces of 1 to 256 codewords")
    }
    self.codewords = codewords
    self.subspaceCount = subspaceCount
    self.codewordCount = codewords.rows / subspaceCount
  }

  /// Numbers of a whole vector: `subspaceCount` times the columns of `codewords`.
  public var dimension: Int { subspaceCount * codewords.columns }
}
