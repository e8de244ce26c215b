import TesseraCompute
import Testing

/// Something that goes wrong in a driver, and what is to come of it.
struct Fault: Sendable, CustomTestStringConvertible {
  let name: String
  let calls: Set<FaultyDriver.Call>
  let effect: FaultyDriver.Effect
  /// Only launches of this kernel, and what comes next after them, which this work needs.
  var kernel: String?
  /// Only this compilation of the kernel.
  var macro: String?
  var work: Work?
  /// Calls that work before the first that does not.
  var skipped = 0
  /// The number of times that it strikes.
  var count = Int.max
  /// True if the device's kernels have been tried before: by a process before this one.
  var isTried = true
  /// The error that an operation which nobody repeats throws; nil if its result is right all the
  /// same. Searches and clusterings, which can start again, are always right.
  let error: TesseraError.Code?

  var testDescription: String { name }

  init(
    _ name: String, _ calls: Set<FaultyDriver.Call>, _ effect: FaultyDriver.Effect,
    kernel: String? = nil, macro: String? = nil, of work: Work? = nil, after skipped: Int = 0,
    times count: Int = .max,
    isTried: Bool = true, throws error: TesseraError.Code?
  ) {
    self.name = name
    self.calls = calls
    self.effect = effect
    self.kernel = kernel
    self.macro = macro
    self.work = work
    self.skipped = skipped
    self.count = count
    self.isTried = isTried
    self.error = error
  }

  static let all = memory + calls + losses + wrongKernels + omissions + hangs

  private static let memory = [
    Fault("no memory, once", [.createBuffer], .fails(-4), times: 1, throws: nil),
    Fault("no memory, ever", [.createBuffer], .fails(-4), throws: .outOfMemory),
    Fault("a size that is refused, ever", [.createBuffer], .fails(-61), throws: .outOfMemory),
    Fault("no memory at first use, once", [.write], .fails(-4), times: 1, throws: nil),
    Fault("no memory at first use, ever", [.write], .fails(-4), throws: .outOfMemory),
    Fault("no resources for a launch, once", [.launch], .fails(-5), times: 1, throws: .outOfMemory),
    Fault("no resources for launches, ever", [.launch], .fails(-5), throws: .outOfMemory),
    Fault("no memory in a read, once", [.read], .fails(-5), times: 1, throws: .outOfMemory),
  ]

  private static let calls = [
    Fault("a program that does not build", [.build], .fails(-11), isTried: false, throws: nil),
    Fault("a program that no longer builds", [.build], .fails(-11), throws: .buildFailure),
    Fault("a program that is refused", [.createProgram], .fails(-6), throws: .deviceFailure),
    Fault("a kernel that is not there", [.createKernel], .fails(-46), throws: .deviceFailure),
    Fault(
      "an argument that is refused, once", [.setArgument], .fails(-51), times: 1,
      throws: .deviceFailure),
    Fault(
      "a launch that is refused, once", [.launch], .fails(-54), times: 1, throws: .deviceFailure),
    Fault(
      "a queue that does not flush, once", [.flush], .fails(-36), times: 1, throws: .deviceFailure),
  ]

  private static let losses = [
    Fault("lost at a launch", [.launch], .losesContext(-36), times: 1, throws: .deviceLost),
    Fault("lost in a read", [.read], .losesContext(-5), times: 1, throws: .deviceLost),
    Fault(
      "lost in a write", [.write], .losesContext(-9999), after: 1, times: 1, throws: .deviceLost),
    Fault(
      "lost in an allocation", [.createBuffer], .losesContext(-34), times: 1, throws: .deviceLost),
    Fault("lost in a build", [.build], .losesContext(-5), times: 1, throws: .deviceLost),
    Fault("lost twice", [.launch], .losesContext(-9999), times: 2, throws: .deviceLost),
    Fault("gone at a launch", [.launch], .losesDevice(-36), times: 1, throws: .deviceLost),
    Fault("gone in a read", [.read], .losesDevice(-5), times: 1, throws: .deviceLost),
  ]

  /// Kernels that leave their results as they were. Those whose results are places in memory are not
  /// here: what follows would go astray.
  private static let wrongKernels = [
    ("search_pack", Work.nearest), ("search_filter", .nearest), ("search_rescore", .nearest),
    ("search_results", .nearest), ("pack_panels", .innerProducts), ("sum_runs", .cluster),
    ("gather", .gather), ("find", .cluster), ("multiply", .innerProducts), ("write_best", .topK),
    ("encode", .encode), ("codes_scan", .nearestCodes), ("codes_scan_bytes", .nearestCodes),
    ("codes_rescore", .nearestCodes), ("codes_listed", .nearestCodes),
    ("codes_listed_keys", .nearestCodes),
  ].map { (kernel: String, work: Work) in
    Fault(
      "\(kernel) does nothing", [.launch], .doesNothing, kernel: kernel, of: work, isTried: false,
      throws: nil)
  }

  /// Kernels that were tried and worked, and then leave out a launch: what is missing must not be
  /// taken for an answer.
  private static let omissions = [
    ("search_filter", Work.nearest, 0), ("search_filter", .nearest, 1),
    ("search_rescore", .nearest, 0), ("search_sort", .nearest, 0), ("search_filter", .cluster, 0),
    ("codes_scan", .nearestCodes, 1), ("codes_scan_bytes", .nearestCodes, 0),
    ("codes_rescore", .nearestCodes, 0), ("codes_listed", .nearestCodes, 0),
    ("codes_listed_keys", .nearestCodes, 0),
  ].map { (kernel: String, work: Work, skipped: Int) in
    Fault(
      "\(kernel) leaves out launch \(skipped) of \(work)", [.launch], .doesNothing,
      kernel: kernel, of: work, after: skipped, times: 1, throws: .deviceFailure)
  }

  private static let hangs = [
    Fault("a launch that never ends", [.finish, .read], .hangs, throws: .deviceFailure),
    Fault("a write that never ends", [.write], .hangs, throws: .deviceFailure),
    Fault("a compiler that never ends", [.build], .hangs, isTried: false, throws: .deviceFailure),
  ]
}
