import TesseraCompute
import TesseraFormats
import TesseraHost
import TesseraOpenCL

/// Keeps what was measured of devices, speeds and launch parameters, in a JSON file.
///
/// A file that cannot be read, or is damaged, is as good as none, and ``problem`` says so; one that
/// cannot be written means measuring again next time.
struct ProfileStore {
  /// Nil keeps nothing.
  let path: String?

  static var user: ProfileStore {
    ProfileStore(
      path: CacheFolder.path().flatMap { folder in
        CacheFolder.objection(to: folder) == nil ? folder + "/devices.json" : nil
      })
  }

  /// Everything a record depends on: the device, its driver, the code path and this version.
  static func key(_ info: DeviceInfo) -> String {
    [
      info.identifier, info.name, info.driver, info.variant, "\(info.computeUnits)",
      TesseraVersion.current,
    ].joined(separator: " | ")
  }

  func record(for info: DeviceInfo) -> DeviceRecord? { read().records[Self.key(info)] }

  /// Returns the speeds kept, unless they should be measured again.
  func profile(for info: DeviceInfo, at now: Double = DeviceRecord.now) -> DeviceProfile? {
    record(for: info)?.currentSpeeds(at: now)
  }

  func save(_ profile: DeviceProfile, for info: DeviceInfo, at now: Double = DeviceRecord.now) {
    update(info) { record in
      record.speeds = profile
      record.measured = now
    }
  }

  func tuning(for info: DeviceInfo) -> TuningRecord? { read().records[Self.key(info)]?.tuning }

  /// Speeds measured with other launch parameters are forgotten.
  func save(_ tuning: TuningRecord, for info: DeviceInfo) {
    update(info) { $0 = DeviceRecord(speeds: nil, tuning: tuning) }
  }

  /// Gives devices the launch parameters that were found for them.
  ///
  /// - Returns: The faults that kept records from being used.
  func tune(_ devices: [OpenCLDevice]) -> [TesseraError] {
    let (records, damage) = read()
    var problems = damage.map { [$0] } ?? []
    for device in devices {
      guard let tuning = records[Self.key(device.info)]?.tuning else { continue }
      do throws(TesseraError) {
        device.tuning = try tuning.launchTuning()
      } catch {
        problems.append(
          TesseraError(
            .malformedFile,
            "\(path ?? ""): the tuning of \(device.info.identifier) is not used: \(error.message); "
              + "run tessera tune again"))
      }
    }
    return problems
  }

  /// The fault of the file; nil if it is in order, or not there.
  var problem: TesseraError? { read().problem }

  private func update(_ info: DeviceInfo, _ change: (inout DeviceRecord) -> Void) {
    guard let path else { return }
    var records = read().records
    change(&records[Self.key(info), default: DeviceRecord()])
    let json = JSONValue.object(records.mapValues(\.json)).text
    CacheFolder.create(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    CacheFolder.clearWay(for: path)
    guard let file = try? AtomicFile(path) else { return }
    try? unsafe file.append(Array(json.utf8).span.bytes)
    try? file.commit()
  }

  private func read() -> (records: [String: DeviceRecord], problem: TesseraError?) {
    guard let path, let bytes = SystemFile.bytes(of: path) else { return ([:], nil) }
    guard let records = Self.records(bytes) else {
      let problem = TesseraError(
        .malformedFile,
        "\(path): is damaged and not used, so devices are measured anew; remove it, or run "
          + "tessera tune again")
      return ([:], problem)
    }
    return (records, nil)
  }

  /// The records of a file; nil if it is damaged.
  private static func records(_ bytes: [UInt8]) -> [String: DeviceRecord]? {
    let json = unsafe bytes.withUnsafeBytes { unsafe try? JSONValue(parsing: $0) }
    guard let entries = json?.entries else { return nil }
    var records: [String: DeviceRecord] = [:]
    for (key, value) in entries {
      guard let record = DeviceRecord(value) else { return nil }
      records[key] = record
    }
    return records
  }
}
