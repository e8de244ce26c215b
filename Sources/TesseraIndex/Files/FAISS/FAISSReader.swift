internal import TesseraCompute
internal import TesseraHost

/// Reads the parts of a FAISS file. The layouts are those that faiss-cpu 1.15.1 writes; the format has
/// no version of its own.
struct FAISSReader: ~Copyable {
  var source: FAISSSource

  /// Reads the whole file.
  ///
  /// - Throws: `.malformedFile`, and `.unsupported` for parts that Tessera has no word for.
  static func read(_ file: MappedFile) throws(TesseraError) -> FAISSPart {
    var reader = FAISSReader(source: FAISSSource(file))
    let part = try reader.part(depth: 0)
    guard reader.source.rest == 0 else {
      throw reader.source.malformed("\(reader.source.rest) bytes follow the index")
    }
    return part
  }

  private init(source: consuming FAISSSource) { self.source = source }

  /// The most indexes inside each other; FAISS's own are at most four.
  private static let deepest = 8

  private mutating func part(depth: Int) throws(TesseraError) -> FAISSPart {
    guard depth < Self.deepest else {
      throw source.malformed("more than \(Self.deepest) indexes lie inside each other")
    }
    let name = try source.name("the name of an index")
    switch name {
    case "IBxF": return .flat(try bits())
    case "IxF2", "IxFI", "IxFl": return .flat(try flat(name))
    case "IxSQ", "IxPq", "Ixrq", "Ixrr": return .codes(try codes(name))
    case "IPfs": return .codes(try fastScan())
    case "IwFl", "IwSq", "IwPQ", "IwPf", "Iwrq", "Iwrr", "IBwF":
      return .lists(try lists(name, depth))
    case "IxMp", "IxM2", "IBMp", "IBM2":
      let header = try header(name)
      let inner = try part(depth: depth + 1)
      let ids = try source.values(Int64.self, "ids")
      guard ids.count == header.count, inner.header.count == header.count else {
        throw source.malformed("there are \(ids.count) ids for \(header.count) rows")
      }
      try requireAlike(header, inner.header)
      return .idMap(header, ids, of: inner)
    case "IxPT": return try transformed(depth)
    case "IxRF":
      let header = try header(name)
      let base = try part(depth: depth + 1)
      let rows = try part(depth: depth + 1)
      let factor = try source.float("the refine factor")
      try requireAlike(header, base.header)
      try requireAlike(header, rows.header)
      guard base.header.count == header.count, rows.header.count == header.count else {
        throw source.malformed("a refined index has parts of different row counts")
      }
      return .refined(header, base, by: rows, factor: factor)
    default:
      guard let reason = FAISSReader.reason(name) else {
        throw source.malformed(
          "\"\(name.printable)\" is not the name of a FAISS index", at: source.offset - 4)
      }
      throw source.unsupported("\(name), \(reason)")
    }
  }

  private mutating func transformed(_ depth: Int) throws(TesseraError) -> FAISSPart {
    let header = try header("IxPT")
    let count = try source.integer(Int32.self, "the number of transforms")
    guard (0...Int32(Self.deepest)).contains(count) else {
      throw source.malformed("there are \(count) transforms, more than \(Self.deepest)")
    }
    var chain: [FAISSTransform] = []
    var dimension = header.dimension
    for _ in 0..<count {
      let next = try transform()
      guard next.inputs == dimension else {
        throw source.malformed(
          "\(next.name) changes \(next.inputs) dimensions, and gets \(dimension)")
      }
      dimension = next.outputs
      chain.append(next)
    }
    let inner = try part(depth: depth + 1)
    var outer = header
    outer.dimension = dimension
    try requireAlike(outer, inner.header)
    guard inner.header.count == header.count else {
      throw source.malformed(
        "there are \(inner.header.count) changed rows for \(header.count) rows")
    }
    return .transformed(header, chain, inner)
  }

  private func requireAlike(
    _ outer: FAISSHeader, _ inner: FAISSHeader
  ) throws(TesseraError) {
    guard outer.dimension == inner.dimension, outer.metric == inner.metric,
      outer.isOfBits == inner.isOfBits
    else {
      throw source.unsupported(
        "\(outer.name) and \(inner.name) inside it have different dimensions or metrics; build the "
          + "index of parts that are alike")
    }
  }

  mutating func header(_ name: String) throws(TesseraError) -> FAISSHeader {
    if name.hasPrefix("IB") { return try bitHeader(name) }
    let dimension = Int(try source.integer(Int32.self, "the dimension"))
    // FAISS reads no more either.
    guard (1...1 << 20).contains(dimension) else {
      throw source.malformed("the dimension is \(dimension), outside 1 to \(1 << 20)")
    }
    let count = try source.number("the number of rows", in: 0...Int(Int32.max))
    let reserved = [
      try source.integer(Int64.self, "the header"), try source.integer(Int64.self, "the header"),
    ]
    let isTrained = try source.flag("whether the index is trained")
    let number = try source.integer(Int32.self, "the metric")
    guard let metric = Metric.allCases.first(where: { FAISSHeader.number(of: $0) == number })
    else {
      guard (0...50).contains(number) else {
        throw source.malformed("\(number) is not a metric", at: source.offset - 4)
      }
      throw source.unsupported(
        "\(name) compares by FAISS's metric \(number); Tessera reads METRIC_INNER_PRODUCT and "
          + "METRIC_L2, build the index with one of these")
    }
    guard isTrained else {
      throw source.unsupported("\(name) is not trained; train it, add rows and write it again")
    }
    return FAISSHeader(
      name: name, dimension: dimension, count: count, reserved: reserved, isTrained: isTrained,
      metric: metric)
  }

  /// Reads the header of an index of rows of bits.
  private mutating func bitHeader(_ name: String) throws(TesseraError) -> FAISSHeader {
    let bits = Int(try source.integer(Int32.self, "the number of bits"))
    let bytes = Int(try source.integer(Int32.self, "the bytes of a row"))
    guard (8...1 << 20).contains(bits), bits == 8 * bytes else {
      throw source.malformed("rows have \(bits) bits in \(bytes) bytes", at: source.offset - 8)
    }
    let count = try source.number("the number of rows", in: 0...Int(Int32.max))
    let isTrained = try source.flag("whether the index is trained")
    // FAISS compares bits by Hamming distances, whatever stands here; it writes METRIC_L2.
    let metric = try source.integer(Int32.self, "the metric")
    guard metric == 1 else {
      throw source.malformed("\(metric) is not the metric of rows of bits", at: source.offset - 4)
    }
    guard isTrained else {
      throw source.unsupported("\(name) is not trained; train it, add rows and write it again")
    }
    return FAISSHeader(name: name, dimension: bytes, count: count, metric: .squaredL2)
  }

  private mutating func bits() throws(TesseraError) -> FAISSFlat {
    let header = try header("IBxF")
    let size = try source.number("the count of bytes")
    let place = try source.skip(size, of: 1, "rows")
    guard size == header.count * header.dimension else {
      throw source.malformed(
        "there are \(size) bytes for \(header.count) x \(header.dimension)")
    }
    return FAISSFlat(
      header: header, rows: try source.rows([place], .uint8, dimension: header.dimension))
  }

  private mutating func flat(_ name: String) throws(TesseraError) -> FAISSFlat {
    let header = try header(name)
    let size = try source.number("the count of numbers")
    let place = try source.skip(size, of: 4, "rows")
    guard size == header.count * header.dimension else {
      throw source.malformed(
        "there are \(size) numbers for \(header.count) x \(header.dimension)")
    }
    return FAISSFlat(
      header: header,
      rows: try source.rows([place], .float32, dimension: header.dimension))
  }

  private mutating func codes(_ name: String) throws(TesseraError) -> FAISSCodes {
    let header = try header(name)
    var coder: FAISSCoder
    let width: Int
    switch name {
    case "IxSQ":
      let quantizer = try scalarQuantizer(header.dimension)
      (coder, width) = (.scalar(quantizer), quantizer.codeByteCount)
    case "IxPq":
      let quantizer = try productQuantizer(header.dimension)
      (coder, width) = (.product(quantizer), quantizer.codeByteCount)
    default:
      let quantizer = try rabitq(header)
      (coder, width) = (.rabitq(quantizer), quantizer.codeByteCount)
    }
    let size = try source.number("the count of bytes of codes")
    let place = try source.skip(size, of: 1, "codes")
    guard size == header.count * width else {
      throw source.malformed("there are \(size) bytes for \(header.count) codes of \(width)")
    }
    let codes = try source.rows([place], .uint8, dimension: width)
    if case .rabitq(var quantizer) = coder {
      quantizer.center = try source.values(Float.self, "the center")
      guard quantizer.center.count == header.dimension,
        quantizer.center.allSatisfy(\.isFinite)
      else {
        throw source.malformed("the center has not \(header.dimension) numbers")
      }
      quantizer.queryBits = try queryBits()
      coder = .rabitq(quantizer)
    }
    guard name == "IxPq" else { return FAISSCodes(header: header, coder: coder, codes: codes) }
    let search = FAISSCodes.ProductSearch(
      type: try source.integer(Int32.self, "the search type"),
      encodesSigns: try source.flag("whether signs are encoded"),
      hammingThreshold: try source.integer(Int32.self, "the Hamming threshold"))
    guard !search.encodesSigns else {
      throw source.unsupported("IxPq keeps signs in its codes; build it without encode_signs")
    }
    return FAISSCodes(header: header, coder: coder, codes: codes, productSearch: search)
  }

  // MARK: Lists

  private mutating func lists(_ name: String, _ depth: Int) throws(TesseraError) -> FAISSLists {
    let header = try header(name)
    let count = try source.number("the number of lists", in: 1...Int(Int32.max))
    let probes = try source.number("the number of probes")
    let coarse = try part(depth: depth + 1)
    guard case .flat = coarse else {
      throw source.unsupported(
        "\(coarse.header.name) finds the lists of \(name); Tessera needs all centroids in an "
          + "IndexFlat: build the index with one")
    }
    try requireAlike(header, coarse.header)
    guard coarse.header.count == count else {
      throw source.malformed("there are \(coarse.header.count) centroids for \(count) lists")
    }
    let directMap = try directMap()
    var codesResiduals = false
    let coder: FAISSCoder
    let width: Int
    var fastScan: FAISSFastScan?
    switch name {
    case "IwPf":
      codesResiduals = try source.flag("whether residuals are coded")
      let size = try source.number("the size of a code")
      let scan = try fastScanHead()
      let quantizer = try productQuantizer(header.dimension)
      (coder, width) = (.product(quantizer), quantizer.codeByteCount)
      try require(scan, of: quantizer)
      guard size == width else {
        throw source.malformed("codes are of \(size) bytes, not \(width)")
      }
      fastScan = scan
    case "IwSq":
      let quantizer = try scalarQuantizer(header.dimension)
      (coder, width) = (.scalar(quantizer), quantizer.codeByteCount)
      try requireCodeSize(width)
      codesResiduals = try source.flag("whether residuals are coded")
    case "IwPQ":
      codesResiduals = try source.flag("whether residuals are coded")
      let size = try source.number("the size of a code")
      let quantizer = try productQuantizer(header.dimension)
      (coder, width) = (.product(quantizer), quantizer.codeByteCount)
      guard size == width else {
        throw source.malformed("codes are of \(size) bytes, not \(width)")
      }
    case "Iwrq", "Iwrr":
      var quantizer = try rabitq(header)
      width = quantizer.codeByteCount
      try requireCodeSize(width)
      codesResiduals = try source.flag("whether residuals are coded")
      quantizer.queryBits = try queryBits()
      coder = .rabitq(quantizer)
    case "IBwF": (coder, width) = (.bits, header.dimension)
    default: (coder, width) = (.rows, 4 * header.dimension)
    }
    if let fastScan, case .product(let quantizer) = coder {
      let (sizes, ids, codes, scan) = try blockLists(count, quantizer, fastScan)
      guard ids.count == header.count else {
        throw source.malformed("the lists hold \(ids.count) rows, the header says \(header.count)")
      }
      return FAISSLists(
        header: header, probes: probes, coarse: coarse, directMap: directMap, coder: coder,
        codesResiduals: codesResiduals, sizes: sizes, hasSparseSizes: false, ids: ids,
        rows: codes, fastScan: scan)
    }
    let (sizes, isSparse) = try sizes(of: count, width)
    var ids: [Int64] = []
    var places: [Range<Int>] = []
    for size in sizes where size > 0 {
      places.append(try source.skip(size, of: width, "a list"))
      ids += try source.values(Int64.self, size, "ids of a list")
    }
    guard ids.count == header.count else {
      throw source.malformed("the lists hold \(ids.count) rows, the header says \(header.count)")
    }
    let keepsRows = if case .rows = coder { true } else { false }
    return FAISSLists(
      header: header, probes: probes, coarse: coarse, directMap: directMap, coder: coder,
      codesResiduals: codesResiduals, sizes: sizes, hasSparseSizes: isSparse, ids: ids,
      rows: try source.rows(
        places, keepsRows ? .float32 : .uint8, dimension: keepsRows ? header.dimension : width))
  }

  private mutating func directMap() throws(TesseraError) -> FAISSLists.DirectMap {
    let type = try source.integer(UInt8.self, "the type of the direct map")
    guard type <= 2 else {
      throw source.malformed("\(type) is not the type of a direct map", at: source.offset - 1)
    }
    let rows = try source.values(Int64.self, "places of rows")
    guard type == 2 else { return FAISSLists.DirectMap(type: type, rows: rows) }
    let count = try source.number("the count of places", in: 0...Int(Int32.max))
    return FAISSLists.DirectMap(
      type: type, rows: rows,
      entries: try source.values(Int64.self, 2 * count, "places of ids"))
  }

  /// Reads the head of `ilar`: how many rows each list has.
  private mutating func sizes(
    of count: Int, _ width: Int
  ) throws(TesseraError) -> ([Int], isSparse: Bool) {
    let name = try source.name("the name of the lists")
    guard name == "ilar" else {
      guard ["il00", "ilod", "ilbl", "ilp2"].contains(name) else {
        throw source.malformed("\(name.printable) is not the name of lists", at: source.offset - 4)
      }
      throw source.unsupported(
        "\(name) keeps lists elsewhere or packed; move them with "
          + "faiss.ArrayInvertedLists and replace_invlists, and write the index again")
    }
    let listCount = try source.number("the number of lists")
    guard listCount == count else {
      throw source.malformed("there are \(listCount) lists, the index has \(count)")
    }
    try requireCodeSize(width)
    let form = try source.name("the form of list sizes")
    let numbers: [UInt64]
    var sizes = [Int](repeating: 0, count: count)
    switch form {
    case "full":
      numbers = try source.values(UInt64.self, "list sizes")
      guard numbers.count == count else {
        throw source.malformed("there are \(numbers.count) sizes for \(count) lists")
      }
      for (list, size) in numbers.enumerated() { sizes[list] = try listSize(size) }
    case "sprs":
      numbers = try source.values(UInt64.self, "list sizes")
      guard numbers.count % 2 == 0 else { throw source.malformed("a list has no size") }
      var next: UInt64 = 0
      for pair in stride(from: 0, to: numbers.count, by: 2) {
        let list = numbers[pair]
        guard list >= next, list < UInt64(count) else {
          throw source.malformed("list \(list) is not one of \(count), or out of order")
        }
        sizes[Int(list)] = try listSize(numbers[pair + 1])
        next = list + 1
      }
    default:
      throw source.malformed(
        "list sizes are \(form.printable), not full or sprs", at: source.offset - 4)
    }
    return (sizes, form == "sprs")
  }

  private func listSize(_ size: UInt64) throws(TesseraError) -> Int {
    guard size <= UInt64(source.rest) else {
      throw source.malformed("a list of \(size) rows is longer than the file")
    }
    return Int(size)
  }

  mutating func requireCodeSize(_ width: Int) throws(TesseraError) {
    let size = try source.number("the size of a code")
    guard size == width else { throw source.malformed("codes are of \(size) bytes, not \(width)") }
  }
}
