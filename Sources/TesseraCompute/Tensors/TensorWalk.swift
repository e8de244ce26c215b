/// An order in which work goes through the numbers of several views at once: along the last side
/// first. Sides that all views can go through as one are joined.
package struct TensorWalk: Sendable {
  /// The length of each side, at least one side.
  package private(set) var shape: [Int]
  /// For each view, the distance along each side.
  package private(set) var strides: [[Int]]
  /// For each view, whether its first side goes through a list of rows.
  package let isSelection: [Bool]

  /// The numbers of the walk.
  package var count: Int { shape.reduce(1, *) }

  /// Goes through views that all have the shape `shape`.
  ///
  /// - Parameters:
  ///   - strides: For each view, the distance along each side.
  ///   - isSelection: For each view, whether its first side goes through a list of rows.
  package init(_ shape: [Int], strides: [[Int]], isSelection: [Bool]) {
    (self.shape, self.strides, self.isSelection) = (shape, strides, isSelection)
    let keepsFirst = isSelection.contains(true)
    for side in shape.indices.reversed()
    where self.shape.count > 1 && shape[side] == 1 && (side > 0 || !keepsFirst) {
      remove(side)
    }
    for side in self.shape.indices.dropLast().reversed() where side > 0 || !keepsFirst {
      let length = self.shape[side + 1]
      if self.strides.allSatisfy({ $0[side] == $0[side + 1] * length }) {
        self.shape[side + 1] *= self.shape[side]
        remove(side)
      }
    }
  }

  /// Goes through views of one shape.
  package init(_ shape: [Int], _ views: [TensorView<Float>]) {
    self.init(
      shape, strides: views.map(\.strides), isSelection: views.map { $0.rows != nil })
  }

  private mutating func remove(_ side: Int) {
    shape.remove(at: side)
    for view in strides.indices { strides[view].remove(at: side) }
  }

  /// True if the numbers of the view lie in the order of the walk.
  package func isDense(_ view: Int) -> Bool {
    guard !isSelection[view] else { return false }
    var expected = 1
    for side in shape.indices.reversed() {
      guard shape[side] == 1 || strides[view][side] == expected else { return false }
      expected *= shape[side]
    }
    return true
  }

  /// True if all numbers of the view are one number.
  package func isConstant(_ view: Int) -> Bool {
    !isSelection[view] && strides[view].allSatisfy { $0 == 0 }
  }
}
