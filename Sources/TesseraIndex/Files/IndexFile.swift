public import TesseraCompute
internal import TesseraFormats
package import TesseraHost
internal import TesseraQuantization

/// Files of indexes: safetensors files, whose rows are read where they lie.
///
/// The metadata say what it is: `content` is `index`, `version` that of the layout, then
/// `specification`, `metric` and `dimension`. Arrays: `ids` and `rows` or `codes` in the order of
/// lists, whose beginnings are `starts`; `centroids`, `radius` and `recall` where there are lists; what
/// belongs to the quantizer is named `quantizer.*`. Rows of bits are bytes, and their centroids numbers 0 and 1. Transforms, of which the specification tells the
/// kinds, have a `transform.<n>.mean` that is taken off and a `transform.<n>.map` that rows are
/// multiplied by, n from 0; `rows`, `codes` and `centroids` are of transformed rows, `originals` of rows
/// as they were given.
///
/// Changes since lie in a journal beside the file; docs/files.md has both layouts, and ``LivingIndex`` reads
/// and writes them.
public enum IndexFile {
  /// The layout that is written, and the newest that is read.
  public static let version = 1

  /// Writes `index` to `path`: the whole file, or nothing.
  ///
  /// - Throws: `.cannotCreate` also where an index is there whose journal holds changes, `.inputOutput`,
  ///   and `.malformedFile` where the index came from a file that is damaged.
  public static func write(_ index: Index, to path: String) throws(TesseraError) {
    try LivingIndex.requireReplaceable(path)
    let file = try AtomicFile(path)
    try write(index, into: file)
    try file.commit()
  }

  /// Writes `index` as ``write(_:to:)`` does, and leaves the commit to the file's owner.
  package static func write(_ index: Index, into file: AtomicFile) throws(TesseraError) {
    try write(index, follows: nil, into: file)
  }

  /// Writes `index`, which holds what the journal of the index file `follows` says.
  static func write(
    _ index: Index, follows: IndexIdentity?, into file: AtomicFile
  ) throws(TesseraError) {
    // What another file holds damaged must not get a good checksum here.
    try index.verify()
    var metadata = [
      "content": "index", "version": String(version),
      "specification": index.specification.description, "metric": index.metricName,
      "dimension": String(index.dimension),
    ]
    metadata["follows"] = follows?.text
    metadata["nextID"] = index.history.nextID.map { String($0) }
    metadata["spread"] = index.history.spread.map { String($0) }
    var arrays = [
      WrittenArray("starts", index.lists.starts.map { Int64($0) }),
      WrittenArray("ids", (0..<index.count).map { index.lists.ids[$0] }),
    ]
    for (place, transform) in index.transforms.enumerated() {
      arrays += transform.arrays("transform.\(place)")
    }
    if let coarse = index.coarse {
      arrays += [
        WrittenArray("centroids", coarse.centroids), WrittenArray("radius", [coarse.radius]),
        WrittenArray("recall", coarse.recall),
      ]
    }
    switch index.content {
    case .rows(let rows): arrays.append(WrittenArray("rows", rows))
    case .bits(let rows): arrays.append(WrittenArray("rows", rows.vectors))
    case .codes(let codes, let quantizer):
      arrays.append(codes.written("codes"))
      metadata["quantizer.kind"] = type(of: quantizer).kind
      metadata["quantizer.specification"] = quantizer.specification
      for (name, array) in quantizer.arrays {
        arrays.append(
          WrittenArray("quantizer.\(name)", array.scalar, shape: array.shape, .bytes(array.bytes)))
      }
    }
    if let originals = index.originals { arrays.append(WrittenArray("originals", originals)) }
    try StoredArrayFile.write(arrays, metadata: metadata, into: file)
  }

  /// Opens the index in the file at `path`. Rows stay in the file; they are checked when they are first
  /// searched. A file of FAISS is read whole (``FAISSFile``).
  ///
  /// - Throws: `.inputNotFound`, `.inputOutput`, `.malformedFile` for a file that is no index or
  ///   damaged, `.unsupported` for a newer version, for parts of FAISS that are not read, and for an
  ///   index that was changed since: ``LivingIndex`` opens that.
  public static func open(_ path: String) throws(TesseraError) -> Index {
    if try FAISSFile.isOne(path) { return try FAISSFile.open(path).index }
    let snapshot = try LivingIndex(path).snapshot
    guard !snapshot.isChanged else {
      throw TesseraError(
        .unsupported,
        "\(path.printable): has changes in its journal; open it with LivingIndex, or put them into "
          + "the file with tessera compact")
    }
    return snapshot.base
  }

  /// Opens an index file as it is, without its journal.
  static func openFile(_ path: String) throws(TesseraError) -> Index {
    guard try !FAISSFile.isOne(path) else {
      throw TesseraError(
        .unsupported,
        "\(path.printable): files of FAISS are not changed; keep the index as Tessera's with tessera "
          + "convert")
    }
    return try open(MappedFile(path))
  }

  /// Reads the index of a file that was read already and is not of FAISS, without its journal.
  package static func open(_ file: MappedFile) throws(TesseraError) -> Index {
    let arrays = try MappedArrays(file)
    do throws(TesseraError) {
      return try index(arrays)
    } catch {
      let name = file.path.printable
      throw error.message.hasPrefix(name)
        ? error : TesseraError(error.code, "\(name): \(error.message)")
    }
  }

  private static func index(_ file: MappedArrays) throws(TesseraError) -> Index {
    let texts = file.metadata
    try StoredArrayFile.require("index", upTo: version, in: texts, madeBy: "tessera build")
    let bits = texts["metric"].flatMap(BitMetric.init)
    guard file.headerChecksum != nil, let specification = texts["specification"],
      let metric = bits == nil ? texts["metric"].flatMap(Metric.init) : .squaredL2,
      let dimension = texts["dimension"].flatMap({ Int($0) }), dimension > 0
    else {
      throw TesseraError(.malformedFile, "does not say what index it holds")
    }
    let starts = try file.array("starts").values(Int64.self).map { Int($0) }
    let ids = try file.array("ids").values(Int64.self)
    let lists = try malformed { () throws(TesseraError) in
      try RowLists(starts: starts, ids: IDMap(ids))
    }
    let parsed = try malformed { () throws(TesseraError) in
      // Rotations that a quantizer makes of its own are no transforms.
      texts["quantizer.specification"] == specification
        ? try IndexSpecification(content: .codes(QuantizerFactory.recipe(specification)))
        : try IndexSpecification(specification)
    }
    guard parsed.keepsBits == (bits != nil) else {
      throw TesseraError(.malformedFile, "has a metric that does not fit \"\(parsed)\"")
    }
    let transforms = try transforms(parsed, metric, file, dimension)
    let (width, overflow) = dimension.multipliedReportingOverflow(by: bits == nil ? 1 : 8)
    guard !overflow else { throw TesseraError(.malformedFile, "has rows of \(dimension) numbers") }
    let kept = transforms.last?.outputs ?? width
    let coarse = file["centroids"] == nil ? nil : try coarse(file, lists, kept)
    guard coarse != nil || lists.count == 1 else {
      throw TesseraError(.malformedFile, "has lists without centroids")
    }
    guard !parsed.refines || file["originals"] != nil else {
      throw TesseraError(.malformedFile, "has no originals to score hits again by")
    }
    let content: Index.Content
    if let bits {
      let bytes = try rows("rows", file, lists.ids.count, dimension)
      content = .bits(try malformed { () throws(TesseraError) in try BitRows(bytes, bits) })
    } else {
      content = try Self.content(file, lists.ids.count, kept)
    }
    return Index(
      parsed, metric: metric, dimension: dimension, transforms: transforms, lists: lists,
      coarse: coarse, content: content,
      originals: file["originals"] == nil
        ? nil : try rows("originals", file, lists.ids.count, dimension),
      file: file,
      history: IndexHistory(
        follows: texts["follows"].flatMap { IndexIdentity($0) },
        nextID: texts["nextID"].flatMap { Int64($0) },
        spread: texts["spread"].flatMap { Double($0) }))
  }

  private static func transforms(
    _ specification: IndexSpecification, _ metric: Metric, _ file: MappedArrays, _ dimension: Int
  ) throws(TesseraError) -> [Transform] {
    _ = try malformed { () throws(TesseraError) in
      try specification.keptDimension(of: dimension)
    }
    var inputs = dimension
    var transforms: [Transform] = []
    for (place, recipe) in specification.transforms.enumerated() {
      let transform = try Transform(
        recipe, inputs: inputs, metric: metric, "transform.\(place)", in: file)
      inputs = transform.outputs
      transforms.append(transform)
    }
    return transforms
  }

  private static func coarse(
    _ file: MappedArrays, _ lists: RowLists, _ dimension: Int
  ) throws(TesseraError) -> CoarseLists {
    let radius = try file.array("radius").values(Float.self)
    let recall = try file.array("recall").values(Float.self)
    try file.verify("centroids")
    let centroids = try rows("centroids", file, lists.count, dimension)
    guard radius.count == 1, recall.count == lists.count else {
      throw TesseraError(.malformedFile, "has a radius or recall that does not fit its lists")
    }
    return CoarseLists(centroids: centroids, radius: radius[0], recall: recall)
  }

  private static func content(
    _ file: MappedArrays, _ count: Int, _ dimension: Int
  ) throws(TesseraError) -> Index.Content {
    if file["rows"] != nil { return .rows(try rows("rows", file, count, dimension)) }
    guard let kind = file.metadata["quantizer.kind"],
      let specification = file.metadata["quantizer.specification"]
    else { throw TesseraError(.malformedFile, "has neither rows nor a quantizer of codes") }
    var arrays: [String: StoredArray] = [:]
    for name in file.names where name.hasPrefix("quantizer.") {
      arrays[String(name.dropFirst("quantizer.".count))] = try file.array(name)
    }
    let quantizer = try QuantizerFactory.quantizer(
      kind: kind, specification: specification, arrays: arrays)
    let codes = try file.vectors("codes")
    guard codes.element == .uint8, codes.count == count,
      codes.dimension == quantizer.codeByteCount, quantizer.dimension == dimension
    else { throw TesseraError(.malformedFile, "has codes that do not fit its quantizer") }
    return .codes(.rows(codes), quantizer)
  }

  private static func rows(
    _ name: String, _ file: MappedArrays, _ count: Int, _ dimension: Int
  ) throws(TesseraError) -> Vectors {
    let rows = try file.vectors(name)
    guard rows.count == count, rows.dimension == dimension else {
      throw TesseraError(
        .malformedFile,
        "has \(name) of \(rows.count) x \(rows.dimension), expected \(count) x \(dimension)")
    }
    return rows
  }

  /// Says of what does not fit that the file is malformed.
  private static func malformed<Value>(
    _ body: () throws(TesseraError) -> Value
  ) throws(TesseraError) -> Value {
    do throws(TesseraError) {
      return try body()
    } catch {
      throw TesseraError(.malformedFile, error.message.printable)
    }
  }
}

extension Index {
  /// Compares the checksums of what lies in the file and was not read yet.
  ///
  /// - Throws: `.malformedFile`, naming the array that is damaged.
  public func verify() throws(TesseraError) {
    guard let file else { return }
    for name in ["rows", "codes", "originals"] where file[name] != nil { try file.verify(name) }
  }

  /// What tells the file that the index was opened from; nil for one that was built.
  var identity: IndexIdentity? {
    guard let file, let text = file.headerChecksum,
      let sum = UInt32(text.dropFirst("crc32:".count), radix: 16)
    else { return nil }
    return IndexIdentity(byteCount: UInt64(file.byteCount), checksum: sum)
  }

  /// Bytes of the file that the index was opened from; nil for one that was built.
  public var fileByteCount: Int? { file?.byteCount }
}
