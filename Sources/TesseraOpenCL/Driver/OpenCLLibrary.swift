internal import COpenCL
internal import TesseraCompute

/// One loaded OpenCL library.
///
/// Safe to share: the entry points never change after `init`, and OpenCL calls may come from any
/// thread.
final class OpenCLLibrary: @unchecked Sendable {
  let path: String
  private let entryPoints: UnsafeMutablePointer<copencl_api>

  var api: copencl_api { entryPoints.pointee }

  init(path: String) throws(TesseraError) {
    self.path = path
    let table = UnsafeMutablePointer<copencl_api>.allocate(capacity: 1)
    var message = [CChar](repeating: 0, count: 512)
    guard copencl_open(path, table, &message, message.count) else {
      // `deinit` does not run before `entryPoints` is set.
      table.deallocate()
      let reason = message.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      throw TesseraError(.deviceUnavailable, reason)
    }
    entryPoints = table
  }

  /// A library whose entry points are `api`.
  init(path: String, api: copencl_api) {
    self.path = path
    entryPoints = .allocate(capacity: 1)
    entryPoints.initialize(to: api)
  }

  deinit { entryPoints.deallocate() }

  /// A vendor's implementation found through this library.
  ///
  /// Safe to share: names that never change.
  struct Platform: @unchecked Sendable {
    let library: OpenCLLibrary
    let id: cl_platform_id
    let name: String
    let version: String
  }

  /// Every platform of the library; none if no driver is installed.
  func platforms() throws(TesseraError) -> [Platform] {
    var count: cl_uint = 0
    let status = api.clGetPlatformIDs(0, nil, &count)
    // -1001: what an ICD loader says where nothing is installed.
    if status == -1001 || count == 0 { return [] }
    try OpenCLStatus.check(status, "clGetPlatformIDs")
    var ids = [cl_platform_id?](repeating: nil, count: Int(count))
    try OpenCLStatus.check(api.clGetPlatformIDs(count, &ids, nil), "clGetPlatformIDs")
    return ids.compactMap { $0 }.map { id in
      Platform(
        library: self, id: id, name: text(CL_PLATFORM_NAME, of: id),
        version: text(CL_PLATFORM_VERSION, of: id))
    }
  }

  private func text(_ property: Int32, of platform: cl_platform_id) -> String {
    queryText { api.clGetPlatformInfo(platform, cl_platform_info(property), $0, $1, $2) }
  }
}

extension OpenCLLibrary.Platform {
  /// Every device of the platform; none where its hardware is missing.
  ///
  /// - Throws: `.deviceFailure` if the driver refuses, or gives no answer for `limit`.
  func devices(limit: Duration?) throws(TesseraError) -> [cl_device_id] {
    struct Found: @unchecked Sendable {
      // Safe: names that never change.
      let devices: [cl_device_id]
    }
    let answer = Watchdog(limit: limit).wait { _ in
      Result { () throws(TesseraError) in Found(devices: try devices()) }
    }
    guard let answer else { throw OpenCLContext.noAnswer("clGetDeviceIDs", limit) }
    return try answer.get().devices
  }

  private func devices() throws(TesseraError) -> [cl_device_id] {
    var count: cl_uint = 0
    let all = cl_device_type(CL_DEVICE_TYPE_ALL)
    let status = library.api.clGetDeviceIDs(id, all, 0, nil, &count)
    // -1, CL_DEVICE_NOT_FOUND: a driver without its hardware.
    if status == -1 || (status == 0 && count == 0) { return [] }
    try OpenCLStatus.check(status, "clGetDeviceIDs")
    var ids = [cl_device_id?](repeating: nil, count: Int(count))
    try OpenCLStatus.check(
      library.api.clGetDeviceIDs(id, all, count, &ids, nil), "clGetDeviceIDs")
    return ids.compactMap { $0 }
  }
}

/// The text an OpenCL query returns, trimmed; empty if it cannot be had.
func queryText(
  _ query: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> Int32
) -> String {
  var count = 0
  guard query(0, nil, &count) == 0, count > 0 else { return "" }
  var bytes = [UInt8](repeating: 0, count: count)
  guard query(count, &bytes, nil) == 0 else { return "" }
  let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  return String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
}
