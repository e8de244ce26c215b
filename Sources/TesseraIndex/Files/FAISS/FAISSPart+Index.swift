internal import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

extension FAISSPart {
  /// Makes the index that a file's parts are together.
  ///
  /// - Throws: `.unsupported` for parts that do not fit together here.
  func index() throws(TesseraError) -> Index {
    var part = self
    var given: [Int64]?
    if case .idMap(_, let ids, let inner) = part {
      given = ids
      part = inner
    }
    var originals: Vectors?
    if case .refined(_, let base, let rows, _) = part {
      guard case .flat(let flat) = rows else {
        throw Self.unsupported(
          "\(rows.header.name) refines the hits of IxRF; Tessera refines by rows, build it with RFlat"
        )
      }
      originals = flat.rows
      part = base
    }
    var chain: [FAISSTransform] = []
    if case .transformed(_, let transforms, let inner) = part {
      chain = transforms
      part = inner
    }
    let surroundings = Surroundings(
      dimension: header.dimension, chain: chain, ids: given, originals: originals)
    switch part {
    case .flat(let flat):
      return try Self.index(
        flat.header, flat.header.isOfBits ? .bits : .rows, flat.rows, surroundings)
    case .codes(let codes):
      return try Self.index(codes.header, codes.coder, codes.codes, surroundings)
    case .lists(let lists): return try lists.index(surroundings)
    case .idMap, .transformed, .refined:
      throw Self.unsupported(
        "\(part.header.name) lies inside \(header.name); put the ids outside, then RFlat, then "
          + "transforms: IDMap(Refine(PreTransform(index)))")
    }
  }

  private static func index(
    _ header: FAISSHeader, _ coder: FAISSCoder, _ rows: Vectors, _ around: Surroundings
  ) throws(TesseraError) -> Index {
    let (content, kept) = try coder.content(rows)
    let map = try around.ids.map { ids throws(TesseraError) in try own(ids) }
    let transforms = try around.transforms(header.metric, before: coder)
    let specification = try around.specification(transforms, lists: nil, kept)
    return Index(
      specification, metric: header.metric, dimension: around.dimension, transforms: transforms,
      lists: RowLists(one: map ?? .consecutive(count: header.count)), coarse: nil,
      content: content, originals: specification.refines ? around.originals : nil)
  }

  static func unsupported(_ problem: String) -> TesseraError {
    TesseraError(.unsupported, problem)
  }

  /// The ids of rows, which FAISS lets several rows share.
  static func own(_ ids: [Int64]) throws(TesseraError) -> IDMap {
    do throws(TesseraError) {
      return try IDMap(ids)
    } catch {
      throw TesseraError(.unsupported, error.message)
    }
  }
}

/// What lies around rows, codes or lists.
struct Surroundings {
  /// Numbers of a row as it was given.
  let dimension: Int
  let chain: [FAISSTransform]
  /// The id of each row; nil where rows are numbered, or lists hold ids.
  let ids: [Int64]?
  /// The rows as they were given, by their numbers.
  let originals: Vectors?

  func transforms(
    _ metric: Metric, before coder: FAISSCoder
  ) throws(TesseraError) -> [Transform] {
    var all: [Transform] = []
    for next in chain { all += try next.transforms(metric, before: coder) }
    return all
  }

  /// The specification of the whole. Hits among rows as they were given are not scored again.
  func specification(
    _ transforms: [Transform], lists: Int?, _ kept: IndexSpecification.Content
  ) throws(TesseraError) -> IndexSpecification {
    let specification = IndexSpecification(
      transforms: transforms.map(\.recipe), listCount: lists, content: kept,
      refines: originals != nil
    ).canonical
    _ = try specification.keptDimension(of: dimension)
    return specification
  }
}

extension FAISSLists {
  func index(_ around: Surroundings) throws(TesseraError) -> Index {
    guard case .flat(let coarse) = coarse else {
      throw FAISSPart.unsupported("lists without centroids")
    }
    let (content, kept) = try keptContent(coarse)
    let transforms = try around.transforms(header.metric, before: coder)
    let specification = try around.specification(transforms, lists: sizes.count, kept)
    var map = try FAISSPart.own(ids)
    var order: [Int] = []
    if around.ids != nil || around.originals != nil {
      guard map.areRowNumbers else {
        throw FAISSPart.unsupported(
          "the lists of \(header.name) do not number their rows from 0, as the part around them needs; "
            + "give ids to the outermost part (IDMap), and write the index again")
      }
      order = ids.map { Int($0) }
    }
    if let given = around.ids { map = try FAISSPart.own(order.map { given[$0] }) }
    var starts = [0]
    for size in sizes { starts.append(starts[starts.count - 1] + size) }
    let originals = specification.refines ? around.originals : nil
    return Index(
      specification, metric: header.metric, dimension: around.dimension, transforms: transforms,
      lists: try RowLists(starts: starts, ids: map),
      coarse: CoarseLists(
        unmeasured: header.isOfBits ? try coarse.rows.expandedBits() : coarse.rows),
      content: content,
      originals: try originals.map { rows throws(TesseraError) in try rows.gathered(order) })
  }

  /// What the lists keep. Codes of whole rows are read where a code is a row of numbers as they are.
  private func keptContent(
    _ coarse: FAISSFlat
  ) throws(TesseraError) -> (Index.Content, IndexSpecification.Content) {
    guard case .scalar(let quantizer) = coder, let form = FAISSScalarForm(quantizer.type) else {
      if case .product = coder { try requireResiduals() }
      if case .rabitq(let quantizer) = coder {
        let (codes, own) = try quantizer.codes(rows, around: middles(of: coarse))
        return try FAISSCoder.content(codes, own)
      }
      return try coder.content(rows)
    }
    let element: ElementType?
    switch form {
    case .direct8: element = .uint8
    case .float16: element = .float16
    case .bfloat16: element = .bfloat16
    default: element = nil
    }
    if !codesResiduals, let element {
      return (.rows(try rows.reread(as: element, dimension: header.dimension)), .rows)
    }
    try requireResiduals()
    return try coder.content(rows)
  }

  /// The rows of each list, and the squared length of its centroid.
  private func middles(of coarse: FAISSFlat) -> [(rows: Int, squares: Double)] {
    sizes.enumerated().map { list, size in (size, coarse.rows.row(list).squaredLength) }
  }

  private func requireResiduals() throws(TesseraError) {
    guard !codesResiduals else { return }
    throw FAISSPart.unsupported(
      "\(header.name) keeps codes of whole rows (by_residual = False); Tessera's lists keep codes of "
        + "rows less their centroids: build the index with by_residual = True, which fast scans of FAISS "
        + "have under the name fsr (IVF<lists>,PQ<m>x4fsr)"
    )
  }
}

extension FAISSCoder {
  /// What an index keeps, and what its specification says of it.
  func content(
    _ rows: Vectors
  ) throws(TesseraError) -> (Index.Content, IndexSpecification.Content) {
    switch self {
    case .rows: return (.rows(rows), .rows)
    case .bits: return (.bits(try BitRows(rows, .hamming)), .bits)
    case .scalar(let quantizer):
      guard let kind = FAISSScalarForm(quantizer.type)?.kind else {
        guard rows.dimension == quantizer.dimension else {
          throw FAISSPart.unsupported("a scalar quantizer of type \(quantizer.type)")
        }
        return (.rows(rows), .rows)
      }
      return try Self.codes(
        rows, ScalarQuantizer(specification: kind.rawValue, arrays: quantizer.arrays(of: kind)))
    case .product(let quantizer):
      return try Self.codes(
        rows,
        ProductQuantizer(
          specification: "PQ\(quantizer.subspaceCount)x\(quantizer.bits)",
          arrays: quantizer.arrays()))
    case .rabitq(let quantizer):
      let (codes, own) = try quantizer.codes(rows, around: nil)
      return try Self.content(codes, own)
    }
  }

  private static func codes(
    _ rows: Vectors, _ quantizer: any Quantizer
  ) throws(TesseraError) -> (Index.Content, IndexSpecification.Content) {
    try content(Codes(rows.bytes, byteCount: quantizer.codeByteCount), quantizer)
  }

  /// The codes of a quantizer as content, and what its specification says of them.
  static func content(
    _ codes: Codes, _ quantizer: any Quantizer
  ) throws(TesseraError) -> (Index.Content, IndexSpecification.Content) {
    (
      .codes(.memory(codes), quantizer),
      .codes(try QuantizerFactory.recipe(quantizer.specification))
    )
  }
}

extension FAISSScalarQuantizer {
  /// The quantizer as Tessera's files have it: a range for each dimension.
  func arrays(of kind: ScalarKind) throws(TesseraError) -> [String: StoredArray] {
    let half = trained.count / 2
    func each(_ values: ArraySlice<Float>) -> [Float] {
      half == 1 ? [Float](repeating: values.first ?? 0, count: dimension) : Array(values)
    }
    let minimums = half == 0 ? [] : each(trained[..<half])
    let ranges = half == 0 ? [] : each(trained[half...])
    return [
      "dimension": try StoredArray([Int64(dimension)], shape: [1]),
      "minimums": try StoredArray(minimums, shape: [minimums.count]),
      "ranges": try StoredArray(ranges, shape: [ranges.count]),
    ]
  }
}

extension FAISSProductQuantizer {
  /// The quantizer as Tessera's files have it.
  func arrays() throws(TesseraError) -> [String: StoredArray] {
    let width = dimension / subspaceCount
    return [
      "codewords": try StoredArray(centroids, shape: [subspaceCount, 1 << bits, width]),
      "widths": try StoredArray(
        [Int32](repeating: Int32(width), count: subspaceCount), shape: [subspaceCount]),
    ]
  }
}

extension Vectors {
  /// A copy of the bytes of rows that lie one after the other.
  var bytes: [UInt8] {
    guard let start = unsafe baseAddress else { return [] }
    return unsafe Array(UnsafeRawBufferPointer(start: start, count: byteCount))
  }

  /// Takes the bytes for rows of other numbers.
  func reread(as element: ElementType, dimension: Int) throws(TesseraError) -> Vectors {
    guard let start = unsafe baseAddress else { return self }
    return try unsafe Vectors(
      copying: UnsafeRawBufferPointer(start: start, count: byteCount), element: element,
      dimension: dimension)
  }
}
