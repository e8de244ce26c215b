#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What the operating system allows this process.
package enum HostLimits {
  package static var cores: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  /// Physical memory, or the container's limit where that is less.
  package static var memoryBytes: Int {
    let physical = Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))
    let limit = Int(firstLine(of: "/sys/fs/cgroup/memory.max")) ?? .max
    return min(physical, limit)
  }

  /// Memory that can be had without swapping.
  package static var availableBytes: Int {
    let lines = text("/proc/meminfo").split(separator: "\n")
    let line = lines.first { $0.hasPrefix("MemAvailable:") }
    let kibibytes = line.flatMap { Int($0.split(separator: " ")[1]) }
    return min(kibibytes.map { $0 << 10 } ?? memoryBytes, memoryBytes)
  }

  /// The most memory this process has had resident.
  package static var peakResidentBytes: Int {
    #if canImport(Darwin)
      var usage = rusage()
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss
    #else
      // Not getrusage, whose figure starts with that of the program that started this one.
      let lines = text("/proc/self/status").split(separator: "\n")
      let fields = lines.first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: \.isWhitespace)
      guard let fields, fields.count > 1, let kibibytes = Int(fields[1]) else { return 0 }
      return kibibytes << 10
    #endif
  }

  static func isWritable(_ folder: String) -> Bool { access(folder, W_OK | X_OK) == 0 }

  /// The names in a folder; none if it cannot be read.
  static func files(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  }

  static func firstLine(of path: String) -> String {
    // Some files are written by hand, with spaces around the name.
    text(path).split(whereSeparator: \.isNewline).first?
      .split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
  }

  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }
}
