import Synchronization
import TesseraCPU
public import TesseraCompute

/// A device under test. To test another device, add it to `all`.
public final class Subject: Sendable, CustomStringConvertible {
  public static let all = [reference, defaults] + processors

  public let description: String
  /// Why the device cannot be tested on this machine, if it cannot.
  public let absence: String?
  /// Multiply-adds one case may cost. The reference device in unoptimised Swift does about 2 million
  /// a second.
  let affordableWork: Int
  private let make: @Sendable () throws(TesseraError) -> any Device
  private let made = Mutex<(any Device)?>(nil)

  init(
    _ name: String, absence: String? = nil, affordableWork: Int = 100_000_000,
    make: @escaping @Sendable () throws(TesseraError) -> any Device
  ) {
    self.description = name
    self.absence = absence
    self.affordableWork = affordableWork
    self.make = make
  }

  /// The device, made when it is first asked for and shared by all tests.
  public var device: any Device {
    get throws(TesseraError) {
      try made.withLock { made throws(TesseraError) in
        if let made { return made }
        let device = try make()
        made = device
        return device
      }
    }
  }

  public static var present: [Subject] { all.filter { $0.absence == nil } }
  public static var absent: [Subject] { all.filter { $0.absence != nil } }

  private static let reference = Subject("reference", affordableWork: 20_000) {
    ReferenceDevice.shared
  }

  private static let defaults = Subject("protocol defaults", affordableWork: 20_000) {
    BareDevice()
  }

  private static let processors =
    ["portable", "avx2", "avx512", "neon"].map { variant in
      Subject(
        "cpu \(variant)",
        absence: CPUDevice.variants.contains(variant) ? nil : "the processor lacks \(variant)"
      ) { () throws(TesseraError) in try CPUDevice(variant: variant, threads: 2) }
    }
    + [Subject("cpu, one thread") { () throws(TesseraError) in try CPUDevice(threads: 1) }]
}

/// A case whose cost is known, so that slow subjects can leave out the large ones.
public protocol Workload: Sendable {
  /// Multiply-adds, or whatever the operation does most of.
  var work: Int { get }
}

/// One case run on one subject.
public struct Trial<Case: Workload>: Sendable, CustomStringConvertible {
  public let subject: Subject
  public let input: Case
  public var description: String { "\(subject): \(input)" }

  public init(subject: Subject, input: Case) {
    self.subject = subject
    self.input = input
  }
}

extension Subject {
  /// Every present subject with every case it can afford.
  public static func trials<Case: Workload>(_ cases: [Case]) -> [Trial<Case>] {
    present.flatMap { subject in
      cases.filter { $0.work <= subject.affordableWork }.map { Trial(subject: subject, input: $0) }
    }
  }
}
