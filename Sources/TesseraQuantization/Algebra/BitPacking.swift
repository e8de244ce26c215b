import TesseraCompute

/// Whole numbers of `bits` bits as a little-endian stream, the first in the lowest bits, each row
/// beginning with a byte of its own: FAISS's order.
struct BitPacking: Sendable, Hashable {
  let bits: Int
  let perRow: Int

  var bytesPerRow: Int { (bits * perRow + 7) / 8 }

  /// - Precondition: whole rows of numbers below `1 << bits`.
  func pack<Number: FixedWidthInteger>(_ numbers: [Number]) -> [UInt8] {
    if bits == 8 { return numbers.map { UInt8(truncatingIfNeeded: $0) } }
    let rows = numbers.count / perRow
    return [UInt8](unsafeUninitializedCapacity: rows * bytesPerRow) { bytes, initialized in
      initialized = rows * bytesPerRow
      numbers.withUnsafeBufferPointer { numbers in
        guard let source = numbers.baseAddress, let target = bytes.baseAddress else { return }
        for row in 0..<rows { pack(row: source + row * perRow, to: target + row * bytesPerRow) }
      }
    }
  }

  /// Packs one row of numbers into `bytesPerRow` bytes.
  func pack<Number: FixedWidthInteger>(
    row numbers: UnsafePointer<Number>, to bytes: UnsafeMutablePointer<UInt8>
  ) {
    var pending: UInt64 = 0
    var held = 0
    var next = 0
    for index in 0..<perRow {
      pending |= UInt64(truncatingIfNeeded: numbers[index]) << UInt64(held)
      held += bits
      while held >= 8 {
        bytes[next] = UInt8(truncatingIfNeeded: pending)
        next += 1
        pending >>= 8
        held -= 8
      }
    }
    if held > 0 { bytes[next] = UInt8(truncatingIfNeeded: pending) }
  }

  /// - Precondition: whole rows of `bytesPerRow`.
  func unpack(_ bytes: [UInt8]) -> [UInt16] {
    if bits == 8 { return bytes.map(UInt16.init) }
    let rows = bytes.count / bytesPerRow
    return [UInt16](unsafeUninitializedCapacity: rows * perRow) { numbers, initialized in
      initialized = rows * perRow
      bytes.withUnsafeBufferPointer { bytes in
        guard let source = bytes.baseAddress, let target = numbers.baseAddress else { return }
        for row in 0..<rows { unpack(row: source + row * bytesPerRow, to: target + row * perRow) }
      }
    }
  }

  /// Unpacks one row of `bytesPerRow` bytes.
  func unpack(row bytes: UnsafePointer<UInt8>, to numbers: UnsafeMutablePointer<UInt16>) {
    let mask = UInt64(1) << UInt64(bits) - 1
    var pending: UInt64 = 0
    var held = 0
    var next = 0
    for index in 0..<perRow {
      while held < bits {
        pending |= UInt64(bytes[next]) << UInt64(held)
        next += 1
        held += 8
      }
      numbers[index] = UInt16(truncatingIfNeeded: pending & mask)
      pending >>= UInt64(bits)
      held -= bits
    }
  }
}
