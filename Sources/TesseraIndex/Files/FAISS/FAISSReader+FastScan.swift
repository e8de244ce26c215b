internal import TesseraCompute
internal import TesseraHost

extension FAISSReader {
  /// Reads `IPfs`.
  mutating func fastScan() throws(TesseraError) -> FAISSCodes {
    let header = try header("IPfs")
    let quantizer = try productQuantizer(header.dimension)
    let implementation = try source.integer(Int32.self, "the implementation")
    try requireBlockSize()
    let queryBlock = Int(try source.integer(Int32.self, "the block of queries"))
    let padded = try source.number("the padded count")
    let scan = FAISSFastScan(
      implementation: implementation, queryBlock: queryBlock,
      paddedSubspaces: try source.number("the padded subspaces"), blocks: [])
    try require(scan, of: quantizer)
    let size = FAISSFastScan.byteCount(header.count, subspaces: quantizer.subspaceCount)
    let held = try source.number("the count of bytes of codes")
    let place = try source.skip(held, of: 1, "codes")
    guard held == size, padded == (header.count + 31) / 32 * 32 else {
      throw source.malformed("there are \(held) bytes for \(header.count) codes in blocks of 32")
    }
    let (codes, blocks) = try unpacked([(place, header.count)], quantizer)
    var whole = scan
    whole.blocks = blocks
    return FAISSCodes(
      header: header, coder: .product(quantizer), codes: codes, fastScan: whole)
  }

  /// Reads what `IwPf` has before its quantizer.
  mutating func fastScanHead() throws(TesseraError) -> FAISSFastScan {
    try requireBlockSize()
    let subspaces = try source.number("the padded subspaces")
    return FAISSFastScan(
      implementation: try source.integer(Int32.self, "the implementation"),
      queryBlock: try source.number("the block of queries"), paddedSubspaces: subspaces,
      blocks: [])
  }

  private mutating func requireBlockSize() throws(TesseraError) {
    let size = try source.integer(Int32.self, "the block size")
    guard size == FAISSFastScan.blockSize else {
      throw source.unsupported(
        "codes are packed in blocks of \(size); build the index with bbs = 32, as FAISS does by default"
      )
    }
  }

  func require(
    _ scan: FAISSFastScan, of quantizer: FAISSProductQuantizer
  ) throws(TesseraError) {
    guard quantizer.bits == 4, scan.paddedSubspaces == (quantizer.subspaceCount + 1) / 2 * 2 else {
      throw source.malformed(
        "a fast scan of \(scan.paddedSubspaces) subspaces of \(quantizer.bits) bits does not fit its "
          + "quantizer")
    }
  }

  /// Reads `ilbl`: lists of blocks.
  mutating func blockLists(
    _ count: Int, _ quantizer: FAISSProductQuantizer, _ scan: FAISSFastScan
  ) throws(TesseraError) -> ([Int], [Int64], Vectors, FAISSFastScan) {
    let name = try source.name("the name of the lists")
    guard name == "ilbl" else {
      throw source.unsupported("\(name.printable) keeps the lists of a fast scan; ilbl is read")
    }
    let blockBytes = 16 * scan.paddedSubspaces
    let listCount = try source.number("the number of lists")
    let width = try source.integer(UInt64.self, "the size of a code")
    let perBlock = try source.number("codes of a block")
    let size = try source.number("the size of a block")
    guard listCount == count, width == .max, perBlock == FAISSFastScan.blockSize,
      size == blockBytes
    else {
      throw source.malformed("\(listCount) lists of blocks of \(size) bytes do not fit the index")
    }
    var sizes: [Int] = []
    var ids: [Int64] = []
    var places: [(Range<Int>, Int)] = []
    for _ in 0..<count {
      let own = try source.values(Int64.self, "ids of a list")
      let bytes = try source.number("the bytes of a list")
      guard bytes == FAISSFastScan.byteCount(own.count, subspaces: quantizer.subspaceCount) else {
        throw source.malformed("there are \(bytes) bytes for \(own.count) codes in blocks of 32")
      }
      places.append((try source.skip(bytes, of: 1, "a list"), own.count))
      sizes.append(own.count)
      ids += own
    }
    let (codes, blocks) = try unpacked(places, quantizer)
    var whole = scan
    whole.blocks = blocks
    return (sizes, ids, codes, whole)
  }

  private func unpacked(
    _ places: [(Range<Int>, Int)], _ quantizer: FAISSProductQuantizer
  ) throws(TesseraError) -> (Vectors, [Vectors]) {
    var codes: [UInt8] = []
    var blocks: [Vectors] = []
    for (place, count) in places {
      let bytes = try source.rows([place], .uint8, dimension: FAISSFastScan.blockSize)
      codes += FAISSFastScan.unpack(
        bytes.bytes.span, count: count, subspaces: quantizer.subspaceCount)
      blocks.append(bytes)
    }
    let width = quantizer.codeByteCount
    return (
      try Vectors(
        HostMemory(copying: codes), element: .uint8, count: codes.count / width, dimension: width),
      blocks
    )
  }
}
