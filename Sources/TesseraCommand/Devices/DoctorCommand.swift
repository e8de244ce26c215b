import ArgumentParser
import Tessera
import struct TesseraDevices.Finding

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Tell what is missing or odd on this machine, and the command that mends it.",
    discussion: """
      Looks at the processor, threads, memory, OpenCL libraries and drivers, GPUs
      without a driver, and the cache folder. Changes nothing.

      Examples:
        tessera doctor
        tessera doctor --json
      """)

  @OptionGroup var output: OutputOptions

  func run() throws {
    let findings = Devices.diagnose()
    if output.json {
      try JSONOutput.print(["findings": findings.map(Entry.init)])
      return
    }
    var table = Table()
    for finding in findings {
      table.add(finding.state.rawValue, finding.subject, finding.detail)
      if let remedy = finding.remedy { table.add("", "", "-> \(remedy)") }
    }
    table.print()
    let wrong = findings.count { $0.state != .ok }
    Console.print(
      wrong == 0 ? "\nAll is well." : "\n\(wrong) to look at; an arrow shows what mends it.")
  }

  struct Entry: Encodable {
    let subject: String
    let state: String
    let detail: String
    let remedy: String?

    init(_ finding: Finding) {
      subject = finding.subject
      state = finding.state.rawValue
      detail = finding.detail
      remedy = finding.remedy
    }
  }
}
