import TesseraCompute
import TesseraFormats

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The profiles of devices measured before, as a JSON file.
///
/// A file that cannot be read, or is damaged, is as good as none; one that cannot be written means
/// measuring again next time.
struct ProfileStore {
  /// Nil keeps nothing.
  let path: String?

  static var user: ProfileStore {
    ProfileStore(path: CacheFolder.path.map { $0 + "/devices.json" })
  }

  /// Everything a profile depends on: the device, its driver, the code path and this version.
  static func key(_ info: DeviceInfo) -> String {
    [
      info.identifier, info.name, info.driver, info.variant, "\(info.computeUnits)",
      TesseraVersion.current,
    ].joined(separator: " | ")
  }

  func profile(for info: DeviceInfo) -> DeviceProfile? {
    guard let profile = profiles()[Self.key(info)], profile.isPlausible else { return nil }
    return profile
  }

  func save(_ profile: DeviceProfile, for info: DeviceInfo) {
    guard let path else { return }
    var profiles = profiles()
    profiles[Self.key(info)] = profile
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    guard let json = try? encoder.encode(profiles) else { return }
    CacheFolder.create()
    guard let file = try? AtomicFile(path) else { return }
    try? file.append(Array(json).span.bytes)
    try? file.commit()
  }

  private func profiles() -> [String: DeviceProfile] {
    guard let path, let json = try? Data(contentsOf: URL(filePath: path)) else { return [:] }
    return (try? JSONDecoder().decode([String: DeviceProfile].self, from: json)) ?? [:]
  }
}
