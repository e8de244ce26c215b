import Foundation
import TesseraCompute
import TestSupport
import Testing

@testable import TesseraDevices

@Suite struct ProfileStoreTests {
  private let profile = DeviceProfile(
    overheadSeconds: 0.001, preparedBytesPerSecond: 1e9, productsPerSecond: 1e10)
  private let path =
    FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID()).json").path

  @Test("what is saved is found again, per device, driver and code path")
  func roundTrip() {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let store = ProfileStore(path: path)
    var info = FakeDevice("opencl:0").info
    #expect(store.profile(for: info) == nil)
    store.save(profile, for: info)
    store.save(profile, for: FakeDevice("cpu").info)
    #expect(store.profile(for: info) == profile)
    info.driver = "2"
    #expect(store.profile(for: info) == nil)
    info.driver = "1"
    info.variant = "tile"
    #expect(store.profile(for: info) == nil)
  }

  @Test(
    "a damaged file is as good as none, and is mended",
    arguments: [
      "", "{", "[]", "null", "{\"x\": 1}", String(repeating: "\u{0}", count: 100),
      "{\"%@\": {\"speeds\": {\"overheadSeconds\": -1, \"preparedBytesPerSecond\": 1, "
        + "\"productsPerSecond\": 1}}}",
      "{\"%@\": {\"speeds\": {\"overheadSeconds\": 1, \"preparedBytesPerSecond\": 0, "
        + "\"productsPerSecond\": 1}}}",
    ])
  func damaged(_ text: String) throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let info = FakeDevice("opencl:0").info
    try text.replacing("%@", with: ProfileStore.key(info))
      .write(toFile: path, atomically: true, encoding: .utf8)
    let store = ProfileStore(path: path)
    #expect(store.profile(for: info) == nil)
    store.save(profile, for: info)
    #expect(store.profile(for: info) == profile)
  }

  @Test("a file that cannot be written is done without", arguments: [nil, "/proc/nowhere/x.json"])
  func unwritable(_ path: String?) {
    let store = ProfileStore(path: path)
    let info = FakeDevice("opencl:0").info
    store.save(profile, for: info)
    #expect(store.profile(for: info) == nil)
  }

  @Test("speeds are measured again when they are old, or were measured beside other work")
  func age() {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let store = ProfileStore(path: path)
    let info = FakeDevice("opencl:0").info
    let now = 2e9
    store.save(profile, for: info, at: now)
    #expect(store.profile(for: info, at: now + 29 * 86_400) == profile)
    #expect(store.profile(for: info, at: now + 31 * 86_400) == nil)
    #expect(store.profile(for: info, at: now - 3600) == nil)
    var unsteady = profile
    unsteady.spread = 0.9
    store.save(unsteady, for: info, at: now)
    #expect(store.profile(for: info, at: now + 60) == unsteady)
    #expect(store.profile(for: info, at: now + 2 * 3600) == nil)
    let objection = store.record(for: info)?.objectionToSpeeds(at: now + 2 * 3600)
    #expect(objection?.contains("other work") == true)
  }

  @Test("calibration measures plausible speeds on a real device")
  func calibration() throws {
    let small = Calibration(rows: 128, dimension: 16, targetSeconds: 0.001, maxQueries: 8)
    let profile = try small.profile(of: ReferenceDevice.shared)
    #expect(profile.isPlausible)
    // Twice the work takes longer.
    let search = DeviceChoiceTests.search(rows: 1000, queries: 10)
    let larger = DeviceChoiceTests.search(rows: 2000, queries: 10)
    #expect(profile.seconds(for: search) < profile.seconds(for: larger))
    #expect(throws: TesseraError.self) { try small.profile(of: BrokenDevice()) }
  }
}

/// A device that prepares rows but fails to search them.
private final class BrokenDevice: ReferenceMemory {
  let info = FakeDevice("opencl:0").info

  func nearest(
    _ queries: Vectors, in set: VectorSet, probing probes: Probes?, within limit: Limit,
    only selector: IDSelector?
  ) throws(TesseraError) -> Neighbors {
    throw TesseraError(.deviceFailure, "broken")
  }
}
