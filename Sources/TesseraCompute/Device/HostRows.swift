package import TesseraHost

/// Rows of numbers that several threads of the host make, each thread its own, without pointers.
///
///     let lengths: [Double] = try device.hostWorkers.makeEachRow(count, of: 1) { row, length in
///       length[0] = FixedOrder.squares(values.span.extracting(.row(row, of: dimension)))
///     }
extension WorkerPool {
  /// Makes `count` rows of `width` elements, whole ranges of rows at a time.
  ///
  /// - Parameters:
  ///   - minimum: Rows that are worth a range of their own; eight times as many are the most that
  ///     are made between two looks at the stop signal.
  ///   - fill: Writes every element of the rows of a range; what it writes for a row must not depend
  ///     on the range. The elements hold no defined values before.
  /// - Throws: What `fill` throws, and as ``run(_:_:)``.
  package func makeRows<Element: BitwiseCopyable>(
    _ count: Int, of width: Int, minimum: Int = 64,
    _ fill:
      @Sendable (_ rows: Range<Int>, _ target: inout MutableSpan<Element>)
      throws(TesseraError) -> Void
  ) throws(TesseraError) -> [Element] {
    try make(count * width) { target throws(TesseraError) in
      try fillRows(of: target, count, width, minimum: minimum, fill)
    }
  }

  /// Makes `count` rows of `width` elements, one row at a time.
  ///
  /// - Parameter fill: Writes every element of one row, which holds no defined values before.
  /// - Throws: What `fill` throws, and as ``run(_:_:)``.
  package func makeEachRow<Element: BitwiseCopyable>(
    _ count: Int, of width: Int, minimum: Int = 64,
    _ fill:
      @Sendable (_ row: Int, _ target: inout MutableSpan<Element>)
      throws(TesseraError) -> Void
  ) throws(TesseraError) -> [Element] {
    try make(count * width) { target throws(TesseraError) in
      try eachRow(of: target, count, width, minimum: minimum, fill)
    }
  }

  /// Changes rows of `width` elements where they are, one row at a time.
  ///
  /// - Throws: What `change` throws, and as ``run(_:_:)``; some rows are changed then.
  package func updateEachRow<Element: BitwiseCopyable>(
    of values: inout [Element], width: Int, minimum: Int = 64,
    _ change:
      @Sendable (_ row: Int, _ values: inout MutableSpan<Element>)
      throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let count = width > 0 ? values.count / width : 0
    try values.withUnsafeMutableBufferPointer { target throws(TesseraError) in
      try eachRow(of: target, count, width, minimum: minimum, change)
    }
  }

  /// Makes rows of different lengths, row i of the elements `starts[i]..<starts[i + 1]`.
  ///
  /// - Parameter fill: Writes every element of one row, which holds no defined values before.
  /// - Throws: What `fill` throws, and as ``run(_:_:)``.
  package func makeRagged<Element: BitwiseCopyable>(
    _ starts: [Int], minimum: Int = 16,
    _ fill:
      @Sendable (_ row: Int, _ target: inout MutableSpan<Element>) throws(TesseraError) -> Void
  ) throws(TesseraError) -> [Element] {
    try make(starts.last ?? 0) { target throws(TesseraError) in
      let shared = SharedElements(target)
      try split(max(0, starts.count - 1), minimum: minimum) { range throws(TesseraError) in
        for row in range {
          var own = UnsafeMutableBufferPointer(
            rebasing: shared.elements[starts[row]..<starts[row + 1]]
          ).mutableSpan
          try fill(row, &own)
        }
      }
    }
  }

  /// Makes `count` elements in memory that `fill` fills.
  private func make<Element>(
    _ count: Int, _ fill: (UnsafeMutableBufferPointer<Element>) throws(TesseraError) -> Void
  ) throws(TesseraError) -> [Element] {
    // The initialiser knows no typed errors, so one waits here.
    var failure: TesseraError?
    let values = [Element](unsafeUninitializedCapacity: count) { target, initialized in
      do throws(TesseraError) {
        try fill(target)
        initialized = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }

  private func eachRow<Element: BitwiseCopyable>(
    of target: UnsafeMutableBufferPointer<Element>, _ count: Int, _ width: Int, minimum: Int,
    _ body: @Sendable (Int, inout MutableSpan<Element>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let shared = SharedElements(target)
    try split(count, minimum: minimum, maximum: 8 * minimum) { range throws(TesseraError) in
      for row in range {
        var own = UnsafeMutableBufferPointer(
          rebasing: shared.elements[row * width..<(row + 1) * width]
        ).mutableSpan
        try body(row, &own)
      }
    }
  }

  private func fillRows<Element: BitwiseCopyable>(
    of target: UnsafeMutableBufferPointer<Element>, _ count: Int, _ width: Int, minimum: Int,
    _ fill: @Sendable (Range<Int>, inout MutableSpan<Element>) throws(TesseraError) -> Void
  ) throws(TesseraError) {
    let shared = SharedElements(target)
    try split(count, minimum: minimum, maximum: 8 * minimum) { range throws(TesseraError) in
      var own = UnsafeMutableBufferPointer(
        rebasing: shared.elements[range.lowerBound * width..<range.upperBound * width]
      ).mutableSpan
      try fill(range, &own)
    }
  }
}

/// Memory that the threads of one call fill.
///
/// Safe: every thread gets rows of its own out of it, and the call ends before the memory does.
private struct SharedElements<Element>: @unchecked Sendable {
  let elements: UnsafeMutableBufferPointer<Element>

  init(_ elements: UnsafeMutableBufferPointer<Element>) { self.elements = elements }
}

extension Range<Int> {
  /// Where row number `index` of rows of `width` elements lies.
  package static func row(_ index: Int, of width: Int) -> Range<Int> {
    index * width..<(index + 1) * width
  }
}
