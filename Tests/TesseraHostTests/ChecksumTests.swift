import TesseraHost
import Testing

@Suite("CRC-32")
struct ChecksumTests {
  @Test(
    "is what zlib computes",
    arguments: [
      ("", 0), ("a", 0xE8B7_BE43), ("abc", 0x3524_41C2), ("123456789", 0xCBF4_3926),
      ("The quick brown fox jumps over the lazy dog", 0x414F_A339),
    ] as [(String, UInt32)])
  func known(_ text: String, _ sum: UInt32) {
    #expect(Array(text.utf8).withUnsafeBytes(Checksum.crc32) == sum)
  }

  @Test("is its definition, bit by bit, for every length and alignment")
  func definition() {
    let bytes = (0..<80).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ 29) }
    for start in 0..<8 {
      for length in 0...64 {
        let part = bytes[start..<start + length]
        let found = part.withUnsafeBytes(Checksum.crc32)
        #expect(found == Self.defined(part), "\(length) bytes from \(start)")
      }
    }
  }

  @Test("is written with eight digits")
  func text() {
    #expect([].withUnsafeBytes(Checksum.text) == "crc32:00000000")
    #expect(Array("a".utf8).withUnsafeBytes(Checksum.text) == "crc32:e8b7be43")
  }

  private static func defined(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { value, byte in
      (0..<8).reduce(value ^ UInt32(byte)) { value, _ in
        value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1
      }
    }
  }
}
