import Tessera

/// A size as people write it: 4096, 64K, 512M, 1.5G, 4GiB.
enum ByteSize {
  static func parse(_ text: String) throws(TesseraError) -> Int {
    var number = text[...]
    var scale = 1.0
    let lowered = text.lowercased()
    for ending in ["ib", "b"] where lowered.hasSuffix(ending) {
      number = number.dropLast(ending.count)
      break
    }
    if let unit = number.last?.lowercased(), let power = ["k", "m", "g", "t"].firstIndex(of: unit) {
      number = number.dropLast()
      for _ in 0...power { scale *= 1024 }
    }
    guard let value = Double(number), value * scale >= 1,
      let bytes = Int(exactly: (value * scale).rounded())
    else {
      throw TesseraError(
        .invalidArgument, "\"\(text)\" is not a size; write 4096, 512M, 1.5G or the like")
    }
    return bytes
  }
}
