/// How codes of 4 bits lie for a fast scan (André, Kermarrec and Le Scouarnec 2015, "Cache locality
/// is not enough"): in groups of 32 rows, so that one shuffle of a CPU, or one word of an OpenCL
/// device, looks up many rows at once. The same on every device.
///
///     groups[group][part][16]
///
/// Byte j of a part holds the number of the group's row j in its low half and of row j + 16 in its
/// high half. Parts are padded to a multiple of four and rows to whole groups, with zeros.
package struct CodeGroups: Sendable {
  package static let rows = 32
  /// Bytes of a group's part, and entries of a part's table.
  package static let width = 16

  package let count: Int
  package let parts: Int

  package init(count: Int, parts: Int) {
    self.count = count
    self.parts = parts
  }

  package var paddedParts: Int { (parts + 3) / 4 * 4 }
  package var groupCount: Int { (count + Self.rows - 1) / Self.rows }
  package var groupBytes: Int { paddedParts * Self.width }
  package var byteCount: Int { groupCount * groupBytes }

  /// Writes `groups` of the codes, one after the other, from `target` on.
  ///
  /// - Precondition: codes of 4 bits, and room for `groups.count * groupBytes`.
  package func pack(
    _ codes: ProductCodes, _ groups: Range<Int>, to target: UnsafeMutablePointer<UInt8>
  ) {
    target.initialize(repeating: 0, count: groups.count * groupBytes)
    codes.bytes.withUnsafeBufferPointer { bytes in
      for group in groups {
        let start = target + (group - groups.lowerBound) * groupBytes
        for row in group * Self.rows..<min((group + 1) * Self.rows, count) {
          let shift = row % Self.rows / Self.width * 4
          let place = start + row % Self.width
          for byte in 0..<codes.byteCount {
            // Two parts to a byte; past an odd number of parts the half is zero.
            let pair = bytes[row * codes.byteCount + byte]
            place[2 * byte * Self.width] |= (pair & 15) << shift
            if 2 * byte + 1 < parts {
              place[(2 * byte + 1) * Self.width] |= (pair >> 4) << shift
            }
          }
        }
      }
    }
  }
}
