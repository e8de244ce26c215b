import COpenCL
import TesseraCompute
import TesseraHost
import Testing

@testable import TesseraOpenCL

@Suite struct BodyChoiceTests {
  @Test("the faster body is taken; the usual one unless the other is faster by a tenth")
  func faster() {
    func body(_ wide: Double?, _ tile: Double?, usual: KernelBody = .wideItem) -> KernelBody {
      BodyChoice(
        [.wideItem: wide, .tile: tile].compactMapValues { $0 }, usual: usual
      ).body
    }
    #expect(body(1, 2) == .wideItem)
    #expect(body(2, 1) == .tile)
    #expect(body(1.05, 1) == .wideItem)
    #expect(body(1.05, 1, usual: .tile) == .tile)
    #expect(body(1, 1.2, usual: .tile) == .wideItem)
    // A body that fails has no time.
    #expect(body(nil, 1) == .tile)
    #expect(body(1, nil, usual: .tile) == .wideItem)
  }

  @Test("both bodies are measured once, and the next device reads what was found")
  func remembered() throws {
    let folder = Folder()
    do {
      for device in devices(folder.path) where device.info.kind != .gpu {
        let choice = device.bodyChoice
        #expect(Set(choice.seconds.keys) == Set(KernelBody.allCases))
        let chosen = try #require(choice.seconds[choice.body])
        #expect(choice.seconds.values.allSatisfy { chosen <= 1.1 * $0 })
        #expect(device.info.variant.hasPrefix(choice.body.rawValue))
        // Times are never the same twice.
        let again = devices(folder.path).first { $0.info.identifier == device.info.identifier }
        #expect(again?.bodyChoice == choice)
        BodyChoice.forgetAll(in: folder.path)
        let anew = devices(folder.path).first { $0.info.identifier == device.info.identifier }
        #expect(anew?.bodyChoice.seconds.count == 2 && anew?.bodyChoice != choice)
      }
    }
  }

  @Test("what was measured decides, not the type of the device")
  func followed() throws {
    let folder = Folder()
    do {
      for device in devices(folder.path) where device.info.kind != .gpu {
        let path = try #require(
          SystemFile.names(in: folder.path).first { $0.hasPrefix("body-") })
        for body in KernelBody.allCases {
          let (key, cache) = BodyChoice.place(device.cache)
          cache.store(
            Array(
              KernelBody.allCases.map { "\($0.rawValue) \($0 == body ? 0.001 : 0.002)" }
                .joined(separator: "\n").utf8), for: key)
          #expect(SystemFile.names(in: folder.path).contains(path))
          let chosen = devices(folder.path).first { $0.info.identifier == device.info.identifier }
          #expect(chosen?.body == body)
          #expect(chosen?.bodyChoice.seconds[body] == 0.001)
        }
        // What makes no sense is measured again.
        for damage in ["", "wide-item", "wide-item -1\ntile 1", "round 1\ntile 2"] {
          let (key, cache) = BodyChoice.place(device.cache)
          cache.store(Array(damage.utf8), for: key)
          let chosen = devices(folder.path).first { $0.info.identifier == device.info.identifier }
          #expect(chosen?.bodyChoice.seconds.count == 2, "\(damage)")
        }
      }
    }
  }

  @Test("a body that does not compile is not taken", .enabled(if: !Subject.all.isEmpty))
  func broken() throws {
    let folder = Folder()
    do {
      var options = OpenCLOptions()
      options.cacheDirectory = folder.path
      let platforms = Discovery.platforms(nil).platforms.map { platform in
        var api = platform.library.api
        api.clBuildProgram = { program, count, devices, options, notify, context in
          // Of the small product only: the device's own kernels are built as they are.
          if let options, String(cString: options).contains("BODY_WIDE"),
            String(cString: options).contains("ROWS_PER_ITEM")
          {
            return -11
          }
          return real!.api.clBuildProgram(program, count, devices, options, notify, context)
        }
        return OpenCLLibrary.Platform(
          library: OpenCLLibrary(path: "faulty", api: api), id: platform.id, name: platform.name,
          version: platform.version)
      }
      let (devices, problems) = Discovery.devices(of: platforms, options)
      #expect(problems.isEmpty && !devices.isEmpty)
      for device in devices where device.info.kind != .gpu {
        #expect(device.body == .tile)
        #expect(Set(device.bodyChoice.seconds.keys) == [.tile])
      }
    }
  }

  @Test("nothing is measured where it is not asked for, or cannot be remembered")
  func unmeasured() {
    for device in OpenCLDevice.all(OpenCLOptions()).devices {
      #expect(device.bodyChoice.seconds.isEmpty)
      #expect(device.body == (device.info.kind == .cpu ? .wideItem : .tile))
    }
    for subject in Subject.all { #expect(subject.device.bodyChoice.seconds.isEmpty) }
  }

  private func devices(_ folder: String) -> [OpenCLDevice] {
    var options = OpenCLOptions()
    options.cacheDirectory = folder
    return OpenCLDevice.all(options).devices
  }
}
