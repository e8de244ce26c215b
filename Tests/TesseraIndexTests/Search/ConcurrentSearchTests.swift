import Dispatch
import Synchronization
import TesseraCPU
import TesseraCompute
import TesseraHost
import TesseraOpenCL
import Testing

@testable import TesseraIndex

@Suite("searches of a server", .serialized)
struct ConcurrentSearchTests {
  static let dimension = 128

  static func search(rows: Int, on device: (any Device)? = nil) throws -> IndexSearch {
    try IndexSearch(
      Vectors(ExtremeScoreTests.numbers(rows * dimension, times: 1, seed: 3), dimension: dimension),
      metric: .squaredL2, on: device ?? CPUDevice())
  }

  static func queries(_ count: Int) throws -> Vectors {
    try Vectors(
      ExtremeScoreTests.numbers(count * dimension, times: 1, seed: 4), dimension: dimension)
  }

  /// Ends a search of more than a second by `stop`, 50 ms after it began; nil lets it end by itself.
  /// Returns how it ended, and how long after `stop`, or after its beginning.
  private func ending(
    of search: IndexSearch, _ control: RunControl,
    by stop: (@Sendable (Task<Ending, Never>) -> Void)?
  ) async throws -> (code: TesseraError.Code?, late: Duration) {
    let queries = try Self.queries(1024 * 4)
    let began = ContinuousClock.now
    let task = Task(executorPreference: OwnThread()) { () -> Ending in
      do throws(TesseraError) {
        _ = try await search.nearest(queries, k: 1000, control: control)
        return Ending(code: nil, moment: .now)
      } catch {
        return Ending(code: error.code, moment: .now)
      }
    }
    let stopped = Mutex(began)
    if let stop {
      await withCheckedContinuation { continuation in
        DispatchQueue(label: "tessera.tests.stop").asyncAfter(deadline: .now() + 0.05) {
          stopped.withLock { $0 = .now }
          stop(task)
          continuation.resume()
        }
      }
    }
    let ending = await task.value
    return (ending.code, ending.moment - stopped.withLock(\.self))
  }

  /// How a search ended, and when.
  private struct Ending: Sendable {
    let code: TesseraError.Code?
    let moment: ContinuousClock.Instant
  }

  /// The soonest of some endings: the machine is shared, and what is tested is the search.
  private func soonest(
    _ code: TesseraError.Code,
    _ ending: () async throws -> (code: TesseraError.Code?, late: Duration)
  ) async throws -> Duration {
    var soonest = Duration.seconds(60)
    for _ in 0..<12 where soonest > .milliseconds(100) {
      let found = try await ending()
      #expect(found.code == code)
      soonest = min(soonest, found.late)
    }
    return soonest
  }

  @Test("a signal, a deadline and a cancelled task each end a search within a tenth of a second")
  func stops() async throws {
    for device in [try CPUDevice()] + OpenCLDevice.all().devices as [any Device] {
      let search = try Self.search(rows: 100_000, on: device)
      // Rows are prepared, and programs compiled, outside of what is measured.
      _ = try await search.nearest(Self.queries(1024 * 4).rows(0..<64), k: 1000)
      let raised = try await soonest(.cancelled) {
        let signal = StopSignal()
        return try await ending(of: search, RunControl(stop: signal)) { _ in signal.raise() }
      }
      let cancelled = try await soonest(.cancelled) {
        try await ending(of: search, RunControl()) { $0.cancel() }
      }
      let late = try await soonest(.deadlineExceeded) {
        try await ending(of: search, RunControl(stop: StopSignal(deadline: .now)), by: nil)
      }
      let limit = Duration.milliseconds(100)
      #expect(max(raised, cancelled, late) <= limit, "\(device.info.identifier)")
    }
  }

  /// Numbers of threads that were seen.
  private final class Seen: Sendable {
    private let threads = Mutex<[Int]>([])
    var all: [Int] { threads.withLock(\.self) }
    func add(threads count: Int) { threads.withLock { $0.append(count) } }
  }

  @Test("sixteen searches at once find what one finds, on few threads, while tasks get turns")
  func many() async throws {
    let search = try Self.search(rows: 20_000)
    let queries = try Self.queries(256)
    let want = try await search.nearest(queries, k: 10).neighbors
    let seen = Seen()
    try await withThrowingTaskGroup(of: Neighbors?.self) { group in
      for _ in 0..<16 {
        group.addTask { try await search.nearest(queries, k: 10).neighbors }
      }
      group.addTask {
        for _ in 0..<20 {
          try await Task.sleep(for: .milliseconds(5))
          seen.add(threads: threadCount())
        }
        return nil
      }
      for try await found in group {
        if let found { #expect(found == want) }
      }
    }
    #expect(seen.all.count == 20)
    // Callers, workers, Swift's own pool, and what the test runner has.
    let cores = HostLimits.current.cores
    #expect(seen.all.max() ?? 0 <= 16 + 3 * cores + 24)
  }

  @Test("a search may plan and search where its progress is told")
  func nested() throws {
    let search = try Self.search(rows: 500)
    let queries = try Self.queries(3)
    let want = try search.nearest(queries, k: 4).neighbors
    let seen = Mutex<[Neighbors?]>([])
    let control = RunControl(progress: { _ in
      let found = try? search.nearest(queries, k: 4).neighbors
      _ = try? search.plan(queryCount: 3, k: 4)
      seen.withLock { $0.append(found) }
    })
    #expect(try search.nearest(queries, k: 4, control: control).neighbors == want)
    #expect(seen.withLock { !$0.isEmpty && $0.allSatisfy { $0 == want } })
  }

  @Test("the memory budget keeps to the container's limit")
  func containerMemory() throws {
    // A container of 64 MiB on a machine that has more.
    var template = Array("/tmp/tessera-limits-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { return }
    let root = String(cString: made)
    let folders = ["/sys", "/sys/fs", "/sys/fs/cgroup"].map { root + $0 }
    for folder in folders { mkdir(folder, 0o700) }
    let file = folders[2] + "/memory.max"
    defer {
      unlink(file)
      for folder in folders.reversed() + [root] { rmdir(folder) }
    }
    let stream = try #require(fopen(file, "w"))
    fputs("67108864\n", stream)
    fclose(stream)
    let limits = HostLimits(root: root)
    #expect(try CPUDevice().searchableBytes(within: limits) == 32 << 20)
    #expect(ReferenceDevice.shared.searchableBytes(within: limits) == 32 << 20)
    #expect(
      ReferenceDevice.shared.searchableBytes(within: .current)
        == HostLimits.current.memoryBytes / 2)
  }

  @Test("hits that this machine cannot hold are an error, not the end of the process")
  func results() throws {
    let search = try Self.search(rows: 100_000)
    let many = try Vectors(
      HostMemory(copying: [Float](repeating: 1, count: Self.dimension)), element: .float32,
      count: 1, dimension: Self.dimension)
    #expect(throws: Never.self) {
      try search.requireRoom(queryCount: many.count, .k(10), selectedCount: 100_000)
    }
    let error = #expect(throws: TesseraError.self) {
      try search.requireRoom(queryCount: 1 << 40, .k(100_000), selectedCount: 100_000)
    }
    #expect(error?.code == .outOfMemory)
  }
}

/// The threads of this process.
private func threadCount() -> Int {
  guard let folder = opendir("/proc/self/task") else { return 0 }
  defer { closedir(folder) }
  var count = -2
  while readdir(folder) != nil { count += 1 }
  return count
}
