/// Describes how codes are stored for a fast scan (André, Kermarrec and Le Scouarnec 2015, "Cache
/// locality is not enough"): in groups of rows, so that one shuffle of a CPU, or one word of an
/// OpenCL device, looks up many numbers at once. The layout is the same on every device, in blocks
/// of 64 bytes:
///
///     4 bits   32 rows a group   groups[group][subspace / 4][row % 16][subspace % 4]
///     8 bits   64 rows a group   groups[group][subspace][row % 64]
///
/// Of 4 bits, a byte holds a row's number in its low half, and in its high half that of the row 16
/// further; subspaces are padded to a multiple of four. Rows are padded to whole groups. Padding is
/// zero.
package struct CodeGroups: Sendable {
  package static let blockBytes = 64

  package let count: Int
  package let subspaceCount: Int
  package let bits: Int

  package init(count: Int, subspaceCount: Int, bits: Int) {
    self.count = count
    self.subspaceCount = subspaceCount
    self.bits = bits
  }

  /// Rows of a group.
  package var rows: Int { bits == 4 ? 32 : 64 }
  /// Blocks of a group: for each subspace, or for four of them.
  package var blocks: Int { bits == 4 ? (subspaceCount + 3) / 4 : subspaceCount }
  package var groupCount: Int { (count + rows - 1) / rows }
  package var groupBytes: Int { blocks * Self.blockBytes }
  package var byteCount: Int { groupCount * groupBytes }
  /// Bytes of a query's rounded tables, for all subspaces of the blocks.
  package var tableBytes: Int { bits == 4 ? blocks * Self.blockBytes : subspaceCount << bits }

  /// Writes `groups` of the codes, one after the other, from `target` on.
  ///
  /// - Precondition: room for `groups.count * groupBytes`.
  package func pack(
    _ codes: ProductCodes, _ groups: Range<Int>, to target: UnsafeMutablePointer<UInt8>
  ) {
    target.initialize(repeating: 0, count: groups.count * groupBytes)
    codes.bytes.withUnsafeBufferPointer { bytes in
      guard let start = bytes.baseAddress else { return }
      for group in groups {
        let first = group * rows
        let source = start + first * codes.byteCount
        let place = target + (group - groups.lowerBound) * groupBytes
        if bits == 4 {
          packHalves(source, codes.byteCount, min(rows, count - first), to: place)
        } else {
          packBytes(source, min(rows, count - first), to: place)
        }
      }
    }
  }

  private func packBytes(
    _ codes: UnsafePointer<UInt8>, _ rowCount: Int, to target: UnsafeMutablePointer<UInt8>
  ) {
    for subspace in 0..<subspaceCount {
      for row in 0..<rowCount {
        target[subspace * Self.blockBytes + row] = codes[row * subspaceCount + subspace]
      }
    }
  }

  private func packHalves(
    _ codes: UnsafePointer<UInt8>, _ codeBytes: Int, _ rowCount: Int,
    to target: UnsafeMutablePointer<UInt8>
  ) {
    for row in 0..<rowCount {
      let shift = row / 16 * 4
      for byte in 0..<codeBytes {
        // Two subspaces to a byte; past an odd number of subspaces there is nothing.
        let pair = codes[row * codeBytes + byte]
        let place = target + byte / 2 * Self.blockBytes + row % 16 * 4 + byte % 2 * 2
        place[0] |= (pair & 15) << shift
        if 2 * byte + 1 < subspaceCount { place[1] |= (pair >> 4) << shift }
      }
    }
  }

  /// Returns the byte that holds a row's number for a subspace, and the bits to shift that byte by.
  package func place(ofRow row: Int, subspace: Int) -> (byte: Int, shift: Int) {
    let group = row / rows * groupBytes
    return bits == 4
      ? (
        group + subspace / 4 * Self.blockBytes + row % 16 * 4 + subspace % 4,
        row % rows / 16 * 4
      ) : (group + subspace * Self.blockBytes + row % rows, 0)
  }
}
