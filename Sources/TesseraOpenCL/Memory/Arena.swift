internal import Synchronization
internal import TesseraCompute

/// Device memory, handed out in ranges of a few large buffers: creating a buffer per matrix costs
/// more than many a kernel does.
///
/// Small requests share blocks. A large one gets a block of its own, which is kept for the next of
/// about that size when it is given back. A range may be given to the next taker while commands
/// that use it are still queued, because the queue runs in order.
final class Arena: Sendable {
  private let context: OpenCLContext
  private let alignment: Int
  private let sharedBlockBytes: Int
  /// Each range is a buffer of its own and none is used twice: for a memory checker. Oclgrind keeps
  /// what it knows of a buffer when another gets its place, and forgets it when part is written.
  private let isForChecker: Bool
  private let maxBlockBytes: Int
  private let memoryBytes: Int
  private let state = Mutex(State())

  private struct State {
    var shared: [Block] = []
    /// Blocks of their own that nobody uses now.
    var spare: [DeviceBuffer] = []
    /// Everything held from the driver, in use or spare.
    var heldBytes = 0
  }

  private struct Block {
    let buffer: DeviceBuffer
    var free: FreeRanges

    var isUnused: Bool { free.ranges == [0..<buffer.byteCount] }
  }

  init(
    _ context: OpenCLContext, alignment: Int, sharedBlockBytes: Int, maxBlockBytes: Int,
    memoryBytes: Int
  ) {
    self.context = context
    self.alignment = alignment
    self.sharedBlockBytes = min(sharedBlockBytes, maxBlockBytes)
    isForChecker = sharedBlockBytes == 0
    self.maxBlockBytes = maxBlockBytes
    self.memoryBytes = memoryBytes
  }

  /// An arena with the same limits, with nothing in it.
  func renewed(in context: OpenCLContext) -> Arena {
    Arena(
      context, alignment: alignment, sharedBlockBytes: isForChecker ? 0 : sharedBlockBytes,
      maxBlockBytes: maxBlockBytes, memoryBytes: memoryBytes)
  }

  /// Reserves `byteCount` bytes until `release`, and returns the buffer and the range in it.
  ///
  /// - Throws: `.outOfMemory`, without troubling the driver if it cannot succeed.
  func take(_ byteCount: Int) throws(TesseraError) -> (buffer: DeviceBuffer, bytes: Range<Int>) {
    guard byteCount <= maxBlockBytes else {
      throw TesseraError(
        .outOfMemory,
        "allocate: \(byteCount) bytes are more than the \(maxBlockBytes) the device gives at once; "
          + "work in chunks")
    }
    let size =
      isForChecker
      ? max(1, byteCount) : max(1, (byteCount + alignment - 1) / alignment) * alignment
    return try state.withLock { state throws(TesseraError) in
      try size <= sharedBlockBytes / 4
        ? takeShared(size, from: &state) : takeWhole(size, from: &state)
    }
  }

  /// Gives back what `take` gave.
  func release(_ buffer: DeviceBuffer, _ bytes: Range<Int>) {
    state.withLock { state in
      if let index = state.shared.firstIndex(where: { $0.buffer === buffer }) {
        state.shared[index].free.release(bytes)
      } else if isForChecker || spareBytes(state) + buffer.byteCount <= memoryBytes / 8 {
        state.spare.append(buffer)
      } else {
        state.heldBytes -= buffer.byteCount
      }
    }
  }

  private func takeShared(
    _ size: Int, from state: inout State
  ) throws(TesseraError) -> (DeviceBuffer, Range<Int>) {
    for index in state.shared.indices {
      if let bytes = state.shared[index].free.take(size) {
        return (state.shared[index].buffer, bytes)
      }
    }
    let buffer = try create(sharedBlockBytes, in: &state)
    state.shared.append(Block(buffer: buffer, free: FreeRanges(size..<buffer.byteCount)))
    return (buffer, 0..<size)
  }

  private func takeWhole(
    _ size: Int, from state: inout State
  ) throws(TesseraError) -> (DeviceBuffer, Range<Int>) {
    let fitting = state.spare.indices
      .filter { state.spare[$0].byteCount >= size && state.spare[$0].byteCount / 5 * 4 <= size }
      .min { state.spare[$0].byteCount < state.spare[$1].byteCount }
    if let fitting, !isForChecker {
      let buffer = state.spare.remove(at: fitting)
      return (buffer, 0..<buffer.byteCount)
    }
    let buffer = try create(size, in: &state)
    return (buffer, 0..<size)
  }

  /// A new buffer; what is spare goes back to the driver if there is no room otherwise.
  private func create(_ size: Int, in state: inout State) throws(TesseraError) -> DeviceBuffer {
    if state.heldBytes + size > memoryBytes { dropSpares(&state) }
    guard state.heldBytes + size <= memoryBytes else {
      throw TesseraError(
        .outOfMemory,
        "allocate: \(size) bytes on top of \(state.heldBytes) in use are more than the "
          + "\(memoryBytes) of the device; work in smaller chunks")
    }
    let buffer: DeviceBuffer
    do throws(TesseraError) {
      buffer = try createTouched(size)
    } catch {
      guard error.code == .outOfMemory else { throw error }
      dropSpares(&state)
      buffer = try createTouched(size)
    }
    state.heldBytes += size
    return buffer
  }

  private func createTouched(_ size: Int) throws(TesseraError) -> DeviceBuffer {
    let buffer = try DeviceBuffer(context, byteCount: size)
    if !isForChecker { try buffer.touch() }
    return buffer
  }

  private func dropSpares(_ state: inout State) {
    state.heldBytes -= spareBytes(state)
    state.spare = []
    state.heldBytes -= state.shared.filter(\.isUnused).reduce(0) { $0 + $1.buffer.byteCount }
    state.shared.removeAll(where: \.isUnused)
  }

  private func spareBytes(_ state: State) -> Int { state.spare.reduce(0) { $0 + $1.byteCount } }
}

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
