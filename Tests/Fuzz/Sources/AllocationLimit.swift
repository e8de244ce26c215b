#if FUZZING
  /// The target that this process gives bytes to.
  nonisolated(unsafe) var chosenTarget: FuzzTarget?

  /// Counts what the address sanitizer's allocator gives, and stops the program where a reader holds
  /// more at once than a small multiple of its file.
  enum AllocationLimit {
    /// JSON text grows most: `[1],` becomes an array in an array.
    static let bytesPerByte = 64
    /// For error messages and tables that are as large for every file.
    static let alwaysFree = 256 << 10

    nonisolated(unsafe) fileprivate static var live = 0
    nonisolated(unsafe) fileprivate static var most = 0

    static func install() {
      _ = installHooks(
        { _, size in
          AllocationLimit.live += size
          if AllocationLimit.live > AllocationLimit.most {
            AllocationLimit.most = AllocationLimit.live
          }
        },
        { start in
          if let start { AllocationLimit.live -= allocatedSize(start) }
        })
      // Without the hooks nothing would ever be too much.
      most = 0
      use([UInt8](repeating: 1, count: 1 << 20))
      guard most >= 1 << 20 else { fatalError("allocations are not counted") }
    }

    static func check(_ byteCount: Int, _ body: () -> Void) {
      live = 0
      most = 0
      body()
      let limit = alwaysFree + bytesPerByte * byteCount
      guard most <= limit else {
        fatalError("\(most) bytes were allocated at once for a file of \(byteCount)")
      }
    }
  }

  @_silgen_name("__sanitizer_install_malloc_and_free_hooks")
  private func installHooks(
    _ allocated: @convention(c) (UnsafeRawPointer?, Int) -> Void,
    _ freed: @convention(c) (UnsafeRawPointer?) -> Void
  ) -> Int32

  @_silgen_name("__sanitizer_get_allocated_size")
  private func allocatedSize(_ start: UnsafeRawPointer) -> Int
#endif
