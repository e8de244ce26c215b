package import TesseraCompute
internal import TesseraHost

extension Vectors {
  /// Returns a copy of the rows, one after the other, stored in another type that has all their numbers.
  ///
  /// - Throws: `.invalidArgument`, naming the row, for a number that `element` does not have;
  ///   `.outOfMemory`.
  package func converted(
    to element: ElementType, _ operation: String
  ) throws(TesseraError) -> Vectors {
    guard element != self.element else { return try gathered(0..<count) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * dimension * element.byteCount)
    for index in 0..<count {
      guard element.append(row(index), onto: &bytes) else {
        throw TesseraError(
          .invalidArgument,
          "\(operation): row \(index) has numbers that \(element), the type of the index's rows, does "
            + "not have; round the vectors to it first")
      }
    }
    return try Vectors(
      HostMemory(copying: bytes), element: element, count: count, dimension: dimension)
  }
}

extension ElementType {
  /// Appends numbers as they are stored. Returns false for one that this type does not have.
  fileprivate func append(_ row: [Float], onto bytes: inout [UInt8]) -> Bool {
    if let number = NumberType(self) { return number.encode(row.span, .exact, onto: &bytes) == nil }
    for value in row {
      guard value.bitPattern & 0xFFFF == 0 else { return false }
      let bits = UInt16(value.bitPattern >> 16)
      bytes += [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
    }
    return true
  }
}
