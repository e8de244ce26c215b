internal import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

extension FAISSPart {
  /// Makes the parts that an index is in FAISS.
  ///
  /// - Parameter probes: The lists that FAISS looks at where it is not told otherwise.
  /// - Throws: `.unsupported` for what FAISS has no part for.
  init(_ index: Index, probes: Int) throws(TesseraError) {
    guard index.bits != .jaccard else {
      throw Self.unsupported(
        "FAISS compares bits by Hamming distances only; build the index with --metric hamming")
    }
    guard FAISSHeader.number(of: index.metric) != nil else {
      throw Self.unsupported(
        "FAISS has no cosine; scale the rows to unit length, build the index with --metric ip, and "
          + "scale queries alike")
    }
    let ids = index.lists.ids
    // Rows that are looked up by their number need the numbers 0, 1, 2 and so on inside.
    let refines = index.originals != nil
    let numbersRows = index.coarse == nil || refines
    let isNumbered = index.coarse == nil ? ids.first == 0 || ids.count == 0 : ids.areRowNumbers
    let inner = numbersRows && !isNumbered ? IDMap.consecutive(count: ids.count) : ids
    var part = try Self.base(index, ids: inner, probes: probes)
    var chain = index.transforms.map(FAISSTransform.init)
    if case .codes(_, let quantizer as RaBitQ) = index.content,
      let matrix = quantizer.rotationMatrix
    {
      // FAISS's codes are of rows that are rotated already.
      chain.append(
        FAISSTransform(
          name: "rrot", kind: .linear(matrix: matrix, bias: nil, nil),
          inputs: quantizer.dimension, outputs: quantizer.dimension))
    }
    if !chain.isEmpty { part = .transformed(Self.header("IxPT", index), chain, part) }
    if let originals = index.originals {
      let rows =
        try inner.ranks == nil
        ? originals : originals.gathered(inner.rowsByRank().lazy.map { Int($0) })
      part = .refined(
        Self.header("IxRF", index), part,
        by: .flat(FAISSFlat(header: Self.flatHeader(index.metric, rows), rows: rows)),
        factor: Float(IndexSearch.Options().refineFactor))
    }
    if numbersRows, !isNumbered {
      part = .idMap(
        Self.header(index.bits == nil ? "IxMp" : "IBMp", index), (0..<ids.count).map { ids[$0] },
        of: part)
    }
    self = part
  }

  /// The header of what takes rows as they were given.
  private static func header(_ name: String, _ index: Index) -> FAISSHeader {
    FAISSHeader(
      name: name, dimension: index.dimension, count: index.count, metric: index.metric)
  }

  /// The header of what takes transformed rows.
  private static func innerHeader(_ name: String, _ index: Index) -> FAISSHeader {
    var header = header(name, index)
    if index.bits == nil { header.dimension = index.keptDimension }
    return header
  }

  private static func flatHeader(
    _ metric: Metric, _ rows: Vectors, ofBits: Bool = false
  ) -> FAISSHeader {
    FAISSHeader(
      name: ofBits ? "IBxF" : metric == .innerProduct ? "IxFI" : "IxF2", dimension: rows.dimension,
      count: rows.count, metric: metric)
  }

  private static func base(
    _ index: Index, ids: IDMap, probes: Int
  ) throws(TesseraError) -> FAISSPart {
    let (coder, rows) = try FAISSCoder.made(of: index)
    guard let coarse = index.coarse else {
      switch coder {
      case .rows, .bits:
        return .flat(
          FAISSFlat(
            header: flatHeader(index.metric, rows, ofBits: index.bits != nil), rows: rows))
      case .scalar:
        return .codes(FAISSCodes(header: innerHeader("IxSQ", index), coder: coder, codes: rows))
      case .product(let quantizer):
        // As FAISS sets it: beyond the bits of a code, so that no code is left out.
        let search = FAISSCodes.ProductSearch(
          hammingThreshold: Int32(quantizer.bits * quantizer.subspaceCount + 1))
        return .codes(
          FAISSCodes(
            header: innerHeader("IxPq", index), coder: coder, codes: rows, productSearch: search))
      case .rabitq(let quantizer):
        return .codes(
          FAISSCodes(
            header: innerHeader(quantizer.bits == 1 ? "Ixrq" : "Ixrr", index), coder: coder,
            codes: rows))
      }
    }
    let name =
      switch coder {
      case .rows: "IwFl"
      case .bits: "IBwF"
      case .scalar: "IwSq"
      case .product: "IwPQ"
      case .rabitq(let quantizer): quantizer.bits == 1 ? "Iwrq" : "Iwrr"
      }
    let sizes = (0..<index.listCount).map { index.lists[$0].count }
    let residuals =
      switch coder {
      case .rows, .bits: false
      case .scalar, .product, .rabitq: true
      }
    let centroids = try Self.centroids(coarse.centroids, of: index)
    return .lists(
      FAISSLists(
        header: innerHeader(name, index), probes: probes,
        coarse: .flat(
          FAISSFlat(
            header: flatHeader(index.metric, centroids, ofBits: index.bits != nil),
            rows: centroids)),
        coder: coder, codesResiduals: residuals, sizes: sizes,
        // FAISS's rule.
        hasSparseSizes: sizes.count { $0 > 0 } <= sizes.count / 2,
        ids: (0..<ids.count).map { ids[$0] }, rows: rows))
  }

  /// The centroids as FAISS compares them with rows: of bits packed, of rotated codes rotated.
  private static func centroids(
    _ centroids: Vectors, of index: Index
  ) throws(TesseraError) -> Vectors {
    if index.bits != nil { return try centroids.packedBits() }
    guard case .codes(_, let quantizer as RaBitQ) = index.content else { return centroids }
    return try Vectors(
      (0..<centroids.count).flatMap { quantizer.rotated(centroids.row($0)) },
      dimension: centroids.dimension)
  }
}

extension FAISSCoder {
  /// The coder of an index, and the rows or the bytes of codes that it keeps.
  static func made(of index: Index) throws(TesseraError) -> (FAISSCoder, Vectors) {
    let bytes: Vectors
    let quantizer: any Quantizer
    switch index.content {
    case .rows(let rows): return (.rows, rows)
    case .bits(let rows):
      let bytes = HostMemory(copying: rows.vectors.packedBytes())
      return (
        .bits,
        try Vectors(
          bytes, element: .uint8, count: rows.vectors.count, dimension: rows.vectors.dimension)
      )
    case .codes(let own, let kept): (bytes, quantizer) = (try own.vectors(), kept)
    }
    switch quantizer {
    case let quantizer as ScalarQuantizer:
      return (
        .scalar(
          FAISSScalarQuantizer(
            type: FAISSScalarForm(quantizer.scalarKind).rawValue, dimension: quantizer.dimension,
            codeByteCount: quantizer.codeByteCount,
            trained: quantizer.minimums + quantizer.ranges)), bytes
      )
    case let quantizer as ProductQuantizer:
      let (subspaces, dimension) = (quantizer.subspaceCount, quantizer.dimension)
      guard dimension % subspaces == 0 else {
        throw FAISSPart.unsupported(
          "\(quantizer.specification) cuts \(dimension) dimensions unevenly, which FAISS does not do; "
            + "build the index with a number of subspaces that divides them")
      }
      return (
        .product(
          FAISSProductQuantizer(
            dimension: dimension, subspaceCount: subspaces, bits: quantizer.bits,
            centroids: quantizer.codewords)), bytes
      )
    case let quantizer as RaBitQ:
      guard index.coarse == nil || quantizer.knowsCentroids else {
        throw FAISSPart.unsupported(
          "the RaBitQ codes of an earlier version do not know their centroids; build the index again"
        )
      }
      let own = FAISSRaBitQ(quantizer, metric: index.metric, inLists: index.coarse != nil)
      let middles = index.coarse.map { coarse in
        (0..<index.listCount).map {
          (rows: index.lists[$0].count, squares: coarse.centroids.row($0).squaredLength)
        }
      }
      let codes = try Codes(bytes.bytes, byteCount: bytes.dimension)
      return (.rabitq(own), try own.bytes(of: codes, quantizer, around: middles))
    default:
      throw FAISSPart.unsupported(
        "codes of \(quantizer.specification) are not written to FAISS files; Flat, SQ, PQ and RaBitQ "
          + "are")
    }
  }
}
