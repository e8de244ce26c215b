import TesseraCompute

/// A quantizer whose scores are sums of table entries, one for each number of a code.
protocol TableScored: Quantizer {
  /// How the numbers of a code lie in its bytes.
  var packing: BitPacking { get }

  /// Whether scores under `metric` are such sums and nothing else.
  func addsUp(_ metric: Metric) -> Bool

  /// What makes tables. Cost: one pass over the codebook.
  var codewordTables: CodewordTables { get }
}
