internal import CSIMD
internal import TesseraCompute

/// The codewords of one part rounded to whole numbers of 16 bits, as `encode_whole.h` reads them.
struct WholeCodewords: @unchecked Sendable {
  // Safe: written only by `init`.
  private let storage: HostStorage
  let scale: Float
  /// The greatest length of what rounding removed.
  let rest: Float

  var words: UnsafePointer<Int32> { UnsafePointer(storage.int32s) }

  /// Nil where whole numbers would not do: codewords that are no multiple of what is packed side by
  /// side, all the same, or of lengths near the ends of Float32.
  ///
  /// - Parameter panels: As `csimd_codebook` has them.
  init?(
    _ panels: UnsafePointer<Float>, count: Int, width: Int, longest: Float
  ) throws(TesseraError) {
    let lanes = Int(CSIMD_CODEWORDS)
    let length = Double(longest).squareRoot()
    guard count % lanes == 0, width <= Int(CSIMD_WHOLE_WIDTH), (0x1p-40...0x1p40).contains(length)
    else { return nil }
    let scale = Float(Double(CSIMD_WHOLE_LENGTH) / length)
    let rows = (width + 1) / 2 + 1
    storage = try HostStorage(allocating: count * rows * MemoryLayout<Int32>.stride)
    var greatest = 0.0
    for codeword in 0..<count {
      let source = panels + codeword / lanes * lanes * (width + 1) + codeword % lanes
      let target = storage.int32s + codeword / lanes * lanes * rows + codeword % lanes
      var (squares, lost) = (0.0, 0.0)
      for d in 0..<width {
        let scaled = Double(source[(d + 1) * lanes]) * Double(scale)
        let rounded = scaled.rounded()
        squares += scaled * scaled
        lost += (scaled - rounded) * (scaled - rounded)
        let half = Int32(rounded) & 0xFFFF
        let word = target + (d / 2 + 1) * lanes
        word.pointee = d % 2 == 0 ? half : word.pointee | half << 16
      }
      target.pointee = Int32((squares / 2).rounded())
      greatest = max(greatest, lost)
    }
    self.scale = scale
    // Rounded up, as it is part of an error bound.
    rest = Float(greatest.squareRoot()).nextUp
  }
}
