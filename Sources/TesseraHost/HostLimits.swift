/// Tells what the operating system and the container allow this process.
///
/// A container shows the machine's memory and cores everywhere but in its control groups, so these
/// are read too: the limit of the process's own group and of every group above it.
package struct HostLimits: Sendable {
  /// Goes before every path that is read; tests put a folder of their own here.
  package var root = ""
  /// The limits of this process.
  package static let current = HostLimits()

  package init(root: String = "") { self.root = root }

  // MARK: Cores

  /// Cores this process may use at once: those of the machine it is not kept from, and no more than
  /// its quota of processor time pays for. At least 1.
  package var cores: Int {
    let allowed = max(1, allowedCores)
    guard let quota = groupQuotas.min() else { return allowed }
    return max(1, min(allowed, Int(quota.rounded(.up))))
  }

  private var allowedCores: Int {
    // Swift does not see sched_getaffinity, but the kernel writes the same mask in hexadecimal.
    let lines = SystemFile.text(of: root + "/proc/self/status").split(separator: "\n")
    if let line = lines.first(where: { $0.hasPrefix("Cpus_allowed:") }) {
      let digits = line.drop { $0 != ":" }.compactMap(\.hexDigitValue)
      let count = digits.reduce(0) { $0 + $1.nonzeroBitCount }
      if count > 0 { return count }
    }
    return Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  }

  /// Processors' worth of time that each group allows.
  private var groupQuotas: [Double] {
    let ofVersion2 = folders(of: nil, under: "/sys/fs/cgroup").compactMap { folder -> Double? in
      let words = SystemFile.text(of: folder + "/cpu.max").split(whereSeparator: \.isWhitespace)
      guard words.count == 2 else { return nil }
      return Self.quota(String(words[0]), period: String(words[1]))
    }
    let ofVersion1 = folders(of: "cpu", under: "/sys/fs/cgroup/cpu").compactMap { folder in
      Self.quota(
        SystemFile.firstWord(of: folder + "/cpu.cfs_quota_us"),
        period: SystemFile.firstWord(of: folder + "/cpu.cfs_period_us"))
    }
    return ofVersion2 + ofVersion1
  }

  /// A quota that is not a positive number, such as `max` or -1, is no limit.
  private static func quota(_ text: String, period: String) -> Double? {
    guard let quota = Double(text), let period = Double(period), quota > 0, period > 0 else {
      return nil
    }
    return quota / period
  }

  // MARK: Memory

  /// Physical memory, or less where a container or `ulimit -v` allows less.
  package var memoryBytes: Int {
    let physical = Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))
    return min(physical, addressSpaceBytes ?? .max, groupLimits.map(\.limit).min() ?? .max)
  }

  /// Memory that can be had now without swapping and without reaching a limit.
  package var availableBytes: Int {
    let lines = SystemFile.text(of: root + "/proc/meminfo").split(separator: "\n")
    let line = lines.first { $0.hasPrefix("MemAvailable:") }
    let words = line?.split(separator: " ") ?? []
    let ofMachine = words.count > 1 ? Int(words[1]).map { $0 << 10 } : nil
    let ofGroups = groupLimits.map { max(0, $0.limit - $0.used) }.min()
    return min(ofMachine ?? memoryBytes, ofGroups ?? .max, memoryBytes)
  }

  /// The bytes that `ulimit -v` allows; nil without such a limit.
  private var addressSpaceBytes: Int? {
    #if canImport(Glibc)
      Self.resourceLimit(__rlimit_resource_t(RLIMIT_AS.rawValue))
    #else
      Self.resourceLimit(RLIMIT_AS)
    #endif
  }

  /// What `ulimit -d` allows, which counts all private memory on Linux; nil if that is no limit.
  private var privateBytes: Int? {
    #if canImport(Glibc)
      Self.resourceLimit(__rlimit_resource_t(RLIMIT_DATA.rawValue))
    #else
      Self.resourceLimit(RLIMIT_DATA)
    #endif
  }

  #if canImport(Glibc)
    private typealias ResourceKind = __rlimit_resource_t
  #else
    private typealias ResourceKind = Int32
  #endif

  private static func resourceLimit(_ kind: ResourceKind) -> Int? {
    var limit = rlimit()
    guard getrlimit(kind, &limit) == 0 else { return nil }
    return Int(exactly: limit.rlim_cur)
  }

  /// Whether the system may refuse address space before memory is used up: there is a limit on it, or
  /// the kernel promises no more than it has.
  package var mayRefuseMemory: Bool {
    addressSpaceBytes != nil || privateBytes != nil
      || SystemFile.firstWord(of: root + "/proc/sys/vm/overcommit_memory") == "2"
  }

  /// The memory that each control group allows, and what its processes hold that cannot be dropped.
  private var groupLimits: [(limit: Int, used: Int)] {
    let ofVersion2 = folders(of: nil, under: "/sys/fs/cgroup").compactMap {
      Self.group($0, limit: "memory.max", usage: "memory.current", cache: "inactive_file")
    }
    let ofVersion1 = folders(of: "memory", under: "/sys/fs/cgroup/memory").compactMap {
      Self.group(
        $0, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
        cache: "total_inactive_file")
    }
    return ofVersion2 + ofVersion1
  }

  private static func group(
    _ folder: String, limit: String, usage: String, cache: String
  ) -> (limit: Int, used: Int)? {
    // Version 1 writes a number near 2^63 where there is no limit, version 2 the word max.
    guard let limit = Int(SystemFile.firstWord(of: "\(folder)/\(limit)")), limit > 0,
      limit < 1 << 60
    else { return nil }
    let used = Int(SystemFile.firstWord(of: "\(folder)/\(usage)")) ?? 0
    let lines = SystemFile.text(of: "\(folder)/memory.stat").split(separator: "\n")
    let line = lines.first { $0.hasPrefix(cache + " ") }
    let dropped = line.flatMap { Int($0.dropFirst(cache.count + 1)) } ?? 0
    return (limit, max(0, used - dropped))
  }

  /// Returns the folders of this process's control group and of all above it, the mount itself last.
  ///
  /// - Parameter controller: A controller of version 1 · nil: version 2.
  private func folders(of controller: String?, under mount: String) -> [String] {
    let lines = SystemFile.text(of: root + "/proc/self/cgroup").split(separator: "\n")
    var folders: [String] = []
    for line in lines {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",").map(String.init)
      guard controller.map(controllers.contains) ?? controllers.isEmpty else { continue }
      // Inside a container the path may be the host's; folders that are not there read as no limit.
      var path = String(fields[2])
      while path.count > 1, let slash = path.lastIndex(of: "/") {
        folders.append(root + mount + path)
        path = String(path[..<slash])
      }
    }
    return folders + [root + mount]
  }

  // MARK: Use

  /// The most memory this process has had resident; 0 where the system does not say.
  package var peakResidentBytes: Int {
    #if canImport(Darwin)
      var usage = rusage()
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss
    #else
      // Not getrusage, whose figure starts with that of the program that started this one.
      let lines = SystemFile.text(of: root + "/proc/self/status").split(separator: "\n")
      let fields = lines.first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: \.isWhitespace)
      guard let fields, fields.count > 1, let kibibytes = Int(fields[1]) else { return 0 }
      return kibibytes << 10
    #endif
  }

  /// The processor's name, as the operating system gives it.
  package var processorName: String {
    let lines = SystemFile.text(of: root + "/proc/cpuinfo").split(separator: "\n")
    guard let line = lines.first(where: { $0.hasPrefix("model name") }),
      let colon = line.firstIndex(of: ":")
    else { return "CPU" }
    return line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace)
      .joined(separator: " ")
  }
}

extension HostLimits {
  /// Throws if the process cannot be given `byteCount` bytes more.
  ///
  /// Arrays of Swift end the process where memory is refused, so large ones are asked for here first.
  /// A refusal that comes later is still possible: others use the memory too.
  ///
  /// - Parameters:
  ///   - what: Names what needs the memory.
  ///   - remedy: Says what to do instead.
  /// - Complexity: O(1); nothing is read for less than 64 MiB.
  /// - Throws: `.outOfMemory`.
  package func requireRoom(
    for byteCount: Int, _ what: () -> String, remedy: () -> String
  ) throws(TesseraError) {
    guard byteCount > 64 << 20 else { return }
    let available = availableBytes
    // The limit of the address space shows only when it is asked for.
    let isThere = byteCount <= available && Self.canAllocate(byteCount)
    guard !isThere else { return }
    throw TesseraError(
      .outOfMemory,
      "\(what()) need \(byteCount) bytes of memory, about \(available) can be had at once; "
        + remedy())
  }

  /// Asks for memory and gives it back untouched.
  private static func canAllocate(_ byteCount: Int) -> Bool {
    guard let memory = try? UnsafeMutableRawBufferPointer.allocateAligned(byteCount) else {
      return false
    }
    memory.deallocateAligned()
    return true
  }
}
