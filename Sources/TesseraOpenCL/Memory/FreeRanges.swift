/// The free parts of a block, in rising order, no two of them touching.
struct FreeRanges {
  private(set) var ranges: [Range<Int>]

  init(_ range: Range<Int>) { ranges = range.isEmpty ? [] : [range] }

  /// `size` from the first part that is large enough.
  mutating func take(_ size: Int) -> Range<Int>? {
    guard let index = ranges.firstIndex(where: { $0.count >= size }) else { return nil }
    let taken = ranges[index].lowerBound..<ranges[index].lowerBound + size
    let rest = taken.upperBound..<ranges[index].upperBound
    ranges.replaceSubrange(index...index, with: rest.isEmpty ? [] : [rest])
    return taken
  }

  /// Makes `range` free again, joined with its free neighbours.
  mutating func release(_ range: Range<Int>) {
    var joined = range
    var first = ranges.firstIndex { $0.lowerBound >= range.upperBound } ?? ranges.endIndex
    var end = first
    if end < ranges.endIndex, ranges[end].lowerBound == range.upperBound {
      joined = joined.lowerBound..<ranges[end].upperBound
      end += 1
    }
    if first > 0, ranges[first - 1].upperBound == range.lowerBound {
      first -= 1
      joined = ranges[first].lowerBound..<joined.upperBound
    }
    ranges.replaceSubrange(first..<end, with: [joined])
  }
}
