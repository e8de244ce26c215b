internal import COpenCL
internal import TesseraCompute

/// One argument of a kernel.
enum KernelArgument {
  /// Two parameters: the buffer, and its first element as a `ulong`.
  case memory(OpenCLStorage, firstElement: Int)
  case int(Int)
  case ulong(Int)
  case float(Float)
  /// `__local` memory of so many bytes.
  case local(Int)

  /// All of `storage`, as elements of type `Element`.
  static func all<Element>(of storage: OpenCLStorage, as: Element.Type) -> KernelArgument {
    .memory(storage, firstElement: storage.start / MemoryLayout<Element>.stride)
  }
}

/// Spreads a kernel's work: work-groups in two dimensions, and the work of one of them.
struct Grid {
  var groups: (x: Int, y: Int)
  /// Work items per group.
  var local: (x: Int, y: Int)
  /// Roughly, in arithmetic operations; decides where a launch is cut.
  var workPerGroup: Int

  init(groups: (x: Int, y: Int), local: (x: Int, y: Int) = (1, 1), workPerGroup: Int) {
    self.groups = groups
    self.local = local
    self.workPerGroup = max(1, workPerGroup)
  }

  /// A line of groups of `local` items that has at least `items` of them.
  init(items: Int, local: Int, workPerItem: Int) {
    self.init(elements: items, span: local, local: local, workPerElement: workPerItem)
  }

  /// A line of groups of `local` items that walk `span` elements each.
  init(elements: Int, span: Int, local: Int, workPerElement: Int) {
    self.init(
      groups: ((elements + span - 1) / span, 1), local: (local, 1),
      workPerGroup: span * workPerElement)
  }

  /// Operations in one launch: 0.1 s at 170 GFLOP/s, so that a display's watchdog is not woken by a
  /// slow device and a fast one does not notice the cuts.
  static let workPerLaunch = 1 << 34
  /// More groups than this in the second dimension are refused by some drivers.
  static let maxRowsPerLaunch = 65_535

  /// The pieces in which the grid is launched, in groups.
  var pieces: [(x: Range<Int>, y: Range<Int>)] {
    guard groups.x > 0, groups.y > 0 else { return [] }
    let fitting = max(1, Self.workPerLaunch / workPerGroup)
    let width = min(groups.x, fitting)
    let height = min(groups.y, max(1, fitting / width), Self.maxRowsPerLaunch)
    return stride(from: 0, to: groups.y, by: height).flatMap { y in
      stride(from: 0, to: groups.x, by: width).map { x in
        (x..<min(x + width, groups.x), y..<min(y + height, groups.y))
      }
    }
  }
}

extension Program {
  /// Queues `kernel` over `grid`, piece by piece.
  func launch(
    _ name: String, _ arguments: [KernelArgument], over grid: Grid, on context: OpenCLContext
  ) throws(TesseraError) {
    let kernel = try kernel(name)
    try set(arguments, of: kernel, named: name, on: context)
    let local = [grid.local.x, grid.local.y]
    for piece in grid.pieces {
      let offset = [piece.x.lowerBound * local[0], piece.y.lowerBound * local[1]]
      let global = [piece.x.count * local[0], piece.y.count * local[1]]
      try context.launch(
        kernel, named: name, offset: offset, global: global, local: local,
        work: piece.x.count * piece.y.count * grid.workPerGroup)
    }
    try context.flush()
  }

  private func set(
    _ arguments: [KernelArgument], of kernel: cl_kernel, named name: String,
    on context: OpenCLContext
  ) throws(TesseraError) {
    var index: cl_uint = 0
    func set<Value: BitwiseCopyable>(_ value: Value) throws(TesseraError) {
      try withUnsafeBytes(of: value) { bytes throws(TesseraError) in
        try setBytes(bytes.count, bytes.baseAddress)
      }
    }
    func setBytes(_ count: Int, _ start: UnsafeRawPointer?) throws(TesseraError) {
      let status = context.api.clSetKernelArg(kernel, index, count, start)
      try context.check(status, "clSetKernelArg(\(name), \(index))")
      index += 1
    }
    for argument in arguments {
      switch argument {
      case .memory(let storage, let firstElement):
        // A driver given memory of another context may do anything.
        try context.requireOwn(storage.buffer)
        try set(storage.buffer.memory)
        try set(UInt64(firstElement))
      case .int(let value): try set(Int32(truncatingIfNeeded: value))
      case .ulong(let value): try set(UInt64(value))
      case .float(let value): try set(value)
      case .local(let byteCount): try setBytes(byteCount, nil)
      }
    }
  }
}
