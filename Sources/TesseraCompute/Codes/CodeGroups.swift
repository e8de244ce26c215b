/// Describes how codes are stored for a fast scan (André, Kermarrec and Le Scouarnec 2015, "Cache
/// locality is not enough"): in groups of rows, so that one shuffle of a CPU, or one word of an
/// OpenCL device, looks up many numbers at once. The layout is the same on every device, in blocks
/// of 64 bytes:
///
///     4 bits   32 rows a group   groups[group][part / 4][row % 16][part % 4]
///     8 bits   64 rows a group   groups[group][part][row % 64]
///
/// Of 4 bits, a byte holds a row's number in its low half, and in its high half that of the row 16
/// further; parts are padded to a multiple of four. Rows are padded to whole groups. Padding is zero.
package struct CodeGroups: Sendable {
  package static let blockBytes = 64

  package let count: Int
  package let parts: Int
  package let bits: Int

  package init(count: Int, parts: Int, bits: Int) {
    self.count = count
    self.parts = parts
    self.bits = bits
  }

  /// Rows of a group.
  package var rows: Int { bits == 4 ? 32 : 64 }
  /// Blocks of a group: for each part, or for four of them.
  package var blocks: Int { bits == 4 ? (parts + 3) / 4 : parts }
  package var groupCount: Int { (count + rows - 1) / rows }
  package var groupBytes: Int { blocks * Self.blockBytes }
  package var byteCount: Int { groupCount * groupBytes }
  /// Bytes of a query's rounded tables, for all parts of the blocks.
  package var tableBytes: Int { bits == 4 ? blocks * Self.blockBytes : parts << bits }

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
    for part in 0..<parts {
      for row in 0..<rowCount { target[part * Self.blockBytes + row] = codes[row * parts + part] }
    }
  }

  private func packHalves(
    _ codes: UnsafePointer<UInt8>, _ codeBytes: Int, _ rowCount: Int,
    to target: UnsafeMutablePointer<UInt8>
  ) {
    for row in 0..<rowCount {
      let shift = row / 16 * 4
      for byte in 0..<codeBytes {
        // Two parts to a byte; past an odd number of parts there is nothing.
        let pair = codes[row * codeBytes + byte]
        let place = target + byte / 2 * Self.blockBytes + row % 16 * 4 + byte % 2 * 2
        place[0] |= (pair & 15) << shift
        if 2 * byte + 1 < parts { place[1] |= (pair >> 4) << shift }
      }
    }
  }

  /// Returns the byte that holds a row's number for a part, and the bits to shift that byte by.
  package func place(ofRow row: Int, part: Int) -> (byte: Int, shift: Int) {
    let group = row / rows * groupBytes
    return bits == 4
      ? (
        group + part / 4 * Self.blockBytes + row % 16 * 4 + part % 4,
        row % rows / 16 * 4
      ) : (group + part * Self.blockBytes + row % rows, 0)
  }
}
