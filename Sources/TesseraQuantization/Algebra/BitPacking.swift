import TesseraCompute

/// Whole numbers of `bits` bits as a little-endian stream, the first in the lowest bits, each row
/// beginning with a byte of its own: FAISS's order.
package struct BitPacking: Sendable, Hashable {
  let bits: Int
  let perRow: Int

  package init(bits: Int, perRow: Int) {
    self.bits = bits
    self.perRow = perRow
  }

  package var bytesPerRow: Int { (bits * perRow + 7) / 8 }

  /// Packs whole rows of numbers below `1 << bits`.
  package func pack<Number: FixedWidthInteger>(_ numbers: [Number]) -> [UInt8] {
    if bits == 8 { return numbers.map { UInt8(truncatingIfNeeded: $0) } }
    let rows = numbers.count / perRow
    var bytes = [UInt8](repeating: 0, count: rows * bytesPerRow)
    var target = bytes.mutableSpan
    for row in 0..<rows {
      pack(
        row: numbers.span.extracting(.row(row, of: perRow)), to: &target, from: row * bytesPerRow)
    }
    return bytes
  }

  /// Packs one row of numbers into `bytesPerRow` bytes, from `first` on.
  func pack<Number: FixedWidthInteger>(
    row numbers: Span<Number>, to bytes: inout MutableSpan<UInt8>, from first: Int
  ) {
    precondition(
      numbers.count == perRow && first >= 0 && first + bytesPerRow <= bytes.count, "a row's room")
    var pending: UInt64 = 0
    var held = 0
    var next = first
    for index in 0..<perRow {
      pending |= UInt64(truncatingIfNeeded: numbers[unchecked: index]) << UInt64(held)
      held += bits
      while held >= 8 {
        bytes[unchecked: next] = UInt8(truncatingIfNeeded: pending)
        next += 1
        pending >>= 8
        held -= 8
      }
    }
    if held > 0 { bytes[unchecked: next] = UInt8(truncatingIfNeeded: pending) }
  }

  /// Unpacks whole rows of `bytesPerRow`.
  package func unpack(_ bytes: [UInt8]) -> [UInt16] {
    if bits == 8 { return bytes.map(UInt16.init) }
    let rows = bytes.count / bytesPerRow
    var numbers = [UInt16](repeating: 0, count: rows * perRow)
    var target = numbers.mutableSpan
    for row in 0..<rows {
      unpack(
        row: bytes.span.extracting(.row(row, of: bytesPerRow)), to: &target, from: row * perRow)
    }
    return numbers
  }

  /// Unpacks one row of at least `bytesPerRow` bytes.
  func unpack(row bytes: Span<UInt8>, to numbers: inout [UInt16]) {
    var target = numbers.mutableSpan
    unpack(row: bytes, to: &target, from: 0)
  }

  private func unpack(
    row bytes: Span<UInt8>, to numbers: inout MutableSpan<UInt16>, from first: Int
  ) {
    precondition(
      bytes.count >= bytesPerRow && first >= 0 && first + perRow <= numbers.count, "a row's room")
    let mask = UInt64(1) << UInt64(bits) - 1
    var pending: UInt64 = 0
    var held = 0
    var next = 0
    for index in first..<first + perRow {
      while held < bits {
        pending |= UInt64(bytes[unchecked: next]) << UInt64(held)
        next += 1
        held += 8
      }
      numbers[unchecked: index] = UInt16(truncatingIfNeeded: pending & mask)
      pending >>= UInt64(bits)
      held -= bits
    }
  }
}
