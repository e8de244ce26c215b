internal import TesseraCompute

/// A tensor as a generated kernel goes through it: along outer sides, one place at a time; along one
/// side LANES numbers at a time; and perhaps along a side that is combined.
struct KernelView {
  /// The side that a list of rows belongs to: the first outer one, one of the others, or none that is
  /// gone through, since only the first row of the list counts.
  enum ListedSide { case outer, along, loop, once }

  /// The kernel's name for the memory.
  let name: String
  /// The memory and its first element.
  let memory: KernelArgument
  /// Strides along the outer sides.
  let outer: [Int]
  /// The stride along the side whose numbers are taken LANES at a time.
  let along: Int
  /// The stride along the side that is combined, where that is another; or from row to row of a list
  /// of which one counts.
  var loop: Int?
  /// The list of rows that a side goes through.
  var rows: (side: ListedSide, numbers: KernelArgument)?
  /// True if the kernel writes here.
  var isResult = false

  private var isListedAlong: Bool { rows?.side == .along }

  /// Adds the memory and the strides.
  func declare(in parameters: inout KernelParameters) {
    parameters.add(name, memoryOf: isResult ? "float" : "const float", memory)
    if let rows { parameters.add("\(name)_rows", memoryOf: "const int", rows.numbers) }
    for (side, stride) in outer.enumerated() { parameters.add("\(name)_\(side)", stride) }
    if isListedAlong || along > 1 { parameters.add("\(name)_step", along) }
    if let loop { parameters.add("\(name)_loop", loop) }
  }

  /// The statement that finds the place where the outer sides are at `i0`, `i1`, ...
  var base: String {
    var terms = outer.indices.map { side in
      side == 0 && rows?.side == .outer
        ? "(ulong)\(name)_rows[\(name)_rows_start + i0] * \(name)_0"
        : "(ulong)i\(side) * \(name)_\(side)"
    }
    if rows?.side == .once { terms.append("(ulong)\(name)_rows[\(name)_rows_start] * \(name)_loop") }
    return "ulong \(name)_at = \((["\(name)_start"] + terms).joined(separator: " + "));"
  }

  /// The place in a round of the loop over the side that is combined.
  private func place(_ round: String?) -> String {
    guard let round else { return "\(name)_at" }
    return rows?.side == .loop
      ? "\(name)_at + (ulong)\(name)_rows[\(name)_rows_start + \(round)] * \(name)_loop"
      : "\(name)_at + (ulong)\(round) * \(name)_loop"
  }

  /// The numbers from `column` on.
  func load(round: String? = nil) -> String {
    let place = place(round)
    if isListedAlong {
      return "load_rows(\(name) + \(place), \(name)_rows + \(name)_rows_start + column, "
        + "\(name)_step, count)"
    }
    return switch along {
    case 0: "TESSERA_FLOAT(\(name)[\(place)])"
    case 1: "load_next(\(name) + \(place) + column, count)"
    default: "load_steps(\(name) + \(place) + (ulong)column * \(name)_step, \(name)_step, count)"
    }
  }

  /// The statement that stores the numbers from `column` on.
  ///
  /// - Parameter distance: Text to add to the place.
  func store(_ value: String, distance: String = "") -> String {
    let place = "\(name)_at\(distance)"
    if isListedAlong {
      return "store_rows(\(value), \(name) + \(place), \(name)_rows + \(name)_rows_start + column, "
        + "\(name)_step, count);"
    }
    return along <= 1
      ? "store_next(\(value), \(name) + \(place) + \(along == 1 ? "column" : "0"), count);"
      : "store_steps(\(value), \(name) + \(place) + (ulong)column * \(name)_step, \(name)_step, "
        + "count);"
  }

  /// Statements that split `line` into places along outer sides of these lengths, `n1`, `n2`, ...
  static func coordinates(_ sides: Int) -> [String] {
    guard sides > 1 else { return sides == 1 ? ["index_t i0 = line;"] : [] }
    var lines = ["index_t rest = line;"]
    for side in stride(from: sides - 1, to: 0, by: -1) {
      lines.append("index_t i\(side) = rest % (index_t)n\(side); rest /= (index_t)n\(side);")
    }
    return lines + ["index_t i0 = rest;"]
  }

  /// Adds the lengths that `coordinates` uses.
  static func declare(sides: [Int], in parameters: inout KernelParameters) {
    for (side, length) in sides.enumerated().dropFirst() { parameters.add("n\(side)", length) }
  }
}

extension OpenCLDevice {
  /// The view's memory and first element.
  func argument(
    _ view: TensorView<Float>, _ operation: String
  ) throws(TesseraError) -> KernelArgument {
    let storage = try own(view.storage, operation)
    return .memory(
      storage, firstElement: storage.start / MemoryLayout<Float>.stride + view.offset)
  }

  /// The list of rows of a view, if it has one.
  func rows(
    of view: TensorView<Float>, along side: KernelView.ListedSide, _ operation: String
  ) throws(TesseraError) -> (side: KernelView.ListedSide, numbers: KernelArgument)? {
    guard let rows = view.rows else { return nil }
    return (side, try argument(rows.numbers, operation))
  }
}
