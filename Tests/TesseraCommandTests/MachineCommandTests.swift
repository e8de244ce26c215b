import Tessera
import Testing

@Suite struct MachineCommandTests {
  let shell: Shell

  init() throws { shell = try Shell() }

  @Test("devices lists the CPU first and the reference last")
  func devices() throws {
    let json = try shell.tessera("devices", "--json").json()
    let devices = try #require(json["devices"] as? [[String: Any]])
    #expect(devices.first?["device"] as? String == "cpu")
    #expect(devices.last?["device"] as? String == "reference")
    for device in devices {
      for key in ["name", "kind", "variant", "driver", "vendor"] { #expect(device[key] is String) }
      for key in ["memoryBytes", "maxAllocationBytes", "computeUnits", "maxWorkGroupSize"] {
        #expect(device[key] is Int, "\(key)")
      }
      #expect(device["accelerated"] is [String])
    }
    let table = try shell.tessera("devices")
    #expect(table.status == 0 && table.output.contains("reference"))
  }

  @Test("a forced instruction set shows; one that is not there is a problem, and no device")
  func instructionSet() throws {
    shell.environment["TESSERA_CPU"] = "portable"
    #expect(try shell.tessera("devices").output.contains("portable"))
    shell.environment["TESSERA_CPU"] = "abacus"
    let outcome = try shell.tessera("devices", "--json")
    let problems = try #require(try outcome.json()["problems"] as? [String])
    #expect(problems.contains { $0.contains("abacus") })
  }

  @Test("doctor names what is missing and what mends it")
  func doctor() throws {
    shell.environment["OCL_ICD_VENDORS"] = shell.path("vendors")
    shell.environment["TESSERA_OPENCL_LIBRARY"] = "/nonexistent.so"
    let outcome = try shell.tessera("doctor")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("apt-get install pocl-opencl-icd"))
    #expect(outcome.output.contains("unset TESSERA_OPENCL_LIBRARY"))
    let json = try shell.tessera("doctor", "--json").json()
    let findings = try #require(json["findings"] as? [[String: Any]])
    let subjects = findings.compactMap { $0["subject"] as? String }
    for subject in ["cpu", "threads", "memory", "opencl library", "opencl drivers", "cache"] {
      #expect(subjects.contains(subject))
    }
  }

  @Test("doctor sees a cache that cannot be written, and too many threads")
  func oddities() throws {
    shell.environment["TESSERA_CACHE"] = "/proc/nowhere"
    shell.environment["TESSERA_THREADS"] = "4096"
    let output = try shell.tessera("doctor").output
    #expect(output.contains("/proc/nowhere is not writable"))
    #expect(output.contains("export TESSERA_THREADS="))
  }
}
