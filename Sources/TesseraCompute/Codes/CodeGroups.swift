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

  /// The places of rows: each list begins with a group of its own.
  package let layout: PanelLayout
  package let subspaceCount: Int
  package let bits: Int

  package init(_ lists: RowLists, subspaceCount: Int, bits: Int) {
    layout = PanelLayout(lists, panelRows: bits == 4 ? 32 : 64)
    self.subspaceCount = subspaceCount
    self.bits = bits
  }

  /// Rows of a group.
  package var rows: Int { layout.panelRows }
  /// Blocks of a group: for each subspace, or for four of them.
  package var blocks: Int { Self.blocks(subspaceCount: subspaceCount, bits: bits) }
  package var groupCount: Int { layout.panelCount }
  package var groupBytes: Int { blocks * Self.blockBytes }
  package var byteCount: Int { groupCount * groupBytes }
  /// The number of places, of which each group has as many.
  package var placeCount: Int { groupCount * rows }
  /// Bytes of a query's rounded tables, for all subspaces of the blocks.
  package var tableBytes: Int { Self.tableBytes(subspaceCount: subspaceCount, bits: bits) }

  package static func tableBytes(subspaceCount: Int, bits: Int) -> Int {
    bits == 4 ? blocks(subspaceCount: subspaceCount, bits: 4) * blockBytes : subspaceCount << bits
  }

  private static func blocks(subspaceCount: Int, bits: Int) -> Int {
    bits == 4 ? (subspaceCount + 3) / 4 : subspaceCount
  }

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
        let own = layout.rows(of: group)
        let source = start + own.lowerBound * codes.byteCount
        let place = target + (group - groups.lowerBound) * groupBytes
        if bits == 4 {
          packHalves(source, codes.byteCount, own.count, to: place)
        } else {
          packBytes(source, own.count, to: place)
        }
      }
    }
  }

  /// Spreads a number of each row over the places; `none` where there is no row.
  package func spread<Number>(
    _ numbers: [Number], _ none: Number, to target: UnsafeMutablePointer<Number>
  ) {
    target.initialize(repeating: none, count: placeCount)
    layout.forEachPanel(of: 0..<layout.lists.count) { group, own in
      for (place, row) in own.enumerated() { target[group * rows + place] = numbers[row] }
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

  /// The number that the code at a place has for a subspace, in groups one after the other.
  package func number(in groups: [UInt8], place: Int, subspace: Int) -> UInt8 {
    let start = place / rows * groupBytes
    guard bits == 4 else { return groups[start + subspace * Self.blockBytes + place % rows] }
    let byte = groups[start + subspace / 4 * Self.blockBytes + place % 16 * 4 + subspace % 4]
    return byte >> UInt8(place % rows / 16 * 4) & 15
  }
}
