/// Finds out whether the system lets this process start threads.
///
/// Limits on processes (`ulimit -u`), on address space (`ulimit -v`, a stack each) and of control
/// groups refuse them, and some libraries then try again for ever.
package enum ThreadProbe {
  /// Whether one thread for each core can be started: what a ``WorkerPool`` needs.
  package static let coresCanStart = canStart(HostLimits.current.cores)

  /// Starts `count` threads that are alive at once, and ends them. Returns whether all could be
  /// started.
  ///
  /// - Complexity: Some 20 microseconds for each thread.
  package static func canStart(_ count: Int) -> Bool {
    let gate = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    gate.initialize(to: pthread_mutex_t())
    pthread_mutex_init(gate, nil)
    defer {
      pthread_mutex_destroy(gate)
      gate.deallocate()
    }
    pthread_mutex_lock(gate)
    #if canImport(Darwin)
      var started: [pthread_t?] = []
      var thread: pthread_t?
    #else
      var started: [pthread_t] = []
      var thread = pthread_t()
    #endif
    while started.count < count, pthread_create(&thread, nil, passThrough, gate) == 0 {
      started.append(thread)
    }
    pthread_mutex_unlock(gate)
    for thread in started {
      #if canImport(Darwin)
        if let thread { pthread_join(thread, nil) }
      #else
        pthread_join(thread, nil)
      #endif
    }
    return started.count == max(0, count)
  }
}

#if canImport(Darwin)
  /// Waits until the gate is open.
  private func passThrough(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let gate = argument.assumingMemoryBound(to: pthread_mutex_t.self)
    pthread_mutex_lock(gate)
    pthread_mutex_unlock(gate)
    return nil
  }
#else
  /// Waits until the gate is open.
  private func passThrough(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let gate = argument?.assumingMemoryBound(to: pthread_mutex_t.self) else { return nil }
    pthread_mutex_lock(gate)
    pthread_mutex_unlock(gate)
    return nil
  }
#endif
