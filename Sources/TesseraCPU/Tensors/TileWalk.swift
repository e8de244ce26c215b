internal import TesseraCompute

/// A view's numbers as a walk meets them.
///
/// Safe to share: the operation keeps the memory alive, and each worker writes only its own part.
struct WalkedView: @unchecked Sendable {
  /// The number that the walk meets first.
  var start: UnsafeMutablePointer<Float>
  /// The distance along each side of the walk.
  var strides: [Int]
  /// The rows that the first side goes through; nil for all in order.
  var rows: UnsafePointer<Int32>?
  /// True if the numbers lie in the order of the walk.
  fileprivate(set) var isDense = false

  /// True if all numbers are one number.
  fileprivate(set) var isConstant = false

  init(_ view: TensorView<Float>, _ operation: String) throws(TesseraError) {
    // Aligned allocations are never null, not even of 0 bytes.
    start = try view.hostMemory(operation).baseAddress.unsafelyUnwrapped + view.offset
    strides = view.strides
    rows = try view.rows.map { rows throws(TesseraError) in
      UnsafePointer(try rows.hostNumbers(operation).baseAddress.unsafelyUnwrapped)
    }
  }

  /// The distance to place `index` along the first side.
  func rowDistance(_ index: Int) -> Int { (rows.map { Int($0[index]) } ?? index) * strides[0] }
}

/// A walk through numbers in host memory.
struct TileWalk: Sendable {
  /// The length of each side, at least one side.
  let shape: [Int]

  /// The numbers of the walk.
  var count: Int { shape.reduce(1, *) }

  /// Takes the sides that views have in common; the views' strides become those of the walk.
  init(_ shape: [Int], _ views: inout [WalkedView]) {
    let walk = TensorWalk(
      shape, strides: views.map(\.strides), isSelection: views.map { $0.rows != nil })
    self.shape = walk.shape
    for place in views.indices {
      views[place].strides = walk.strides[place]
      views[place].isDense = walk.isDense(place)
      views[place].isConstant = walk.isConstant(place)
    }
  }

  /// Copies numbers [first, first + count) to `target`, one after the other.
  func load(
    _ view: WalkedView, first: Int, count: Int, into target: UnsafeMutablePointer<Float>
  ) {
    let step = view.strides[shape.count - 1]
    eachLine(view, first: first, count: count) { line, place, length in
      let to = target + place
      switch step {
      case 1: to.update(from: line, count: length)
      case 0: to.update(repeating: line.pointee, count: length)
      default: for i in 0..<length { to[i] = line[i * step] }
      }
    }
  }

  /// Copies numbers to where the walk meets [first, first + count).
  func store(_ source: UnsafePointer<Float>, first: Int, count: Int, in view: WalkedView) {
    let step = view.strides[shape.count - 1]
    eachLine(view, first: first, count: count) { line, place, length in
      let from = source + place
      if step == 1 {
        line.update(from: from, count: length)
      } else {
        for i in 0..<length { line[i * step] = from[i] }
      }
    }
  }

  /// Calls `body` with each piece of a line along the last side: where it begins, how many numbers
  /// were before it, and its length.
  @inline(__always)
  private func eachLine(
    _ view: WalkedView, first: Int, count: Int,
    _ body: (_ line: UnsafeMutablePointer<Float>, _ place: Int, _ length: Int) -> Void
  ) {
    let last = shape.count - 1
    let length = shape[last]
    let step = view.strides[last]
    var (line, column) = (first / length, first % length)
    var done = 0
    while done < count {
      let taken = min(length - column, count - done)
      var (rest, distance) = (line, 0)
      if last > 0 {
        for side in stride(from: last - 1, to: 0, by: -1) {
          distance += rest % shape[side] * view.strides[side]
          rest /= shape[side]
        }
        distance += view.rowDistance(rest)
        distance += column * step
      } else if view.rows != nil {
        // The only side is a list of rows: one number at a time.
        body(view.start + view.rowDistance(column), done, 1)
        (done, column) = (done + 1, column + 1)
        continue
      } else {
        distance = column * step
      }
      body(view.start + distance, done, taken)
      done += taken
      column = 0
      line += 1
    }
  }
}
