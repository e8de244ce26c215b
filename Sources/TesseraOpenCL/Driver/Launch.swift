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
  var workGroups: (x: Int, y: Int)
  /// Work items of a work-group.
  var local: (x: Int, y: Int)
  /// The work of one work-group, roughly, in arithmetic operations; decides where a grid is cut.
  var workEach: Int

  init(workGroups: (x: Int, y: Int), local: (x: Int, y: Int) = (1, 1), workEach: Int) {
    self.workGroups = workGroups
    self.local = local
    self.workEach = max(1, workEach)
  }

  /// A line of work-groups of `local` items that has at least `items` of them.
  init(items: Int, local: Int, workPerItem: Int) {
    self.init(elements: items, span: local, local: local, workPerElement: workPerItem)
  }

  /// A line of work-groups of `local` items that walk `span` elements each.
  init(elements: Int, span: Int, local: Int, workPerElement: Int) {
    self.init(
      workGroups: ((elements + span - 1) / span, 1), local: (local, 1),
      workEach: span * workPerElement)
  }

  /// Operations in one launch: 0.1 s at 170 GFLOP/s, so that a display's watchdog is not woken by a
  /// slow device and a fast one does not notice the cuts.
  static let workPerLaunch = 1 << 34
  /// More work-groups than this in the second dimension are refused by some drivers.
  static let maxRowsPerLaunch = 65_535

  /// The launches that the grid is cut into, as ranges of work-groups.
  var launches: [(x: Range<Int>, y: Range<Int>)] {
    guard workGroups.x > 0, workGroups.y > 0 else { return [] }
    let fitting = max(1, Self.workPerLaunch / workEach)
    let width = min(workGroups.x, fitting)
    let height = min(workGroups.y, max(1, fitting / width), Self.maxRowsPerLaunch)
    return stride(from: 0, to: workGroups.y, by: height).flatMap { y in
      stride(from: 0, to: workGroups.x, by: width).map { x in
        (x..<min(x + width, workGroups.x), y..<min(y + height, workGroups.y))
      }
    }
  }
}

extension Program {
  /// Queues `kernel` over `grid`, in as many launches as that takes.
  func launch(
    _ name: String, _ arguments: [KernelArgument], over grid: Grid, on context: OpenCLContext
  ) throws(TesseraError) {
    let kernel = try kernel(name)
    var values: [OpenCLContext.ArgumentValue] = []
    var owners: [OpenCLStorage] = []
    func add<Value: BitwiseCopyable>(_ value: Value) {
      withUnsafeBytes(of: value) { values.append(.bytes(Array($0))) }
    }
    for argument in arguments {
      switch argument {
      case .memory(let storage, let firstElement):
        // A driver given memory of another context may do anything.
        try context.requireOwn(storage.buffer)
        owners.append(storage)
        add(storage.buffer.memory)
        add(UInt64(firstElement))
      case .int(let value): add(Int32(truncatingIfNeeded: value))
      case .ulong(let value): add(UInt64(value))
      case .float(let value): add(value)
      case .local(let byteCount): values.append(.local(byteCount))
      }
    }
    try context.launch(
      OpenCLContext.QueuedLaunch(
        kernel: kernel, name: name, arguments: values, grid: grid, owners: owners))
  }
}
