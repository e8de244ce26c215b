import TesseraCompute

/// A quantizer whose scores are sums of table entries, one for each number of a code.
protocol TableScored: Quantizer {
  /// The order of a code's numbers in its bytes.
  var packing: BitPacking { get }

  /// Tells whether scores under `metric` are such sums and nothing else.
  func addsUp(_ metric: Metric) -> Bool

  /// Makes the tables of queries. Cost: one pass over the codebook.
  var codewordTables: CodewordTables { get }
}
