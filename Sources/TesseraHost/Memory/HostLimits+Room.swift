extension HostLimits {
  /// Throws if the process cannot be given `byteCount` bytes more.
  ///
  /// Arrays of Swift end the process where memory is refused, so large ones are asked for here first.
  /// A refusal that comes later is still possible: others use the memory too.
  ///
  /// - Parameters:
  ///   - what: Names what needs the memory.
  ///   - remedy: Says what to do instead.
  /// - Complexity: O(1); nothing is read for less than 64 MiB.
  /// - Throws: `.outOfMemory`.
  package func requireRoom(
    for byteCount: Int, _ what: () -> String, remedy: () -> String
  ) throws(TesseraError) {
    guard byteCount > 64 << 20 else { return }
    let available = availableBytes
    // The limit of the address space shows only when it is asked for.
    let isThere = byteCount <= available && Self.canAllocate(byteCount)
    guard !isThere else { return }
    throw TesseraError(
      .outOfMemory,
      "\(what()) need \(byteCount) bytes of memory, about \(available) can be had at once; "
        + remedy())
  }

  /// Asks for memory and gives it back untouched.
  private static func canAllocate(_ byteCount: Int) -> Bool {
    guard let memory = try? UnsafeMutableRawBufferPointer.allocateAligned(byteCount) else {
      return false
    }
    memory.deallocateAligned()
    return true
  }
}
