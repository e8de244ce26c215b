/// Computes CRC-32 as zlib and PNG have it, so that any language can check it.
package enum Checksum {
  /// Eight tables: table t says what a byte does that is t bytes before the end of a word of eight
  /// (Kounavis and Berry 2005, "slicing by 8").
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for index in 0..<256 {
      tables[index] = (0..<8).reduce(UInt32(index)) { value, _ in
        value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1
      }
    }
    for index in 256..<8 * 256 {
      let before = tables[index - 256]
      tables[index] = before >> 8 ^ tables[Int(before & 0xFF)]
    }
    return tables
  }()

  /// Returns the checksum of `bytes`.
  ///
  /// - Complexity: O(bytes), eight at a time.
  package static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 { crc32(bytes, after: 0) }

  /// Returns the checksum of bytes whose first ones have the checksum `before`, and whose last ones are
  /// `bytes`.
  package static func crc32(_ bytes: UnsafeRawBufferPointer, after before: UInt32) -> UInt32 {
    tables.withUnsafeBufferPointer { tables in
      var value = ~before
      var offset = 0
      while bytes.count - offset >= 8 {
        let word = UInt64(
          littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        let mixed = word ^ UInt64(value)
        value = 0
        for position in 0..<8 {
          let byte = Int(truncatingIfNeeded: mixed >> (8 * UInt64(position))) & 0xFF
          value ^= tables[(7 - position) << 8 + byte]
        }
        offset += 8
      }
      for byte in bytes[offset...] {
        value = value >> 8 ^ tables[Int((value ^ UInt32(byte)) & 0xFF)]
      }
      return ~value
    }
  }

  /// Returns eight hexadecimal digits after the name of the algorithm.
  package static func text(_ bytes: UnsafeRawBufferPointer) -> String {
    text(of: CollectionOfOne(bytes))
  }

  /// Returns the same of several runs of bytes, one after the other.
  package static func text(of runs: some Sequence<UnsafeRawBufferPointer>) -> String {
    let digits = String(runs.reduce(0) { crc32($1, after: $0) }, radix: 16)
    return "crc32:" + String(repeating: "0", count: 8 - digits.count) + digits
  }
}
