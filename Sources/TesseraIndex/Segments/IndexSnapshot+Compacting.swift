public import TesseraCompute
internal import TesseraHost
internal import TesseraQuantization

/// What an index file keeps of the time before it was compacted.
struct IndexHistory: Sendable {
  /// The file whose journal was put into this one.
  var follows: IndexIdentity?
  /// The id that the next row gets that brings none; nil: the one after the highest.
  var nextID: Int64?
  /// The mean distance of rows from what they were trained on, as ``IndexDrift`` measures it.
  var spread: Double?
}

extension IndexSnapshot {
  /// Returns an index of all rows: centroids, codebooks and transforms are those of `base`. Rows of a
  /// list come in the order they had, those that were added after them.
  ///
  /// - Parameter memoryLimit: Bytes that may be held, as ``Index/BuildOptions/memoryLimit`` says, beside
  ///   the rows that were added; nil takes what there is. The index is the same.
  /// - Complexity: O(rows); assigns and encodes the rows that were added.
  /// - Throws: `.invalidArgument` for a limit below 1 MiB, `.outOfMemory`, `.cancelled`,
  ///   `.deadlineExceeded`, and what the device throws.
  public func compacted(
    on device: any Device, memoryLimit: Int? = nil, control: RunControl = RunControl()
  ) throws(TesseraError) -> Index {
    try Index.requireMemory(memoryLimit, "compact")
    try base.verify()
    try control.report("compact", done: 0)
    let added = try AddedInLists(self, on: device, within: memoryLimit)
    try control.report("compact", done: 0.3)
    // Which row goes where: numbers from `base.count` on are added rows.
    var order: [Int] = []
    order.reserveCapacity(count)
    var starts = [0]
    for list in 0..<base.listCount {
      for row in base.lists[list]
      where removed.isEmpty || !removed.hasSorted(base.lists.ids[row]) {
        order.append(row)
      }
      order += added.lists[list].lazy.map { base.count + $0 }
      starts.append(order.count)
    }
    let ids = order.map { $0 < base.count ? base.lists.ids[$0] : added.lists.ids[$0 - base.count] }
    let lists = try RowLists(starts: starts, ids: IDMap(ids))
    let content: Index.Content
    switch base.content {
    case .rows(let rows):
      content = .rows(try rows.gathered(order, followedBy: added.rows, within: memoryLimit))
    case .bits(let rows):
      content = .bits(
        try BitRows(
          rows.vectors.gathered(order, followedBy: added.originals, within: memoryLimit),
          rows.metric))
    case .codes(let codes, let quantizer):
      let more = try CodedRows(
        rows: added.rows, lists: added.lists, centroids: base.coarse?.centroids,
        metric: base.metric, memoryLimit: memoryLimit
      ).encoded(by: quantizer, on: device, control: control.stage("", 0.3...0.6))
      content = .codes(
        .rows(
          try codes.vectors().gathered(order, followedBy: more.vectors(), within: memoryLimit)),
        quantizer)
    }
    let originals = try base.originals?.gathered(
      order, followedBy: added.originals, within: memoryLimit)
    try control.report("compact", done: 0.6)
    var history = IndexHistory(nextID: nextID, spread: base.history.spread)
    if history.spread == nil { history.spread = try base.spread(on: device) }
    return Index(
      base.specification, metric: base.metric, dimension: base.dimension,
      transforms: base.transforms, lists: lists,
      coarse: try coarse(
        lists, content, originals, added, within: memoryLimit, on: device, control: control),
      content: content, originals: originals, history: history)
  }

  /// The lists, measured anew where the rows are still there.
  private func coarse(
    _ lists: RowLists, _ content: Index.Content, _ originals: Vectors?, _ added: AddedInLists,
    within memoryLimit: Int?, on device: any Device, control: RunControl
  ) throws(TesseraError) -> CoarseLists? {
    guard let known = base.coarse, known.isMeasured else { return base.coarse }
    let more = ListCalibration(
      rows: added.rows, given: added.rows, order: nil, lists: added.lists,
      centroids: known.centroids, metric: base.metric, bits: nil, memoryLimit: memoryLimit)
    let radius = max(known.radius, try more.radius(on: device))
    var (rows, given): (Vectors?, Vectors?) = (nil, originals)
    if case .rows(let kept) = content {
      rows = kept
    } else if case .bits(let kept) = content {
      (rows, given) = (try kept.vectors.expandedBits(within: memoryLimit), kept.vectors)
    } else if let originals {
      rows = try base.transforms.apply(
        to: originals, on: device, "compact", within: memoryLimit)
    }
    var recall = known.recall
    if let rows, rows.count > 0 {
      recall = try ListCalibration(
        rows: rows, given: given ?? rows, order: nil, lists: lists,
        centroids: known.centroids, metric: base.metric, bits: base.bits, memoryLimit: memoryLimit
      ).recall(on: device)
    }
    try control.report("compact", done: 1)
    return CoarseLists(centroids: known.centroids, radius: radius, recall: recall)
  }
}

/// The rows that were added, in the order of the lists they belong to.
private struct AddedInLists {
  /// As they were given.
  let originals: Vectors
  /// As the index keeps rows: transformed.
  let rows: Vectors
  let lists: RowLists

  init(
    _ snapshot: IndexSnapshot, on device: any Device, within memoryLimit: Int?
  ) throws(TesseraError) {
    let base = snapshot.base
    guard !snapshot.segments.isEmpty else {
      originals = try Vectors(
        HostMemory(copying: [UInt8]()), element: snapshot.element, count: 0,
        dimension: base.dimension)
      rows = try Vectors(
        HostMemory(copying: [UInt8]()), element: .float32, count: 0, dimension: base.keptDimension)
      lists = try RowLists(
        starts: [Int](repeating: 0, count: base.listCount + 1), ids: .consecutive(count: 0))
      return
    }
    let all = try IndexSnapshot.joined(snapshot.segments, within: memoryLimit).rows
    let transformed =
      base.bits == nil
      ? try base.transforms.apply(to: all.rows, on: device, "compact", within: memoryLimit)
      : try all.rows.expandedBits(within: memoryLimit)
    guard let coarse = base.coarse else {
      (originals, rows, lists) = (all.rows, transformed, RowLists(one: all.ids))
      return
    }
    var members = [[Int]](repeating: [], count: coarse.count)
    for block in transformed.blocks(of: transformed.count) {
      let nearest = try coarse.nearest(transformed.rows(block), base.metric, on: device)
      for row in block { members[Int(nearest[row - block.lowerBound][0].id)].append(row) }
    }
    var starts = [0]
    for list in members { starts.append(starts[starts.count - 1] + list.count) }
    let order = members.flatMap(\.self)
    originals = try all.rows.gathered(order, within: memoryLimit)
    rows =
      base.keepsRows && base.bits == nil
      ? originals : try transformed.gathered(order, within: memoryLimit)
    lists = try RowLists(starts: starts, ids: IDMap(order.map { all.ids[$0] }))
  }
}

extension CoarseLists {
  /// The list of each row and how far its centroid is: as k-means assigns rows when an index is built.
  func nearest(
    _ rows: Vectors, _ metric: Metric, on device: any Device
  ) throws(TesseraError) -> Neighbors {
    try device.nearest(
      rows,
      in: device.prepare(centroids, metric: metric == .cosine ? .cosine : .squaredL2), k: 1)
  }
}

extension Vectors {
  /// Copies of some rows of these, and of `more`, whose numbers begin behind the last of these.
  fileprivate func gathered(
    _ order: [Int], followedBy more: Vectors, within memoryLimit: Int?
  ) throws(TesseraError) -> Vectors {
    guard more.count > 0 else { return try gathered(order, within: memoryLimit) }
    guard more.element == element else {
      throw TesseraError(
        .unsupported, "compact: rows of the types \(element) and \(more.element) are not mixed")
    }
    let collected = try CollectedRows(
      element, count: order.count, dimension: dimension, within: memoryLimit)
    for block in blocks(of: order.count) {
      var rest = order[block]
      while let first = rest.first {
        let own = rest.prefix { ($0 < count) == (first < count) }
        try collected.append(
          first < count ? gathered(own) : more.gathered(own.lazy.map { $0 - count }))
        rest = rest.dropFirst(own.count)
      }
    }
    if memoryLimit != nil { evict() }
    return try collected.rows()
  }
}
