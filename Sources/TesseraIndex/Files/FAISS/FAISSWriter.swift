internal import TesseraCompute
internal import TesseraHost

/// Writes the parts of a FAISS file, in the layouts that ``FAISSReader`` reads.
struct FAISSWriter: ~Copyable {
  private var sink: FAISSSink

  /// Writes the whole file, and leaves the commit to the file's owner.
  static func write(_ part: FAISSPart, into file: AtomicFile) throws(TesseraError) {
    var writer = FAISSWriter(sink: FAISSSink(file))
    try writer.write(part)
    try writer.finish()
  }

  private init(sink: consuming FAISSSink) { self.sink = sink }

  private consuming func finish() throws(TesseraError) { try sink.finish() }

  private mutating func write(_ part: FAISSPart) throws(TesseraError) {
    let header = part.header
    try sink.name(header.name)
    if header.isOfBits { try sink.integer(Int32(8 * header.dimension)) }
    try sink.integer(Int32(header.dimension))
    try sink.number(header.count)
    if !header.isOfBits {
      for number in header.reserved { try sink.integer(number) }
    }
    try sink.flag(header.isTrained)
    guard let metric = FAISSHeader.number(of: header.metric) else {
      throw TesseraError(
        .unsupported, "FAISS has no metric \"\(header.metric.rawValue)\" in its files")
    }
    try sink.integer(metric)
    switch part {
    case .flat(let flat):
      try sink.number(flat.rows.count * flat.rows.dimension)
      try header.isOfBits ? sink.bytes(flat.rows) : sink.float32(flat.rows)
    case .codes(let codes): try write(codes)
    case .lists(let lists): try write(lists)
    case .idMap(_, let ids, let inner):
      try write(inner)
      try sink.integers(ids)
    case .transformed(_, let chain, let inner):
      try sink.integer(Int32(chain.count))
      for transform in chain { try write(transform) }
      try write(inner)
    case .refined(_, let base, let rows, let factor):
      try write(base)
      try write(rows)
      try sink.float(factor)
    }
  }

  private mutating func write(_ transform: FAISSTransform) throws(TesseraError) {
    try sink.name(transform.name)
    switch transform.kind {
    case .linear(let matrix, let bias, let axes):
      if let axes {
        try sink.float(axes.eigenPower)
        try sink.float(axes.epsilon)
        try sink.flag(axes.isRotated)
        try sink.integer(axes.balancedBins)
        try sink.floats(axes.mean)
        try sink.floats(axes.eigenvalues)
        try sink.floats(axes.axes)
      }
      try sink.flag(bias != nil)
      try sink.floats(matrix)
      try sink.floats(bias ?? [])
    case .unitLength(let order): try sink.float(order)
    case .center(let mean): try sink.floats(mean)
    }
    try sink.integer(Int32(transform.inputs))
    try sink.integer(Int32(transform.outputs))
    try sink.flag(true)
  }

  private mutating func write(_ codes: FAISSCodes) throws(TesseraError) {
    try write(codes.coder, codes.header)
    if let scan = codes.fastScan {
      let count = (codes.header.count + 31) / FAISSFastScan.blockSize * FAISSFastScan.blockSize
      try sink.integer(scan.implementation)
      try sink.integer(Int32(FAISSFastScan.blockSize))
      try sink.integer(Int32(scan.queryBlock))
      try sink.number(count)
      try sink.number(scan.paddedSubspaces)
      try sink.number(scan.blocks.reduce(0) { $0 + $1.byteCount })
      for blocks in scan.blocks { try sink.bytes(blocks) }
      return
    }
    try sink.number(codes.codes.byteCount)
    try sink.bytes(codes.codes)
    if case .rabitq(let quantizer) = codes.coder {
      try sink.floats(quantizer.center)
      try sink.integer(quantizer.queryBits)
    }
    guard let search = codes.productSearch else { return }
    try sink.integer(search.type)
    try sink.flag(search.encodesSigns)
    try sink.integer(search.hammingThreshold)
  }

  private mutating func write(
    _ coder: FAISSCoder, _ header: FAISSHeader
  ) throws(TesseraError) {
    switch coder {
    case .rows, .bits: break
    case .scalar(let quantizer):
      try sink.integer(quantizer.type)
      try sink.integer(quantizer.rangeStatistic)
      try sink.float(quantizer.rangeArgument)
      try sink.number(quantizer.dimension)
      try sink.number(quantizer.codeByteCount)
      try sink.floats(quantizer.trained)
    case .product(let quantizer):
      try sink.number(quantizer.dimension)
      try sink.number(quantizer.subspaceCount)
      try sink.number(quantizer.bits)
      try sink.floats(quantizer.centroids)
    case .rabitq(let quantizer):
      try sink.number(quantizer.dimension)
      try sink.number(quantizer.codeByteCount)
      try sink.integer(FAISSHeader.number(of: quantizer.metric) ?? 0)
      if header.name.hasSuffix("r") { try sink.number(quantizer.bits) }
    }
  }

  private mutating func write(_ lists: FAISSLists) throws(TesseraError) {
    try sink.number(lists.sizes.count)
    try sink.number(lists.probes)
    try write(lists.coarse)
    try sink.integer(lists.directMap.type)
    try sink.integers(lists.directMap.rows)
    if lists.directMap.type == 2 {
      try sink.number(lists.directMap.entries.count / 2)
      try sink.integers(lists.directMap.entries, counted: false)
    }
    if let scan = lists.fastScan { return try write(scan, lists) }
    let width: Int
    switch lists.coder {
    case .rows: width = 4 * lists.header.dimension
    case .bits: width = lists.header.dimension
    case .scalar(let quantizer):
      width = quantizer.codeByteCount
      try write(lists.coder, lists.header)
      try sink.number(width)
      try sink.flag(lists.codesResiduals)
    case .product(let quantizer):
      width = quantizer.codeByteCount
      try sink.flag(lists.codesResiduals)
      try sink.number(width)
      try write(lists.coder, lists.header)
    case .rabitq(let quantizer):
      width = quantizer.codeByteCount
      try write(lists.coder, lists.header)
      try sink.number(width)
      try sink.flag(lists.codesResiduals)
      try sink.integer(quantizer.queryBits)
    }
    try sink.name("ilar")
    try sink.number(lists.sizes.count)
    try sink.number(width)
    try writeSizes(lists)
    var first = 0
    for size in lists.sizes where size > 0 {
      let own = first..<first + size
      if case .rows = lists.coder {
        try sink.float32(lists.rows.rows(own))
      } else {
        try sink.bytes(lists.rows.rows(own))
      }
      try sink.integers(lists.ids[own], counted: false)
      first += size
    }
  }

  private mutating func write(
    _ scan: FAISSFastScan, _ lists: FAISSLists
  ) throws(TesseraError) {
    try sink.flag(lists.codesResiduals)
    try sink.number(lists.rows.dimension)
    try sink.integer(Int32(FAISSFastScan.blockSize))
    try sink.number(scan.paddedSubspaces)
    try sink.integer(scan.implementation)
    try sink.number(scan.queryBlock)
    try write(lists.coder, lists.header)
    try sink.name("ilbl")
    try sink.number(lists.sizes.count)
    try sink.integer(UInt64.max)
    try sink.number(FAISSFastScan.blockSize)
    try sink.number(16 * scan.paddedSubspaces)
    var first = 0
    for (size, blocks) in zip(lists.sizes, scan.blocks) {
      try sink.integers(lists.ids[first..<first + size])
      try sink.number(blocks.byteCount)
      try sink.bytes(blocks)
      first += size
    }
  }

  private mutating func writeSizes(_ lists: FAISSLists) throws(TesseraError) {
    guard lists.hasSparseSizes else {
      try sink.name("full")
      try sink.number(lists.sizes.count)
      for size in lists.sizes { try sink.number(size) }
      return
    }
    try sink.name("sprs")
    try sink.number(2 * lists.sizes.count { $0 > 0 })
    for (list, size) in lists.sizes.enumerated() where size > 0 {
      try sink.number(list)
      try sink.number(size)
    }
  }
}
