internal import TesseraCompute
internal import TesseraHost

/// Product codes of 4 bits, packed for FAISS's fast scan: blocks of 32 codes, in which 32 bytes hold two
/// subspaces of all 32.
///
/// Byte j of the first 16 has the even subspace of code p(j) in its low bits and of code p(j) + 16 in its
/// high bits, p being 0, 8, 1, 9, 2, 10 and so on; the other 16 bytes have the odd subspace.
struct FAISSFastScan: Sendable {
  /// Numbers that steer FAISS's kernels and change no result.
  var implementation: Int32
  var queryBlock: Int
  /// Subspaces with padding.
  var paddedSubspaces: Int
  /// The blocks as the file has them: of the whole index, or of each list.
  var blocks: [Vectors]

  static let blockSize = 32

  /// Bytes of the blocks of so many codes.
  static func byteCount(_ count: Int, subspaces: Int) -> Int {
    (count + blockSize - 1) / blockSize * ((subspaces + 1) / 2) * blockSize
  }

  /// Unpacks codes.
  ///
  /// - Parameter bytes: The whole blocks of `count` codes.
  /// - Returns: Codes as FAISS packs them elsewhere: subspace 0 in the lowest bits.
  static func unpack(_ bytes: Span<UInt8>, count: Int, subspaces: Int) -> [UInt8] {
    let width = (subspaces + 1) / 2
    var codes = [UInt8](repeating: 0, count: count * width)
    for code in 0..<count {
      let place = code % blockSize
      let low = place % 16
      let byte = low < 8 ? 2 * low : 2 * (low - 8) + 1
      let shift = place < 16 ? 0 : 4
      for pair in 0..<width {
        let start = (code / blockSize * width + pair) * blockSize + byte
        let even = bytes[start] >> shift & 15
        let odd = bytes[start + 16] >> shift & 15
        codes[code * width + pair] =
          2 * pair + 1 < subspaces ? even | odd << 4 : even
      }
    }
    return codes
  }
}
