import COpenCL
import Synchronization
import TesseraCompute
import Testing

@testable import TesseraOpenCL

/// Read by entry points, which cannot capture anything.
private let flushFails = Atomic(false)
private let launchesLeft = Atomic(0)
private let largestWorkGroup = Atomic(0)
private let isGone = Atomic(false)

/// One after the other: what entry points read is there once.

@Suite(.serialized) struct DiscoveryTests {
  @Test(
    "a library that cannot be used is named, with the remedy",
    arguments: ["/nonexistent/libOpenCL.so.1", "/etc/passwd", "libm.so.6"])
  func badLibrary(_ path: String) {
    var options = OpenCLOptions()
    options.library = path
    let (devices, problems) = OpenCLDevice.all(options)
    #expect(devices.isEmpty && problems.count == 1)
    #expect(problems.first?.code == .deviceUnavailable)
    #expect(problems.first?.message.contains(path) == true)
    #expect(problems.first?.message.contains("TESSERA_OPENCL_LIBRARY") == true)
  }

  @Test("with no library at all, what to install is said")
  func nothingInstalled() {
    let (platforms, problems) = Discovery.platforms(loaders: ["libnone.so"], drivers: ["libno.so"])
    #expect(platforms.isEmpty && problems.map(\.code) == [.deviceUnavailable])
    #expect(problems.first?.message.contains("libnone.so, libno.so") == true)
    #expect(problems.first?.message.contains("install") == true)
  }

  @Test("a driver works without a loader", .enabled(if: isLoadable("libpocl.so.2")))
  func withoutLoader() throws {
    let (platforms, problems) = Discovery.platforms(
      loaders: ["libnone.so"], drivers: ["libpocl.so.2"])
    #expect(problems.isEmpty)
    let (devices, deviceProblems) = Discovery.devices(of: platforms, OpenCLOptions())
    #expect(deviceProblems.isEmpty)
    let device = try #require(devices.first)
    #expect(try device.download(device.upload([Float(1), 2], rows: 1, columns: 2)) == [1, 2])
  }

  private static func isLoadable(_ path: String) -> Bool {
    (try? OpenCLLibrary(path: path)) != nil
  }

  @Test("a platform without devices is named", .enabled(if: !Subject.all.isEmpty))
  func noDevices() throws {
    let (devices, problems) = try faulty { api in
      api.clGetDeviceIDs = { _, _, _, _, _ in -1 }
    }
    #expect(devices.isEmpty && !problems.isEmpty)
    #expect(problems.allSatisfy { $0.code == .deviceUnavailable })
    #expect(problems.allSatisfy { $0.message.contains("has no device") })
  }

  @Test(
    "a platform without devices does not hide the others", .enabled(if: !Subject.all.isEmpty))
  func noDevicesBeside() throws {
    let platform = try #require(Discovery.platforms(nil).platforms.first)
    var api = platform.library.api
    api.clGetDeviceIDs = { _, _, _, _, _ in -1 }
    let empty = OpenCLLibrary.Platform(
      library: OpenCLLibrary(path: "empty", api: api), id: platform.id, name: "Empty",
      version: platform.version)
    let (devices, problems) = Discovery.devices(of: [empty, platform], OpenCLOptions())
    #expect(!devices.isEmpty && problems.count == 1)
    #expect(problems.first?.message.contains("Empty has no device") == true)
  }

  @Test("a library without platforms finds none", .enabled(if: !Subject.all.isEmpty))
  func noPlatforms() throws {
    let platform = try #require(Discovery.platforms(nil).platforms.first)
    for status: Int32 in [-1001, 0] {
      var api = platform.library.api
      api.clGetPlatformIDs =
        status == 0
        ? { _, _, count in
          count?.pointee = 0
          return 0
        } : { _, _, _ in -1001 }
      #expect(try OpenCLLibrary(path: "fake", api: api).platforms().isEmpty)
    }
  }

  @Test("a device that fails its probe is reported, not used", .enabled(if: !Subject.all.isEmpty))
  func failingProbe() throws {
    typealias Fault = @Sendable (inout copencl_api) -> Void
    let faults: [(Fault, TesseraError.Code)] = [
      (
        {
          $0.clCreateContext = { _, _, _, _, _, status in
            status?.pointee = -2
            return nil
          }
        }, .deviceFailure
      ),
      ({ $0.clBuildProgram = { _, _, _, _, _, _ in -11 } }, .buildFailure),
      ({ $0.clEnqueueNDRangeKernel = { _, _, _, _, _, _, _, _, _ in -5 } }, .outOfMemory),
      ({ $0.clEnqueueNDRangeKernel = { _, _, _, _, _, _, _, _, _ in 0 } }, .deviceFailure),
      (
        {
          $0.clCreateBuffer = { _, _, _, _, status in
            status?.pointee = -4
            return nil
          }
        }, .outOfMemory
      ),
    ]
    for (fault, code) in faults {
      let (devices, problems) = try faulty(OpenCLOptions(), fault)
      #expect(devices.isEmpty && problems.map(\.code).allSatisfy { $0 == code })
      #expect(problems.first?.message.contains("opencl:0") == true)
    }
  }

  @Test(
    "a driver that launches nothing more ends its probe, and soon",
    .enabled(if: !Subject.all.isEmpty), .timeLimit(.minutes(1)), arguments: [0, 1, 2],
    [false, true])
  func failingLaunches(after count: Int, losing: Bool) throws {
    launchesLeft.store(count, ordering: .relaxed)
    isGone.store(false, ordering: .relaxed)
    let (devices, problems) = try faulty { api in
      api.clEnqueueNDRangeKernel = {
        queue, kernel, sides, offset, global, local, count, list, event in
        if launchesLeft.load(ordering: .relaxed) > 0 {
          launchesLeft.subtract(1, ordering: .relaxed)
          return real!.api.clEnqueueNDRangeKernel(
            queue, kernel, sides, offset, global, local, count, list, event)
        }
        return isGone.load(ordering: .relaxed) ? -36 : -5
      }
      guard losing else { return }
      // Once a launch has failed, nothing works.
      api.clEnqueueWriteBuffer = { queue, memory, waits, start, size, source, count, list, event in
        if launchesLeft.load(ordering: .relaxed) == 0 { isGone.store(true, ordering: .relaxed) }
        return isGone.load(ordering: .relaxed)
          ? -36
          : real!.api.clEnqueueWriteBuffer(
            queue, memory, waits, start, size, source, count, list, event)
      }
    }
    #expect(devices.isEmpty && !problems.isEmpty)
    #expect(problems.allSatisfy { $0.code == (losing ? .deviceLost : .outOfMemory) })
  }

  @Test(
    "devices of small work-groups give the same results", .enabled(if: !Subject.all.isEmpty),
    arguments: [16, 100])
  func smallWorkGroups(_ size: Int) throws {
    largestWorkGroup.store(size, ordering: .relaxed)
    for body in [nil, KernelBody.wideItem, .tile] {
      var options = OpenCLOptions()
      options.body = body
      let (devices, problems) = try faulty(options) { api in
        api.clGetDeviceInfo = { device, property, size, value, written in
          let status = real!.api.clGetDeviceInfo(device, property, size, value, written)
          if property == cl_device_info(CL_DEVICE_MAX_WORK_GROUP_SIZE), let value {
            value.storeBytes(of: largestWorkGroup.load(ordering: .relaxed), as: Int.self)
          }
          return status
        }
        api.clEnqueueNDRangeKernel = {
          queue, kernel, sides, offset, global, local, count, list, event in
          guard (local?[0] ?? 1) * (local?[1] ?? 1) <= largestWorkGroup.load(ordering: .relaxed)
          else {
            return -54
          }
          return real!.api.clEnqueueNDRangeKernel(
            queue, kernel, sides, offset, global, local, count, list, event)
        }
      }
      guard body != .tile || size >= 64 else {
        #expect(devices.isEmpty && problems.allSatisfy { $0.code == .invalidArgument })
        continue
      }
      #expect(problems.isEmpty)
      for device in devices {
        #expect(device.body == (body ?? .wideItem))
        for metric in [Metric.squaredL2, .cosine] {
          var numbers = Numbers(seed: 31)
          let rows = try Vectors(numbers.floats(700 * 20), dimension: 20)
          let queries = try Vectors(numbers.floats(30 * 20), dimension: 20)
          let got = try device.nearest(queries, in: device.prepare(rows, metric: metric), k: 7)
          let reference = ReferenceDevice.shared
          let want = try reference.nearest(
            queries, in: reference.prepare(rows, metric: metric), k: 7)
          #expect(got.ids == want.ids)
          #expect(got.scores.map(\.bitPattern) == want.scores.map(\.bitPattern))
        }
        var sums: [[Double]] = []
        for device in [device, ReferenceDevice.shared] as [any Device] {
          var numbers = Numbers(seed: 32)
          let target = try device.allocate(Double.self, rows: 9, columns: 40)
          try device.accumulateClusters(
            device.upload(numbers.floats(300 * 40), rows: 300, columns: 40),
            device.upload((0..<300).map { Int32($0 % 9) }, rows: 300, columns: 1), into: target,
            device.allocate(Int32.self, rows: 9, columns: 1))
          sums.append(try device.download(target))
        }
        #expect(sums[0] == sums[1])
        let product = try device.allocate(Float.self, rows: 70, columns: 40)
        try device.innerProducts(
          device.upload([Float](repeating: 1, count: 70 * 50), rows: 70, columns: 50),
          device.upload([Float](repeating: 2, count: 40 * 50), rows: 40, columns: 50),
          into: product)
        #expect(try device.download(product).allSatisfy { $0 == 100 })
        #expect(device.faults.isEmpty)
      }
    }
  }

  @Test(
    "a driver that ends long loops gives the same results, or says that it cannot",
    arguments: KernelBody.allCases, [3000, 32_768])
  func shortLoops(_ body: KernelBody, _ rounds: Int) throws {
    var options = OpenCLOptions()
    options.body = body
    options.loopLimit = rounds
    for device in OpenCLDevice.all(options).devices {
      var numbers = Numbers(seed: 33)
      let rows = try Vectors(numbers.floats(3000 * 16), dimension: 16)
      let queries = try Vectors(numbers.floats(300 * 16), dimension: 16)
      let reference = ReferenceDevice.shared
      let set = try device.prepare(rows, metric: .squaredL2)
      let got = try device.nearest(queries, in: set, k: 10)
      let want = try reference.nearest(
        queries, in: reference.prepare(rows, metric: .squaredL2), k: 10)
      #expect(got.ids == want.ids)
      #expect(got.scores.map(\.bitPattern) == want.scores.map(\.bitPattern))
      let wide = try Vectors(numbers.floats(40 * 4000), dimension: 4000)
      let error = #expect(throws: TesseraError.self) {
        try device.nearest(wide, in: device.prepare(wide, metric: .innerProduct), k: 1)
      }
      #expect(error?.code == .deviceFailure && error?.message.contains("ends loops") == true)
      let best = try device.allocate(Float.self, rows: 1, columns: 3)
      try device.topK(
        device.upload((0..<9000).map { Float($0) }, rows: 1, columns: 9000), order: .largestFirst,
        into: best, device.allocate(Int32.self, rows: 1, columns: 3))
      #expect(try device.download(best) == [8999, 8998, 8997])
      #expect(!device.info.accelerated.contains(.topK))
      let product = try device.allocate(Float.self, rows: 300, columns: 40)
      try device.innerProducts(
        device.upload([Float](repeating: 1, count: 300 * 600), rows: 300, columns: 600),
        device.upload([Float](repeating: 2, count: 40 * 600), rows: 40, columns: 600),
        into: product)
      #expect(try device.download(product).allSatisfy { $0 == 1200 })
    }
  }

  @Test(
    "a driver that ends loops unseen is caught by what it has been through",
    .enabled(if: Subject.all.contains { $0.device.loopLimit < .max }))
  func unseenLimit() throws {
    var options = OpenCLOptions()
    options.loopLimit = .max
    options.triesKernels = false
    for device in OpenCLDevice.all(options).devices {
      // As few work items as there can be: each goes through more than 65,535 rounds.
      var values = LaunchValues()
      (values[.itemsPerUnit], values[.sliceKiB]) = (1, 1024)
      device.tuning[.search(queries: 1500, rows: 20_000, dimension: 16)] = values
      var numbers = Numbers(seed: 34)
      let rows = try Vectors(numbers.floats(20_000 * 16), dimension: 16)
      let queries = try Vectors(numbers.floats(1500 * 16), dimension: 16)
      let error = #expect(throws: TesseraError.self) {
        try device.nearest(queries, in: device.prepare(rows, metric: .innerProduct), k: 5)
      }
      #expect(error?.code == .deviceFailure, "\(error?.message ?? "")")
    }
  }

  @Test(
    "a driver call that fails while working is an error, and only that",
    .enabled(if: !Subject.all.isEmpty))
  func failsWhileWorking() throws {
    let (devices, _) = try faulty { api in
      api.clFlush = { _ in flushFails.load(ordering: .relaxed) ? -36 : 0 }
    }
    let device = try #require(devices.first)
    let rows = try device.upload([Int32(1)], rows: 1, columns: 1)
    let source = try device.upload([Float(5), 6], rows: 2, columns: 1)
    let target = try device.allocate(Float.self, rows: 1, columns: 1)
    flushFails.store(true, ordering: .relaxed)
    let error = #expect(throws: TesseraError.self) {
      try device.gather(source, rows: rows, into: target)
    }
    flushFails.store(false, ordering: .relaxed)
    #expect(error?.code == .deviceFailure && error?.status == -36)
    #expect(error?.message == "clFlush: CL_INVALID_COMMAND_QUEUE")
    try device.gather(source, rows: rows, into: target)
    #expect(try device.download(target) == [6])
  }

  @Test("a kernel that is not there is an error", arguments: Subject.all)
  func noSuchKernel(_ subject: Subject) {
    let error = #expect(throws: TesseraError.self) {
      try subject.device.launch(
        "no_such_kernel", of: KernelSource("gather"), [],
        over: Grid(workGroups: (1, 1), workEach: 1))
    }
    #expect(error?.code == .deviceFailure && error?.status == -46)
    #expect(error?.message.contains("CL_INVALID_KERNEL_NAME") == true)
  }

  @Test("a program that does not compile gives its log", arguments: Subject.all)
  func buildFailure(_ subject: Subject) {
    let error = #expect(throws: TesseraError.self) {
      try subject.device.launch(
        "gather", of: KernelSource("encode"), [], over: Grid(workGroups: (1, 1), workEach: 1))
    }
    #expect(error?.code == .buildFailure)
    #expect(error?.message.contains("encode.cl") == true)
    #expect(error?.message.contains("LANES") == true)
  }

  /// The devices of the platforms here, behind entry points that `change` has changed.
  private func faulty(
    _ options: OpenCLOptions = OpenCLOptions(), _ change: (inout copencl_api) -> Void
  ) throws -> (devices: [OpenCLDevice], problems: [TesseraError]) {
    let platforms = Discovery.platforms(nil).platforms.map { platform in
      var api = platform.library.api
      change(&api)
      return OpenCLLibrary.Platform(
        library: OpenCLLibrary(path: "faulty", api: api), id: platform.id, name: platform.name,
        version: platform.version)
    }
    return Discovery.devices(of: platforms, options)
  }
}

@Suite struct OptionTests {
  @Test("the environment chooses library, body and cache")
  func environment() throws {
    func options(_ variables: [String: String]) throws -> OpenCLOptions {
      try OpenCLOptions { variables[$0] }
    }
    #expect(try options([:]) == OpenCLOptions())
    #expect(try options(["TESSERA_OPENCL_BODY": "tile"]).body == .tile)
    #expect(try options(["TESSERA_OPENCL_BODY": "wide"]).body == .wideItem)
    #expect(try options(["TESSERA_OPENCL_LIBRARY": "x.so"]).library == "x.so")
    #expect(try options(["HOME": "/h"]).cacheDirectory == "/h/.cache/tessera")
    let both = ["HOME": "/h", "XDG_CACHE_HOME": "/c"]
    #expect(try options(both).cacheDirectory == "/c/tessera")
    #expect(try options(both.merging(["TESSERA_CACHE": "/t"]) { $1 }).cacheDirectory == "/t")
    #expect(try options(["TESSERA_OPENCL_TIMEOUT": "2.5"]).launchDeadline == .seconds(2.5))
    #expect(try options(["TESSERA_OPENCL_TIMEOUT": "0"]).launchDeadline == nil)
    for wrong in [
      ["TESSERA_OPENCL_BODY": "fast"], ["TESSERA_OPENCL_TIMEOUT": "soon"],
      ["TESSERA_OPENCL_TIMEOUT": "-1"], ["TESSERA_OPENCL_TIMEOUT": "nan"],
    ] {
      let error = #expect(throws: TesseraError.self) { try options(wrong) }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test("statuses have names and families")
  func statuses() {
    #expect(OpenCLStatus.name(-4) == "CL_MEM_OBJECT_ALLOCATION_FAILURE")
    #expect(OpenCLStatus.name(-19) == "CL_KERNEL_ARG_INFO_NOT_AVAILABLE")
    #expect(OpenCLStatus.name(-30) == "CL_INVALID_VALUE")
    #expect(OpenCLStatus.name(-61) == "CL_INVALID_BUFFER_SIZE")
    #expect(OpenCLStatus.name(-68) == "CL_INVALID_DEVICE_PARTITION_COUNT")
    #expect(OpenCLStatus.name(-9999) == "unknown OpenCL status")
    #expect(OpenCLStatus.name(7) == "unknown OpenCL status")
    for status: Int32 in [-4, -5, -61] {
      #expect(OpenCLStatus.error(status, "call").code == .outOfMemory)
    }
    #expect(OpenCLStatus.error(-36, "call").code == .deviceFailure)
  }
}
