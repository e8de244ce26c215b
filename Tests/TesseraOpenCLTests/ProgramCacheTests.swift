import Foundation
import TesseraCompute
import TesseraHost
import Testing

@testable import TesseraOpenCL

@Suite struct ProgramCacheTests {
  @Test("a binary comes back for its key only")
  func roundTrip() {
    let folder = Folder()
    let cache = ProgramCache(directory: folder.path + "/a/b", deviceKey: "device")
    let key = cache.key(source: "kernel", options: "-D")
    #expect(cache.binary(for: key) == nil)
    cache.store([1, 2, 3], for: key)
    #expect(cache.binary(for: key) == [1, 2, 3])
    for other in [
      cache.key(source: "kernel2", options: "-D"), cache.key(source: "kernel", options: ""),
      ProgramCache(directory: cache.directory, deviceKey: "other").key(
        source: "kernel", options: "-D"),
    ] {
      #expect(cache.binary(for: other) == nil)
    }
    cache.remove(key)
    #expect(cache.binary(for: key) == nil)
  }

  @Test("a damaged file is refused and removed", arguments: ["truncated", "changed", "empty key"])
  func damaged(_ damage: String) throws {
    let folder = Folder()
    let cache = ProgramCache(directory: folder.path, deviceKey: "device")
    let key = cache.key(source: "kernel", options: "")
    cache.store([UInt8](repeating: 7, count: 100), for: key)
    let path = try #require(cache.path(for: key))
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    switch damage {
    case "truncated": bytes = bytes.dropLast(50)
    case "changed": bytes[bytes.count - 1] ^= 1
    default: bytes = Data([0])
    }
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect(cache.binary(for: key) == nil)
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test(
    "what is no file is as good as no entry, and makes way for one",
    arguments: ["directory", "full directory", "pipe", "sparse file", "dangling link"])
  func oddEntry(_ kind: String) throws {
    let folder = Folder()
    let cache = ProgramCache(directory: folder.path, deviceKey: "device")
    let key = cache.key(source: "kernel", options: "")
    cache.store([1], for: key)
    let path = try #require(cache.path(for: key))
    try FileManager.default.removeItem(atPath: path)
    switch kind {
    case "pipe": #expect(mkfifo(path, 0o600) == 0)
    case "sparse file":
      let file = open(path, O_CREAT | O_WRONLY, 0o600)
      #expect(ftruncate(file, 8 << 40) == 0)
      close(file)
    case "dangling link": #expect(symlink("/nonexistent/x", path) == 0)
    default:
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      if kind == "full directory" { #expect(mkfifo(path + "/x", 0o600) == 0) }
    }
    #expect(cache.binary(for: key) == nil)
    cache.store([1, 2, 3], for: key)
    #expect(cache.binary(for: key) == [1, 2, 3])
  }

  @Test("a folder that others may write is not used for programs")
  func trust() throws {
    let folder = Folder()
    func options() throws -> OpenCLOptions {
      try OpenCLOptions { $0 == "TESSERA_CACHE" ? folder.path : nil }
    }
    #expect(try options().cacheDirectory == folder.path)
    #expect(CacheFolder.objection(to: folder.path) == nil)
    #expect(mkdir(folder.path, 0o700) == 0)
    for (mode, isTrusted) in [(0o700, true), (0o755, true), (0o775, false), (0o1777, false)] {
      #expect(chmod(folder.path, mode_t(mode)) == 0)
      #expect(try (options().cacheDirectory != nil) == isTrusted)
      let objection = CacheFolder.objection(to: folder.path)
      #expect((objection == nil) == isTrusted)
      if let objection { #expect(objection.message.contains("chmod go-w '\(folder.path)'")) }
    }
    #expect(CacheFolder.objection(to: "/etc/passwd")?.message.contains("is not a folder") == true)
  }

  @Test("a folder that cannot be written costs nothing but time")
  func unwritable() {
    let cache = ProgramCache(directory: "/proc/nowhere", deviceKey: "device")
    let key = cache.key(source: "kernel", options: "")
    cache.store([1], for: key)
    #expect(cache.binary(for: key) == nil)
    let none = ProgramCache(directory: nil, deviceKey: "device")
    none.store([1], for: key)
    #expect(none.binary(for: key) == nil)
  }

  @Test("devices keep their programs, and rebuild one the driver refuses")
  func devices() throws {
    let folder = Folder()
    var options = OpenCLOptions()
    options.cacheDirectory = folder.path
    func gathered() throws -> [[Float]] {
      try OpenCLDevice.all(options).devices.map { device in
        let target = try device.allocate(Float.self, rows: 2, columns: 1)
        try device.gather(
          device.upload([Float(5), 6], rows: 2, columns: 1),
          rows: device.upload([Int32(1), 0], rows: 2, columns: 1), into: target)
        return try device.download(target)
      }
    }
    let want = try gathered()
    #expect(want.allSatisfy { $0 == [6, 5] })
    let files = folder.files
    #expect(files.isEmpty == want.isEmpty)
    #expect(try gathered() == want)

    // A whole file with a sound checksum whose binary no driver takes: as after a driver changed
    // without changing its version.
    for device in OpenCLDevice.all(options).devices {
      let source = KernelSource("gather", ["ROWS": 32])
      let key = device.cache.key(source: try source.text(), options: device.options(of: source))
      #expect(device.cache.binary(for: key) != nil)
      device.cache.store([UInt8](repeating: 1, count: 64), for: key)
    }
    #expect(try gathered() == want)
    #expect(folder.files == files)
  }
}
