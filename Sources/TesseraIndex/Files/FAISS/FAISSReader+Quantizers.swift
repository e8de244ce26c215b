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

  /// Reads a RaBitQ quantizer, of more than one bit where the name says so.
  mutating func rabitq(_ header: FAISSHeader) throws(TesseraError) -> FAISSRaBitQ {
    guard try source.number("the quantizer's dimension") == header.dimension else {
      throw source.malformed(
        "the quantizer's dimension is not that of the index, \(header.dimension)")
    }
    let size = try source.number("the size of a code")
    guard try source.integer(Int32.self, "the metric") == FAISSHeader.number(of: header.metric)
    else {
      throw source.malformed("the quantizer's metric is not that of the index")
    }
    let bits =
      header.name.hasSuffix("r") ? try source.number("the bits of a number", in: 1...9) : 1
    let quantizer = FAISSRaBitQ(
      dimension: header.dimension, bits: bits, metric: header.metric)
    guard size == quantizer.codeByteCount else {
      throw source.malformed("codes are of \(size) bytes, not \(quantizer.codeByteCount)")
    }
    return quantizer
  }

  mutating func queryBits() throws(TesseraError) -> UInt8 {
    let bits = try source.integer(UInt8.self, "the bits of queries")
    guard bits <= 8 else {
      throw source.malformed("queries have \(bits) bits, more than 8", at: source.offset - 1)
    }
    return bits
  }
}
