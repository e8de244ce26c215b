internal import TesseraCompute
internal import TesseraHost

/// Tells which kernel body a device runs, and how long a small product took with each.
public struct BodyChoice: Sendable, Hashable {
  /// The body that is run.
  public let body: KernelBody
  /// Seconds of the product with each body that computed it right, and soon · empty where the body
  /// was asked for, where there is nothing to choose, and where there is no folder to remember it in.
  public let seconds: [KernelBody: Double]

  /// Takes the faster body; the one that is `usual` unless the other is faster by a tenth.
  init(_ seconds: [KernelBody: Double], usual: KernelBody) {
    self.seconds = seconds
    let (time, otherTime) = (seconds[usual] ?? .infinity, seconds[usual.other] ?? .infinity)
    body = otherTime * 1.1 < time ? usual.other : usual
  }

  init(_ body: KernelBody) {
    self.body = body
    seconds = [:]
  }

  /// Reads the times that an earlier process measured; else measures, and keeps them.
  ///
  /// Kept beside the program cache, and good for the same driver and kernels. Without a folder every
  /// process would measure, so none does. What fails for the moment, such as for want of memory, is
  /// not kept.
  static func measured(
    usual: KernelBody, cache: ProgramCache,
    probe: (KernelBody) throws(TesseraError) -> BodyProbe
  ) -> BodyChoice {
    guard cache.directory != nil else { return BodyChoice(usual) }
    let (key, store) = place(cache)
    if let known = store.binary(for: key).flatMap(times) {
      return BodyChoice(known, usual: usual)
    }
    guard let seconds = try? BodyProbe.seconds([usual, usual.other], probe: probe) else {
      return BodyChoice(usual)
    }
    let lines = seconds.map { "\($0.key.rawValue) \($0.value)" }
    store.store(Array((lines.isEmpty ? "none" : lines.joined(separator: "\n")).utf8), for: key)
    return BodyChoice(seconds, usual: usual)
  }

  /// Returns where the times of the device of a program cache are kept.
  static func place(_ cache: ProgramCache) -> (key: [UInt8], store: ProgramCache) {
    let store = ProgramCache(
      directory: cache.directory, deviceKey: cache.deviceKey, prefix: prefix)
    return (store.key(source: "body \(KernelTrust.kernelFingerprint)", options: ""), store)
  }

  /// Forgets what was measured, so that devices that are found from now on measure anew.
  static func forgetAll(in directory: String) {
    for name in SystemFile.names(in: directory)
    where name.hasPrefix("\(prefix)-") && name.hasSuffix(".bin") {
      unlink("\(directory)/\(name)")
    }
  }

  private static let prefix = "body"

  private static func times(_ bytes: [UInt8]) -> [KernelBody: Double]? {
    let text = String(decoding: bytes, as: UTF8.self)
    guard text != "none" else { return [:] }
    var times: [KernelBody: Double] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 2, let body = KernelBody(rawValue: String(words[0])),
        let seconds = Double(words[1]), seconds > 0
      else { return nil }
      times[body] = seconds
    }
    return times.isEmpty ? nil : times
  }
}

/// A small product by one kernel body, to be timed: neither the type of a device nor its name tells
/// which body its compiler does well.
struct BodyProbe {
  private let context: OpenCLContext
  private let run: () throws(TesseraError) -> Void

  /// Times are the best of so many rounds.
  private static let rounds = 3
  /// Rows, columns and inner dimension: large enough that a launch costs less than the product, small
  /// enough for a compiler that makes tiles a hundred times slower, and within the loops that any
  /// driver allows to one work item.
  private static let (rows, columns, inner) = (256, 256, 64)
  private static let rowsPerItem = 64

  /// Builds the kernel, and computes the product once.
  ///
  /// - Parameters:
  ///   - macros: Those of every program of the device, apart from the body's.
  ///   - tileItems: Items in a work-group of tiles.
  /// - Throws: `.unsupported` for wrong numbers, or what the driver reports.
  init(
    _ body: KernelBody, _ context: OpenCLContext, _ arena: Arena, _ cache: ProgramCache,
    macros: [String: Int], tileItems: Int
  ) throws(TesseraError) {
    let (rows, columns, inner) = (Self.rows, Self.columns, Self.inner)
    func stored(_ count: Int, _ value: (Int) -> Float) throws(TesseraError) -> OpenCLStorage {
      let storage = try OpenCLStorage(count * MemoryLayout<Float>.size, from: arena)
      try context.write((0..<count).map(value), to: storage)
      return storage
    }
    let left = try stored(rows * inner, Self.left)
    let panels = try stored(columns * inner, Self.right)
    let result = try stored(rows * columns) { _ in .nan }
    let (shape, grid) = Self.shape(body, tileItems)
    let program = try Program.build(
      KernelSource("multiply", shape.merging(["A_IN_COLUMNS": 0]) { $1 }),
      macros: macros.merging([body.macro: 1, "GROUP": body == .tile ? tileItems : 1]) { $1 },
      in: context, cache: cache)
    self.context = context
    run = { () throws(TesseraError) in
      try program.launch(
        "multiply",
        [
          .all(of: left, as: Float.self), .ulong(inner), .ulong(rows),
          .all(of: panels, as: Float.self), .int(inner), .float(1), .float(0),
          .all(of: result, as: Float.self), .ulong(columns), .int(columns),
        ], over: grid, on: context)
      try context.finish()
    }
    try run()
    let found = try context.read(rows * columns, of: Float.self, from: result)
    for (row, column) in [(0, 0), (rows - 1, columns - 1), (77, 130)] {
      guard found[row * columns + column] == Self.product(row, column) else {
        throw TesseraError(.unsupported, "the product is wrong")
      }
    }
  }

  /// Returns the seconds of the product with each of `bodies` that computes it right: the best of a
  /// few rounds in which the bodies take turns, so that other work on the machine slows both.
  ///
  /// After a body that gives no answer there is no other: its compiler may still be at work.
  ///
  /// - Throws: What the driver reports, unless it says that a body cannot be used at all.
  static func seconds(
    _ bodies: [KernelBody], probe: (KernelBody) throws(TesseraError) -> BodyProbe
  ) throws(TesseraError) -> [KernelBody: Double] {
    var probes: [(body: KernelBody, probe: BodyProbe)] = []
    for body in bodies {
      do throws(TesseraError) {
        probes.append((body, try probe(body)))
      } catch {
        if error.code == .buildFailure || error.code == .unsupported { continue }
        // Calls that fail have a status.
        guard error.code == .deviceFailure, error.status == nil else { throw error }
        break
      }
    }
    var best: [KernelBody: Double] = [:]
    for _ in 0..<rounds {
      for (body, probe) in probes {
        let start = ContinuousClock.now
        try probe.run()
        best[body] = min(best[body] ?? .infinity, start.secondsAgo)
      }
    }
    return best
  }

  private static func shape(
    _ body: KernelBody, _ tileItems: Int
  ) -> (macros: [String: Int], grid: Grid) {
    switch body {
    case .wideItem:
      return (
        ["ROWS_PER_ITEM": rowsPerItem],
        Grid(
          workGroups: (columns / PanelBlocks.width, rows / rowsPerItem),
          workEach: 2 * rowsPerItem * PanelBlocks.width * inner)
      )
    case .tile:
      let items = tileItems >= 256 ? 16 : 8
      let tile = 4 * items
      return (
        ["ITEMS": items, "ITEM_SIDE": 4],
        Grid(
          workGroups: (rows / tile, columns / tile), local: (items, items),
          workEach: 2 * tile * tile * inner)
      )
    }
  }

  // MARK: Small whole numbers, whose sums are exact in any order

  private static func left(_ place: Int) -> Float { Float(place % 7) - 3 }
  private static func right(_ place: Int) -> Float { Float(place % 5) - 2 }

  private static func product(_ row: Int, _ column: Int) -> Float {
    let width = PanelBlocks.width
    return (0..<inner).reduce(0) { sum, d in
      sum + left(row * inner + d)
        * right((column / width * inner + d) * width + column % width)
    }
  }
}
