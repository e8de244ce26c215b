import TesseraCPU
public import TesseraCompute
import TesseraHost
import TesseraOpenCL

/// A device under test. To test another device, add a line to `all`.
public struct Subject: Sendable, CustomStringConvertible {
  /// Made when the first test asks for them, and shared by all tests. `TESSERA_TEST_SUBJECTS` leaves
  /// only those whose names begin so, such as `opencl`.
  public static let all = made.filter { $0.description.hasPrefix(wanted ?? "") }

  /// What the names of the subjects that are wanted begin with · nil wants all.
  public static let wanted = Environment["TESSERA_TEST_SUBJECTS"]

  private static let made =
    [
      Subject("reference") { ReferenceDevice.shared },
      Subject("protocol defaults") { BareDevice() },
      Subject("cpu portable") { () throws(TesseraError) in try cpu("portable") },
      Subject("cpu avx2") { () throws(TesseraError) in try cpu("avx2") },
      Subject("cpu avxvnni") { () throws(TesseraError) in try cpu("avxvnni") },
      Subject("cpu avx512") { () throws(TesseraError) in try cpu("avx512") },
      Subject("cpu avx512vnni") { () throws(TesseraError) in try cpu("avx512vnni") },
      Subject("cpu avx512vbmi") { () throws(TesseraError) in try cpu("avx512vbmi") },
      Subject("cpu neon") { () throws(TesseraError) in try cpu("neon") },
      Subject("cpu neondot") { () throws(TesseraError) in try cpu("neondot") },
      Subject("cpu, products by kernels") { () throws(TesseraError) in
        try CPUDevice(threads: 2, products: .kernels)
      },
      Subject("cpu, products by OpenBLAS") { () throws(TesseraError) in
        try CPUDevice(threads: 2, products: .library)
      },
      Subject("cpu, one thread") { () throws(TesseraError) in try CPUDevice(threads: 1) },
    ] + KernelBody.allCases.flatMap(openCL)

  /// The name of the subject in failures.
  public let description: String
  private let outcome: Result<any Device, TesseraError>

  private init(_ name: String, _ make: () throws(TesseraError) -> any Device) {
    description = name
    outcome = Result(catching: make)
  }

  private static func cpu(_ variant: String) throws(TesseraError) -> any Device {
    try CPUDevice(variant: variant, threads: 2)
  }

  /// Every OpenCL device with one of the kernel bodies, and one absent subject for each problem.
  private static func openCL(_ body: KernelBody) -> [Subject] {
    do throws(TesseraError) {
      var options = try OpenCLOptions.fromEnvironment()
      options.body = body
      let (devices, problems) = OpenCLDevice.all(options)
      return devices.map { device in
        Subject("\(device.info.identifier) \(body.rawValue)") { device }
      }
        + problems.enumerated().map { index, problem in
          Subject("opencl \(body.rawValue), problem \(index)") { () throws(TesseraError) in
            throw problem
          }
        }
    } catch {
      return [Subject("opencl \(body.rawValue)") { () throws(TesseraError) in throw error }]
    }
  }

  /// The device. Throws why it cannot be used on this machine.
  public var device: any Device {
    get throws(TesseraError) { try outcome.get() }
  }

  /// The reason why the device cannot be used on this machine; nil if it can be used.
  public var absence: String? {
    if case .failure(let error) = outcome { error.description } else { nil }
  }

  /// The subjects that this machine has.
  public static var present: [Subject] { all.filter { $0.absence == nil } }
  /// The subjects that this machine lacks.
  public static var absent: [Subject] { all.filter { $0.absence != nil } }
}

/// A case whose cost is known, so that slow subjects can leave out the large ones.
public protocol Workload: Sendable {
  /// Multiply-adds, or whatever the operation does most of.
  var work: Int { get }
}

/// One case run on one subject.
public struct Trial<Case: Workload>: Sendable, CustomStringConvertible {
  /// The subject that runs the case.
  public let subject: Subject
  /// The case.
  public let input: Case
  /// The subject and the case, for failures.
  public var description: String { "\(subject): \(input)" }
}

extension Subject {
  /// Every present subject with every case of `operation` it can afford.
  public static func trials<Case: Workload>(
    _ operation: DeviceOperation, _ cases: [Case]
  ) -> [Trial<Case>] {
    present.flatMap { subject in
      let affordable = subject.affordableWork(operation)
      return cases.filter { $0.work <= affordable }.map { Trial(subject: subject, input: $0) }
    }
  }

  /// Returns the most work that a case may have. If the reference device does the work, in plain
  /// Swift that the tests do not optimise, it manages about two million multiply-adds a second.
  private func affordableWork(_ operation: DeviceOperation) -> Int {
    guard case .success(let device) = outcome, device.info.kind != .reference,
      device.info.accelerated.contains(operation)
    else { return min(20_000, Self.workLimit) }
    return Self.workLimit
  }

  /// `TESSERA_TEST_WORK`, for drivers that are slow: multiply-adds of the largest case.
  private static let workLimit = Environment["TESSERA_TEST_WORK"].flatMap { Int($0) } ?? 100_000_000
}
