/// A quantizer whose scores are the canonical ones of decoded vectors, so that what is exact for
/// vectors is exact for its codes.
protocol DecodedScored: Quantizer {}

extension ScalarQuantizer: DecodedScored {}
extension ResidualQuantizer: DecodedScored {}
extension LowRankQuantizer: DecodedScored {}
