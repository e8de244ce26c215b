import Foundation
import TesseraCompute
internal import TesseraHost
import Testing

@testable import TesseraDevices

@Suite struct DiagnosisTests {
  /// A folder of files with the given contents, for as long as `body` runs.
  private func withFolder(
    _ files: [String: String], _ body: (String) throws -> Void
  ) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (name, text) in files {
      try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    }
    try body(folder)
  }

  @Test("OpenCL drivers: registered, unloadable, empty, none")
  func drivers() throws {
    let files = [
      "a.icd": "libc.so.6\n", "b.icd": "libnosuchdriver.so.9\n", "c.icd": "", "readme.txt": "x",
    ]
    try withFolder(files) { folder in
      let findings = OpenCLDrivers(folder: folder).findings()
      #expect(findings.map(\.state) == [.missing, .missing, .missing])
      #expect(findings[0].detail.contains("libc.so.6, which is no OpenCL driver"))
      let refused = OpenCLDrivers(folder: folder, refusals: ["\(folder)/a.icd": "ended a process"])
        .findings()
      #expect(refused[0].detail.contains("ended a process"))
      #expect(refused[0].remedy?.contains("sudo rm '\(folder)/a.icd'") == true)
      #expect(findings[1].detail.contains("libnosuchdriver.so.9"))
      #expect(findings[1].remedy?.contains("dpkg -S '\(folder)/b.icd'") == true)
      #expect(findings[2].detail.contains("names no library"))
    }
    let none = OpenCLDrivers(folder: "/nonexistent").findings()
    #expect(none.count == 1 && none[0].remedy?.contains("pocl-opencl-icd") == true)
  }

  @Test("a GPU without an OpenCL driver is noticed, one with a driver is not")
  func graphics() throws {
    try withFolder(["nvidiactl": ""]) { folder in
      let hardware = GraphicsHardware(root: folder)
      let findings = hardware.findings([])
      #expect(findings.count == 1 && findings[0].state == .missing)
      #expect(findings[0].remedy == "sudo apt-get install nvidia-opencl-icd")
      #expect(hardware.findings([FakeDevice("opencl:0")]).isEmpty)
    }
    try withFolder([:]) { #expect(GraphicsHardware(root: $0).findings([]).isEmpty) }
  }

  @Test("every finding that is not well has a remedy or says it")
  func remedies() {
    let findings = Devices.diagnose()
    #expect(findings.contains { $0.subject == "cpu" && $0.state == .ok })
    for finding in findings where finding.state != .ok {
      #expect(finding.remedy != nil || finding.detail.contains(";"), "\(finding)")
    }
    #expect(HostLimits.current.memoryBytes > 1 << 28 && HostLimits.current.cores >= 1)
    #expect(HostLimits.current.availableBytes <= HostLimits.current.memoryBytes)
    #expect(HostLimits.current.peakResidentBytes > 1 << 20)
  }
}
