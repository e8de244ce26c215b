/// CRC-32 as zlib and PNG have it, so that any language can check it.
enum Checksum {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in
      value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1
    }
  }

  static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      ~bytes.reduce(~UInt32(0)) { $0 >> 8 ^ table[Int(($0 ^ UInt32($1)) & 0xFF)] }
    }
  }

  /// Eight hexadecimal digits after the name of the algorithm.
  static func text(_ bytes: UnsafeRawBufferPointer) -> String {
    let digits = String(crc32(bytes), radix: 16)
    return "crc32:" + String(repeating: "0", count: 8 - digits.count) + digits
  }
}
