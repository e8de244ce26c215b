internal import TesseraCompute

/// The parameters of a generated kernel with what each is given, in one order.
struct KernelParameters {
  private(set) var arguments: [KernelArgument] = []
  private var declarations: [String] = []
  private var byteCount = 0

  /// The bytes of arguments that every device takes.
  private static let byteLimit = 1024

  /// The parameters as the kernel declares them.
  var text: String { declarations.joined(separator: ", ") }
  /// True if a device need not take so many arguments.
  var isTooLong: Bool { byteCount > Self.byteLimit }

  /// Adds `__global type *name` and `ulong name_start`.
  mutating func add(_ name: String, memoryOf type: String, _ argument: KernelArgument) {
    add("__global \(type) *\(name), ulong \(name)_start", argument, bytes: 16)
  }

  /// Adds a `ulong`.
  mutating func add(_ name: String, _ value: Int) { add("ulong \(name)", .ulong(value), bytes: 8) }

  /// Adds a `uint`.
  mutating func add(_ name: String, _ value: UInt32) {
    add("uint \(name)", .int(Int(value)), bytes: 4)
  }

  /// Adds a `float`.
  mutating func add(_ name: String, _ value: Float) { add("float \(name)", .float(value), bytes: 4) }

  private mutating func add(_ declaration: String, _ argument: KernelArgument, bytes: Int) {
    declarations.append(declaration)
    arguments.append(argument)
    byteCount += bytes
  }
}
