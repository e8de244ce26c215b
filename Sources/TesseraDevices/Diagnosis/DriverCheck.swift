import TesseraCompute
internal import TesseraFormats
internal import TesseraHost
internal import TesseraOpenCL

/// Tries OpenCL drivers where they can do no harm: a driver that this machine has not yet used, or
/// that may have ended the last process, is loaded by another process first.
///
/// What passed is remembered with the size and time of its files, and is not tried again while they
/// stay the same. A process that loads drivers leaves a mark in the cache folder and removes it when
/// it ends; a mark without its process means that nothing is remembered.
package struct DriverCheck: Sendable {
  /// How a trial ended.
  package enum Outcome: Sendable {
    /// The drivers worked or refused politely · the library files that they consist of.
    case survived(files: [String])
    /// The process did not end by itself · how, as in "ended its process (signal 6)".
    case died(String)
  }

  /// The cache folder; nil remembers nothing.
  package var folder: String?
  /// Looks up the environment.
  package var variable: @Sendable (String) -> String?
  /// Loads the drivers in another process, with these variables changed.
  package var attempt: @Sendable ([String: String]) -> Outcome

  package init(
    folder: String?, variable: @escaping @Sendable (String) -> String? = { Environment[$0] },
    attempt: @escaping @Sendable ([String: String]) -> Outcome
  ) {
    self.folder = folder
    self.variable = variable
    self.attempt = attempt
  }

  /// Something that is loaded, or left out, as one.
  private struct Candidate {
    /// The path of an `.icd` file, or the name of a library.
    let name: String
    /// What an `.icd` file holds.
    var content: String?
  }

  /// A file as it was when a driver passed.
  private struct Stamp: Equatable {
    let path: String
    let byteCount: Int
    let seconds: Int
    let nanoseconds: Int

    init?(_ path: String) {
      var status = stat()
      guard unsafe stat(path, &status) == 0 else { return nil }
      self.path = path
      byteCount = Int(status.st_size)
      #if canImport(Darwin)
        (seconds, nanoseconds) = (status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec)
      #else
        (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
      #endif
    }

    /// Nil for what no stamp is.
    init?(_ json: JSONValue) {
      guard case .string(let path)? = json["path"],
        case .integer(let byteCount)? = json["byteCount"],
        case .integer(let seconds)? = json["seconds"],
        case .integer(let nanoseconds)? = json["nanoseconds"]
      else { return nil }
      (self.path, self.byteCount) = (path, byteCount)
      (self.seconds, self.nanoseconds) = (seconds, nanoseconds)
    }

    var json: JSONValue {
      .object([
        "path": .string(path), "byteCount": .integer(byteCount), "seconds": .integer(seconds),
        "nanoseconds": .integer(nanoseconds),
      ])
    }
  }

  /// Tries what is not known, and keeps what ended a trial out of this process: by way of
  /// `OCL_ICD_VENDORS`, which every OpenCL loader reads.
  package func run() -> DriverGate.Verdict {
    let hadAccident = takeMarks()
    var passed = hadAccident ? [:] : remembered
    let before = passed
    var verdict = DriverGate.Verdict()
    let candidates = candidates
    for candidate in candidates {
      let key = key(of: candidate)
      if let stamps = passed[key], stamps.allSatisfy({ Stamp($0.path) == $0 }) { continue }
      passed[key] = nil
      switch outcome(of: candidate) {
      case .survived(let files):
        // Where nothing is installed yet, the list of installed libraries tells when that changes.
        let all = files.isEmpty ? ["/etc/ld.so.cache"] : files
        passed[key] = all.compactMap(Stamp.init)
      case .died(let reason):
        verdict.refusals[candidate.name] = reason
        verdict.problems.append(problem(candidate, reason))
      }
    }
    if hadAccident || passed != before || !verdict.refusals.isEmpty { remember(passed) }
    if !verdict.refusals.isEmpty {
      let good = candidates.filter { verdict.refusals[$0.name] == nil && $0.content != nil }
      verdict.admitsAny =
        !good.isEmpty
        && makeFolder(good).map { path in
          unsafe setenv("OCL_ICD_VENDORS", path, 1) == 0
        } == true
    }
    return verdict
  }

  private func problem(_ candidate: Candidate, _ reason: String) -> TesseraError {
    let remedy =
      candidate.content == nil
      ? "unset TESSERA_OPENCL_LIBRARY, or reinstall the driver"
      : "reinstall its package (dpkg -S '\(candidate.name)'), or remove it: "
        + "sudo rm '\(candidate.name)'"
    return TesseraError(
      .deviceUnavailable,
      "the OpenCL driver of \(candidate.name) (\(candidate.content ?? "a library")) \(reason), and "
        + "is left out; \(remedy)")
  }

  // MARK: What there is

  private var candidates: [Candidate] {
    if let library = variable("TESSERA_OPENCL_LIBRARY") { return [Candidate(name: library)] }
    let chosen = variable("OCL_ICD_VENDORS") ?? variable("OPENCL_VENDOR_PATH")
    let place = chosen ?? "/etc/OpenCL/vendors"
    if place.hasSuffix(".icd"), SystemFile.bytes(of: place) != nil {
      return [Candidate(name: place, content: SystemFile.firstWord(of: place))]
    }
    let files = SystemFile.names(in: place).filter { $0.hasSuffix(".icd") }.sorted()
    if !files.isEmpty {
      return files.map { file in
        let path = "\(place)/\(file)"
        return Candidate(name: path, content: SystemFile.firstWord(of: path))
      }
    }
    // Drivers that are not registered are looked for by their names, unless a folder is given.
    return chosen == nil ? [Candidate(name: "a driver that is not registered")] : []
  }

  private func key(of candidate: Candidate) -> String {
    [
      candidate.name, candidate.content ?? "", variable("LD_LIBRARY_PATH") ?? "",
      TesseraVersion.current,
    ].joined(separator: " | ")
  }

  private func outcome(of candidate: Candidate) -> Outcome {
    guard candidate.content != nil else { return attempt([:]) }
    let parent = variable("TMPDIR") ?? "/tmp"
    let path = "\(parent)/tessera-driver-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    guard unsafe mkdir(path, 0o700) == 0, copy(candidate, to: path) else { return attempt([:]) }
    defer {
      unsafe unlink("\(path)/driver.icd")
      unsafe rmdir(path)
    }
    return attempt(["OCL_ICD_VENDORS": path])
  }

  private func copy(
    _ candidate: Candidate, to folder: String, as name: String = "driver.icd"
  ) -> Bool {
    do throws(TesseraError) {
      let file = try AtomicFile("\(folder)/\(name)")
      try unsafe file.append(Array(((candidate.content ?? "") + "\n").utf8).span.bytes)
      try file.commit()
      return true
    } catch {
      return false
    }
  }

  /// Makes a folder that registers `candidates` only. It stays: a loader may read it at any time.
  private func makeFolder(_ candidates: [Candidate]) -> String? {
    let parent = folder ?? variable("TMPDIR") ?? "/tmp"
    let names = candidates.map { "\($0.name)=\($0.content ?? "")" }.joined(separator: "\n")
    let digest = names.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    let path = "\(parent)/drivers-\(geteuid())-\(String(digest, radix: 36))"
    CacheFolder.create(path)
    guard CacheFolder.objection(to: path) == nil else { return nil }
    for (index, candidate) in candidates.enumerated() {
      guard copy(candidate, to: path, as: "\(index).icd") else { return nil }
    }
    return path
  }

  // MARK: What is remembered

  private var path: String? { folder.map { $0 + "/drivers.json" } }

  private var remembered: [String: [Stamp]] {
    guard let path, let bytes = SystemFile.bytes(of: path),
      let all = unsafe bytes.withUnsafeBytes({ unsafe try? JSONValue(parsing: $0) })?.entries
    else { return [:] }
    // What is damaged is as good as none: the driver is tried again.
    return all.compactMapValues { json in
      guard let values = json.values else { return nil }
      let stamps = values.compactMap { Stamp($0) }
      return stamps.count == values.count ? stamps : nil
    }
  }

  private func remember(_ passed: [String: [Stamp]]) {
    guard let path, let folder else { return }
    let json = JSONValue.object(passed.mapValues { .array($0.map(\.json)) }).text
    CacheFolder.create(folder)
    CacheFolder.clearWay(for: path)
    guard let file = try? AtomicFile(path) else { return }
    try? unsafe file.append(Array(json.utf8).span.bytes)
    try? file.commit()
  }

  // MARK: Marks

  /// Leaves the mark of this process.
  package func leaveMark() {
    guard let folder else { return }
    CacheFolder.create(folder)
    let file = unsafe open(
      "\(folder)/\(Self.markPrefix)\(getpid())", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
    if file >= 0 { close(file) }
  }

  /// Removes the mark of this process.
  package func removeMark() {
    if let folder { unsafe unlink("\(folder)/\(Self.markPrefix)\(getpid())") }
  }

  private static let markPrefix = "uses-drivers-"

  /// Removes the marks of processes that are gone.
  ///
  /// - Returns: Whether there was one.
  private func takeMarks() -> Bool {
    guard let folder else { return false }
    var found = false
    for name in SystemFile.names(in: folder) where name.hasPrefix(Self.markPrefix) {
      guard let process = Int32(name.dropFirst(Self.markPrefix.count)), process != getpid(),
        kill(process, 0) != 0, errno == ESRCH
      else { continue }
      unsafe unlink("\(folder)/\(name)")
      found = true
    }
    return found
  }

  // MARK: In the other process

  /// Loads the drivers, runs a small kernel on each device, and lets go of them.
  ///
  /// - Returns: The library files that came with the drivers.
  package static func tryDrivers() -> [String] {
    let before = loadedLibraries
    OpenCLDevice.loadDrivers()
    // Before programs are built: some drivers load those as libraries too.
    let files = loadedLibraries.subtracting(before)
    _ = OpenCLDevice.all()
    return files.sorted()
  }

  private static var loadedLibraries: Set<String> {
    let lines = SystemFile.text(of: "/proc/self/maps").split(separator: "\n")
    return Set(
      lines.compactMap { line in
        guard let slash = line.firstIndex(of: "/") else { return nil }
        let path = String(line[slash...])
        return path.contains(".so") && !path.hasSuffix("(deleted)") ? path : nil
      })
  }
}
