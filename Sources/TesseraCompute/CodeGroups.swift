/// How codes of 4 bits lie for a fast scan (André, Kermarrec and Le Scouarnec 2015, "Cache locality
/// is not enough"): in groups of 32 rows, so that one shuffle of a CPU, or one word of an OpenCL
/// device, looks up many numbers at once. The same on every device.
///
///     groups[group][part / 4][row % 16][part % 4]
///
/// A byte holds a row's number in its low half, and in its high half that of the row 16 further.
/// Parts are padded to a multiple of four and rows to whole groups, with zeros.
package struct CodeGroups: Sendable {
  package static let rows = 32
  /// Bytes of four parts of a group.
  package static let blockBytes = 64

  package let count: Int
  package let parts: Int

  package init(count: Int, parts: Int) {
    self.count = count
    self.parts = parts
  }

  /// Fours of parts.
  package var blocks: Int { (parts + 3) / 4 }
  package var groupCount: Int { (count + Self.rows - 1) / Self.rows }
  package var groupBytes: Int { blocks * Self.blockBytes }
  package var byteCount: Int { groupCount * groupBytes }

  /// Writes `groups` of the codes, one after the other, from `target` on.
  ///
  /// - Precondition: codes of 4 bits, and room for `groups.count * groupBytes`.
  package func pack(
    _ codes: ProductCodes, _ groups: Range<Int>, to target: UnsafeMutablePointer<UInt8>
  ) {
    target.initialize(repeating: 0, count: groups.count * groupBytes)
    codes.bytes.withUnsafeBufferPointer { bytes in
      for row in groups.lowerBound * Self.rows..<min(groups.upperBound * Self.rows, count) {
        let shift = row % Self.rows / 16 * 4
        let start =
          target + (row / Self.rows - groups.lowerBound) * groupBytes + row % 16 * 4
        for byte in 0..<codes.byteCount {
          // Two parts to a byte; past an odd number of parts there is nothing.
          let pair = bytes[row * codes.byteCount + byte]
          let place = start + byte / 2 * Self.blockBytes + byte % 2 * 2
          place[0] |= (pair & 15) << shift
          if 2 * byte + 1 < parts { place[1] |= (pair >> 4) << shift }
        }
      }
    }
  }
}
