internal import TesseraCompute
internal import TesseraHost

extension FAISSReader {
  mutating func scalarQuantizer(
    _ dimension: Int
  ) throws(TesseraError) -> FAISSScalarQuantizer {
    let type = try source.integer(Int32.self, "the type of the scalar quantizer")
    guard let form = FAISSScalarForm(type) else {
      guard (0...26).contains(type) else {
        throw source.malformed("\(type) is not a type of scalar quantizer", at: source.offset - 4)
      }
      throw source.unsupported(
        "scalar quantizers of type \(type) are not read; build the index with QT_8bit, QT_6bit, "
          + "QT_4bit, QT_fp16 or QT_bf16")
    }
    let statistic = try source.integer(Int32.self, "the range statistic")
    let argument = try source.float("the range statistic")
    guard try source.number("the quantizer's dimension") == dimension else {
      throw source.malformed("the quantizer's dimension is not that of the index, \(dimension)")
    }
    let width = (form.bits * dimension + 7) / 8
    try requireCodeSize(width)
    let trained = try source.values(Float.self, "trained numbers")
    guard trained.count == form.trainedCount(dimension) else {
      throw source.malformed(
        "there are \(trained.count) trained numbers, expected \(form.trainedCount(dimension))")
    }
    return FAISSScalarQuantizer(
      type: type, rangeStatistic: statistic, rangeArgument: argument, dimension: dimension,
      codeByteCount: width, trained: trained)
  }

  mutating func productQuantizer(
    _ dimension: Int
  ) throws(TesseraError) -> FAISSProductQuantizer {
    guard try source.number("the quantizer's dimension") == dimension else {
      throw source.malformed("the quantizer's dimension is not that of the index, \(dimension)")
    }
    let subspaces = try source.number("the number of subspaces", in: 1...dimension)
    let bits = try source.number("the bits of a code", in: 1...24)
    guard dimension % subspaces == 0 else {
      throw source.malformed("\(subspaces) subspaces do not divide \(dimension) dimensions")
    }
    guard (4...16).contains(bits) else {
      throw source.unsupported(
        "a product quantizer of \(bits) bits; build the index with 4 to 16 bits")
    }
    let centroids = try source.values(Float.self, "codewords")
    guard centroids.count == dimension << bits else {
      throw source.malformed(
        "there are \(centroids.count) numbers of codewords, expected "
          + "\(dimension << bits)")
    }
    return FAISSProductQuantizer(
      dimension: dimension, subspaceCount: subspaces, bits: bits, centroids: centroids)
  }
}
