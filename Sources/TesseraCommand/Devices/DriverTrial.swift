import ArgumentParser
import Tessera
import TesseraDevices
internal import TesseraHost

/// Keeps drivers that end their process out of this one: each is loaded by a process of its own before
/// this command loads it for the first time.
enum DriverTrial {
  private static let check = DriverCheck(
    folder: CacheFolder.path().flatMap { CacheFolder.objection(to: $0) == nil ? $0 : nil },
    attempt: { attempt($0) })

  /// Asks for the trials. They cost nothing until drivers are needed.
  static func install() {
    #if os(Linux)
      DriverGate.install {
        let verdict = check.run()
        if verdict.admitsAny { check.leaveMark() }
        return verdict
      }
    #endif
  }

  /// Says that the drivers let this process end.
  static func end() { check.removeMark() }

  /// The longest a trial may take: a driver may compile for some seconds.
  private static let limit = Duration.seconds(90)

  #if os(Linux)
    /// Loads the drivers in another process.
    private static func attempt(_ changes: [String: String]) -> DriverCheck.Outcome {
      var ends: [Int32] = [-1, -1]
      guard unsafe pipe(&ends) == 0 else { return .survived(files: []) }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
      defer { close(ends[0]) }
      var actions = unsafe posix_spawn_file_actions_t()
      unsafe posix_spawn_file_actions_init(&actions)
      defer { unsafe posix_spawn_file_actions_destroy(&actions) }
      unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
      unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
      unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
      let arguments = unsafe strings(["tessera", TrialCommand.configuration.commandName ?? ""])
      let variables = unsafe strings(environment(changes))
      defer {
        var texts = unsafe (arguments + variables)[...]
        while let text = unsafe texts.popFirst() { unsafe free(text) }
      }
      var process: pid_t = 0
      let status = unsafe posix_spawn(
        &process, "/proc/self/exe", &actions, nil, arguments, variables)
      close(ends[1])
      // Where no process can be started, the driver gets its chance here.
      guard status == 0 else { return .survived(files: []) }
      guard let end = wait(for: process) else {
        return .died("gave no answer for \(limit / .seconds(1)) s in a process of its own")
      }
      // The low bits hold the signal, the next byte the exit status.
      guard end & 0x7f == 0 else {
        return .died("ended the process that tried it (signal \(end & 0x7f))")
      }
      guard end == 0 else {
        return .died("ended the process that tried it (exit \(end >> 8 & 0xff))")
      }
      return .survived(files: text(from: ends[0]).split(separator: "\n").map(String.init))
    }

    /// Returns how the process ended; nil if it had to be ended.
    private static func wait(for process: pid_t) -> Int32? {
      let deadline = ContinuousClock.now + limit
      var status: Int32 = 0
      while true {
        let ended = unsafe waitpid(process, &status, WNOHANG)
        if ended == process { return status }
        if ended < 0, errno != EINTR { return 0 }
        if deadline <= .now {
          kill(process, SIGKILL)
          unsafe waitpid(process, &status, 0)
          return nil
        }
        usleep(2000)
      }
    }

    /// Reads what is in the pipe; does not wait for more.
    private static func text(from pipe: Int32) -> String {
      var bytes: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      while true {
        let count = unsafe read(pipe, &buffer, buffer.count)
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
      }
    }

    private static func strings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
      unsafe texts.map { unsafe strdup($0) } + [nil]
    }

    /// The environment of this process with `changes`, and without a report of every crash.
    private static func environment(_ changes: [String: String]) -> [String] {
      let changes = changes.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
      // Not by its name, which Swift takes for unsafe because it is a variable.
      typealias Table = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
      let address = unsafe dlsym(nil, "environ")?.assumingMemoryBound(to: Table?.self)
      var kept: [String] = []
      var next = unsafe address?.pointee
      while let entry = unsafe next?.pointee {
        let text = unsafe String(cString: entry)
        if changes[String(text.prefix { $0 != "=" })] == nil { kept.append(text) }
        unsafe next = unsafe next.map { unsafe $0 + 1 }
      }
      return kept + changes.map { "\($0.key)=\($0.value)" }
    }
  #else
    private static func attempt(_ changes: [String: String]) -> DriverCheck.Outcome {
      .survived(files: [])
    }
  #endif
}

/// The other process of a ``DriverTrial``.
struct TrialCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "try-drivers", abstract: "Load the OpenCL drivers and run a small kernel on each.",
    discussion: """
      Prints the library files that were loaded. Other commands run this first where
      they do not know a driver.

      Examples:
        tessera try-drivers
      """,
    shouldDisplay: false)

  func run() throws {
    for file in DriverCheck.tryDrivers() { Console.print(file) }
  }
}
