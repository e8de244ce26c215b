import Dispatch

/// A thread for tasks that would wait for others in Swift's pool, which has as many as the machine has
/// cores.
final class OwnThread: TaskExecutor {
  private let queue = DispatchQueue(label: "tessera.tests.thread")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
