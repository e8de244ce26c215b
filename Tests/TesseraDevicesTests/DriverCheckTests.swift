import Foundation
import Synchronization
import TesseraCompute
import Testing

@testable import TesseraDevices

@Suite struct DriverCheckTests {
  private let folder = NSTemporaryDirectory() + "tessera-check-\(UUID().uuidString)"
  private var cache: String { folder + "/cache" }
  private var vendors: String { folder + "/vendors" }
  private var library: String { folder + "/libdriver.so" }

  /// Counts trials, and lets drivers survive or die.
  private final class Trials: Sendable {
    private let dying: String?
    private let files: [String]
    private let tried = Mutex<[String]>([])
    var count: Int { tried.withLock(\.count) }

    init(dying: String? = nil, files: [String]) { (self.dying, self.files) = (dying, files) }

    func attempt(_ changes: [String: String]) -> DriverCheck.Outcome {
      let path = (changes["OCL_ICD_VENDORS"] ?? "/nonexistent") + "/driver.icd"
      let name = ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "")
        .trimmingCharacters(in: .newlines)
      tried.withLock { $0.append(name) }
      return name == dying ? .died("ended its process (signal 6)") : .survived(files: files)
    }
  }

  private func check(_ trials: Trials) -> DriverCheck {
    let vendors = vendors
    return DriverCheck(
      folder: cache, variable: { $0 == "OCL_ICD_VENDORS" ? vendors : nil },
      attempt: { trials.attempt($0) })
  }

  private func withDrivers(_ body: () throws -> Void) throws {
    try FileManager.default.createDirectory(atPath: vendors, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try "libgood.so\n".write(toFile: vendors + "/a.icd", atomically: true, encoding: .utf8)
    try "1".write(toFile: library, atomically: true, encoding: .utf8)
    try body()
  }

  @Test("a driver is tried once, and again when its files change or a process died")
  func remembered() throws {
    try withDrivers {
      let trials = Trials(files: [library])
      for _ in 0..<3 { #expect(check(trials).run().admitsAny) }
      #expect(trials.count == 1)
      try "longer".write(toFile: library, atomically: true, encoding: .utf8)
      for _ in 0..<2 { _ = check(trials).run() }
      #expect(trials.count == 2)
      // A mark of a process that is there, and one of a process that is not.
      check(trials).leaveMark()
      _ = check(trials).run()
      #expect(trials.count == 2)
      check(trials).removeMark()
      #expect(
        FileManager.default.createFile(atPath: cache + "/uses-drivers-2147483646", contents: nil))
      for _ in 0..<2 { _ = check(trials).run() }
      #expect(trials.count == 3)
    }
  }

  @Test("without a driver that survives, none is loaded, and the reason and the remedy are said")
  func refused() throws {
    try withDrivers {
      let trials = Trials(dying: "libgood.so", files: [])
      for _ in 0..<2 {
        let verdict = check(trials).run()
        #expect(!verdict.admitsAny && Array(verdict.refusals.keys) == [vendors + "/a.icd"])
        #expect(verdict.problems.first?.message.contains("signal 6") == true)
        #expect(verdict.problems.first?.message.contains("sudo rm '\(vendors)/a.icd'") == true)
      }
      // It may be mended without a new file.
      #expect(trials.count == 2)
    }
  }
}
