internal import CSIMD
internal import TesseraCompute

/// A formula as the C kernels run it: each step reads and writes slots, rows of numbers of one tile.
struct FormulaProgram: Sendable {
  /// Numbers of a tile: a slot of so many stays in the nearest cache.
  static let tile = 1024

  /// The steps that compute something, in order.
  let steps: [csimd_step]
  /// The number of slots.
  let slotCount: Int
  /// The slot that each input is read from; nil for an input that is not used.
  let inputs: [Int?]
  /// Slots that hold one number throughout.
  let constants: [(slot: Int, value: Float)]
  /// Slots that are filled with random numbers.
  let randoms: [(slot: Int, draw: UInt32)]
  /// The slot of each result.
  let outputs: [Int]
  /// True if results can be written where they belong while the tile is computed: no step reads an
  /// input after the first result is written, and none hands an input on.
  let writesDirectly: Bool

  init(_ formula: Formula, parameters: [Float]) {
    var inputs = [Int?](repeating: nil, count: formula.inputCount)
    var (constants, randoms): ([(Int, Float)], [(Int, UInt32)]) = ([], [])
    var lastUse = [Int](repeating: -1, count: formula.steps.count)
    for (place, step) in formula.steps.enumerated() {
      for slot in 0..<step.operation.operandCount { lastUse[Int(step.operands[slot])] = place }
    }
    for output in formula.outputs { lastUse[output] = formula.steps.count }

    var slots = [Int](repeating: 0, count: formula.steps.count)
    var (free, slotCount): ([Int], Int) = ([], 0)
    func new() -> Int {
      slotCount += 1
      return slotCount - 1
    }
    var steps: [csimd_step] = []
    var lastInputRead = -1
    for (place, step) in formula.steps.enumerated() {
      switch step.operation {
      case .input:
        slots[place] = new()
        inputs[Int(step.number)] = slots[place]
      case .parameter:
        slots[place] = new()
        constants.append((slots[place], parameters[Int(step.number)]))
      case .constant:
        slots[place] = new()
        constants.append((slots[place], Float(bitPattern: step.number)))
      case .random:
        slots[place] = new()
        randoms.append((slots[place], step.number))
      default:
        let operands = (0..<step.operation.operandCount).map { Int(step.operands[$0]) }
        if operands.contains(where: { formula.steps[$0].operation == .input }) {
          lastInputRead = place
        }
        // A step may write the slot that it reads for the last time.
        for operand in Set(operands)
        where lastUse[operand] == place && formula.steps[operand].operation.operandCount > 0 {
          free.append(slots[operand])
        }
        slots[place] = free.popLast() ?? new()
        let used = operands.map { Int32(slots[$0]) }
        steps.append(
          csimd_step(
            operation: step.operation.rawValue, a: used[0], b: used.count > 1 ? used[1] : used[0],
            c: used.count > 2 ? used[2] : used[0], target: Int32(slots[place])))
      }
    }
    self.steps = steps
    self.slotCount = slotCount
    self.inputs = inputs
    self.constants = constants.map { (slot: $0.0, value: $0.1) }
    self.randoms = randoms.map { (slot: $0.0, draw: $0.1) }
    outputs = formula.outputs.map { slots[$0] }
    // A slot that a result is in must be its own, not that of a step before.
    let writers = Dictionary(steps.map { (Int($0.target), 1) }, uniquingKeysWith: +)
    writesDirectly =
      formula.outputs.allSatisfy {
        $0 >= lastInputRead && formula.steps[$0].operation.operandCount > 0
      } && outputs.allSatisfy { writers[$0] == 1 } && Set(outputs).count == outputs.count
  }
}

/// A program with memory for one tile at a time.
///
/// For one thread.
final class FormulaRunner {
  private let program: FormulaProgram
  private let table: csimd_kernels
  private let random: RandomKey
  private let memory: HostStorage
  private let slots: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>
  /// The number that fills a slot.
  private var loaded: [Int: UnsafeMutablePointer<Float>] = [:]

  init(
    _ program: FormulaProgram, _ kernels: Kernels, random: RandomKey
  ) throws(TesseraError) {
    self.program = program
    self.random = random
    table = kernels.table.pointee
    let tile = FormulaProgram.tile
    memory = try HostStorage(allocating: program.slotCount * tile * 4)
    slots = .allocate(capacity: max(1, program.slotCount))
    for slot in 0..<program.slotCount { slots[slot] = memory.floats + slot * tile }
    for (slot, value) in program.constants {
      (memory.floats + slot * tile).update(repeating: value, count: tile)
    }
  }

  deinit { slots.deallocate() }

  /// The slot's own memory.
  private func buffer(_ slot: Int) -> UnsafeMutablePointer<Float> {
    memory.floats + slot * FormulaProgram.tile
  }

  /// Computes the numbers [first, first + count) of a walk, at most a tile.
  ///
  /// - Parameters:
  ///   - inputs: What each input reads.
  ///   - results: Where results go; empty leaves them in their slots.
  ///   - element: The place of the first number in the whole result.
  func run(
    _ walk: TileWalk, inputs: [WalkedView], results: [WalkedView], first: Int, count: Int,
    element: Int
  ) {
    for (input, slot) in zip(inputs, program.inputs) {
      guard let slot else { continue }
      if input.isDense, !input.isConstant, program.writesDirectly || results.isEmpty {
        slots[slot] = input.start + first
      } else if input.isConstant {
        slots[slot] = buffer(slot)
        guard loaded[slot] != input.start else { continue }
        loaded[slot] = input.start
        buffer(slot).update(repeating: input.start.pointee, count: FormulaProgram.tile)
      } else {
        slots[slot] = buffer(slot)
        loaded[slot] = nil
        walk.load(input, first: first, count: count, into: buffer(slot))
      }
    }
    for (slot, draw) in program.randoms {
      csimd_random_units(
        random.seed, random.step, UInt64(element), draw, buffer(slot), count)
    }
    for (result, slot) in zip(results, program.outputs)
    where program.writesDirectly {
      slots[slot] = result.isDense ? result.start + first : buffer(slot)
    }
    table.run_formula(program.steps, program.steps.count, slots, count)
    for (result, slot) in zip(results, program.outputs) {
      guard let from = slots[slot], from != result.start + first || !result.isDense else {
        continue
      }
      walk.store(from, first: first, count: count, in: result)
    }
  }

  /// The numbers that a result left in its slot.
  func result(_ place: Int) -> UnsafeMutablePointer<Float> {
    // Every slot has memory from the beginning.
    slots[program.outputs[place]].unsafelyUnwrapped
  }
}
