import TesseraBenchmark
import TesseraCompute
import Testing

@Suite struct BenchmarkTests {
  /// Small work, once.
  private var once: Benchmark {
    var benchmark = Benchmark.quick
    benchmark.targetSeconds = 0
    return benchmark
  }

  @Test("measures any device, here one that has nothing of its own")
  func anyDevice() throws {
    var benchmark = once
    benchmark.tasks = [.copy, .upload, .download, .topK, .lookupScores, .nearestCodes, .kmeans]
    var steps: [Int] = []
    let result = try benchmark.measure(WrongDevice(nil)) { steps.append($0) }
    #expect(result.device == "wrong" && result.measurements.map(\.task) == benchmark.tasks)
    #expect(steps == Array(1...benchmark.stepCount))
    for one in result.measurements {
      #expect(one.leastSeconds <= one.warmSeconds && one.warmSeconds <= one.mostSeconds)
      #expect(one.checked > 0 && one.rate > 0 && one.rate.isFinite)
    }
    let copy = try #require(result.peak(.copy))
    let topK = try #require(result.measurements.first { $0.task == .topK })
    #expect(topK.shareOfPeak == topK.rate / copy)
    #expect(result.peak(.nearest) == nil)
  }

  @Test(
    "a device that computes something else gets an error, not a figure",
    arguments: [
      BenchmarkTask.copy, .upload, .download, .multiply, .multiplyInt8, .read, .topK, .kmeans,
      .encode, .lookupScores, .nearestCodes,
    ])
  func wrongResults(_ task: BenchmarkTask) {
    var benchmark = once
    benchmark.tasks = [task]
    let error = #expect(throws: TesseraError.self) {
      try benchmark.measure(WrongDevice(task))
    }
    #expect(error?.code == .wrongResult)
    #expect(error?.message.hasPrefix("\(task.rawValue) on wrong") == true)
  }

  @Test("memory is measured by the largest copy, products by the best")
  func peaks() throws {
    var result = try once.measure(ReferenceDevice.shared) { _ in }
    let sample = try #require(result.measurements.first { $0.task == .copy })
    result.measurements = []
    for (task, size, rate) in [
      (BenchmarkTask.copy, BenchmarkSize.large, 10), (.copy, .small, 90), (.multiply, .small, 5),
      (.multiply, .medium, 7), (.multiply, .large, 6),
    ] as [(BenchmarkTask, BenchmarkSize, Double)] {
      var one = sample
      (one.task, one.size, one.rate) = (task, size, rate)
      result.measurements.append(one)
    }
    #expect(result.peak(.copy) == 10 && result.peak(.multiply) == 7)
  }

  @Test("a device without matrix units is told so once, not for every size")
  func noMatrixUnit() throws {
    var benchmark = once
    benchmark.tasks = [.multiplyFloat16]
    benchmark.sizes = BenchmarkSize.allCases
    var steps: [Int] = []
    let result = try benchmark.measure(ReferenceDevice.shared) { steps.append($0) }
    #expect(result.measurements.isEmpty && steps == [1, 2, 3, 4])
    #expect(result.unavailable.map(\.what) == ["multiplyFloat16"])
    #expect(result.unavailable[0].reason.contains("float16"))
  }

  @Test("work that does not fit is named, and the rest measured")
  func outOfMemory() throws {
    var benchmark = once
    benchmark.tasks = [.copy, .topK]
    let device = WrongDevice(nil, memoryBytes: 2 << 20)
    let result = try benchmark.measure(device)
    #expect(result.measurements.map(\.task) == [.topK])
    let missing = try #require(result.unavailable.first)
    #expect(missing.what == "copy small" && missing.reason.contains("no room"))
  }

  @Test(
    "rates and times as people read them",
    arguments: [
      (1.234e9, "1.23 GB/s"), (45.6e6, "45.6 MB/s"), (999.6e6, "1.0 GB/s"), (12, "12.0 B/s"),
      (3.5e17, "350 PB/s"),
    ])
  func rates(_ rate: Double, _ text: String) {
    #expect(BenchmarkUnit.bytes.text(rate) == text)
  }

  @Test(
    "times as people read them", arguments: [(0.0123, "12.3 ms"), (2, "2.0 s"), (7e-6, "7.0 us")])
  func times(_ seconds: Double, _ text: String) {
    #expect(BenchmarkFigure.text(seconds: seconds) == text)
  }
}

@Suite struct BenchmarkPageTests {
  @Test("names from drivers and files cannot become markup")
  func escapes() throws {
    var benchmark = Benchmark.quick
    benchmark.tasks = [.copy]
    benchmark.targetSeconds = 0
    var device = try benchmark.measure(ReferenceDevice.shared)
    device.name = "<script>alert(\"1\")</script> & co"
    device.driver = "<b>"
    let run = BenchmarkRun(devices: [device])
    let page = BenchmarkPage([
      .init(label: "this run", run: run), .init(label: "<img>.json", run: run),
    ]).html
    #expect(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>,"))
    #expect(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; co"))
    #expect(page.contains("&lt;img&gt;.json: reference"))
  }

  @Test(
    "figures that no device can have make no broken picture",
    arguments: [0, -1, 1e308, Double.leastNonzeroMagnitude])
  func oddRates(_ rate: Double) throws {
    var benchmark = Benchmark.quick
    benchmark.tasks = [.copy]
    benchmark.targetSeconds = 0
    var device = try benchmark.measure(ReferenceDevice.shared)
    device.measurements[0].rate = rate
    let page = BenchmarkPage([.init(label: "x", run: BenchmarkRun(devices: [device]))]).html
    #expect(!page.contains("nan") && !page.contains("width=\"-") && page.contains("<rect"))
  }
}
