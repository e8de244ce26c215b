internal import COpenCL
internal import Synchronization
public import TesseraCompute
internal import TesseraHost

extension OpenCLDevice {
  /// Every OpenCL device that works, as the environment asks (``OpenCLOptions/fromEnvironment()``),
  /// and what stood in the way of the others, each with its remedy.
  ///
  /// Cost: loads the drivers and runs a small kernel on each device. Nothing is printed and nothing
  /// aborts, whatever is installed.
  public static func all() -> (devices: [OpenCLDevice], problems: [TesseraError]) {
    do throws(TesseraError) {
      let options = try OpenCLOptions.fromEnvironment()
      let (devices, problems) = all(options)
      let objection =
        options.cacheDirectory == nil
        ? CacheFolder.path().flatMap { CacheFolder.objection(to: $0) } : nil
      return (devices, problems + (objection.map { [$0] } ?? []))
    } catch {
      return ([], [error])
    }
  }

  /// Every OpenCL device that works under `options`, and what stood in the way of the others.
  ///
  /// Threads take turns: loaders and drivers set themselves up in the first calls, and PoCL crashes
  /// where two threads do that at once.
  public static func all(
    _ options: OpenCLOptions
  ) -> (devices: [OpenCLDevice], problems: [TesseraError]) {
    Discovery.turn.withLock { _ in
      let (platforms, problems) = Discovery.platforms(
        options.library, limit: options.launchDeadline)
      let (devices, deviceProblems) = Discovery.devices(of: platforms, options)
      return (devices, problems + deviceProblems)
    }
  }
}

extension OpenCLDevice {
  /// Tells whether a driver call that was given up still has a thread of this process. The ordinary
  /// end of a process, which ends the drivers too, may crash then.
  package static var hasLostCalls: Bool { Watchdog.hasLostCalls }

  /// Forgets which kernel bodies were faster: devices that are found from now on measure anew.
  package static func forgetBodyChoices() {
    if let directory = (try? OpenCLOptions.fromEnvironment())?.cacheDirectory {
      BodyChoice.forgetAll(in: directory)
    }
  }

  /// Loads the drivers and asks what devices they have, without using one.
  package static func loadDrivers() {
    let options = (try? OpenCLOptions.fromEnvironment()) ?? OpenCLOptions()
    Discovery.turn.withLock { _ in
      for platform in Discovery.platforms(options.library, limit: options.launchDeadline).platforms
      {
        _ = try? platform.devices(limit: options.launchDeadline)
      }
    }
  }
}

enum Discovery {
  static let turn = Mutex(())

  /// The loaders: they know every driver that is registered.
  static let loaders = ["libOpenCL.so.1", "libOpenCL.so"]

  /// Drivers that work without a loader and without being registered, as in many containers.
  static let drivers = [
    "libnvidia-opencl.so.1", "libamdocl64.so", "libigdrcl.so", "libintelocl.so", "libmali.so",
    "libMesaOpenCL.so.1", "libpocl.so.2",
  ]

  /// The devices of `platforms` that work, numbered over all of them.
  static func devices(
    of platforms: [OpenCLLibrary.Platform], _ options: OpenCLOptions
  ) -> (devices: [OpenCLDevice], problems: [TesseraError]) {
    var devices: [OpenCLDevice] = []
    var problems: [TesseraError] = []
    var index = 0
    for platform in platforms {
      let ids: [cl_device_id]
      do throws(TesseraError) {
        ids = try platform.devices(limit: options.launchDeadline)
      } catch {
        problems.append(
          error.explained { "OpenCL platform \(platform.name): \($0); reinstall its driver" })
        continue
      }
      if ids.isEmpty {
        problems.append(
          TesseraError(
            .deviceUnavailable,
            "OpenCL platform \(platform.name) has no device; check that the device is present "
              + "and that this user may open it"))
      }
      for id in ids {
        let identifier = "opencl:\(index)"
        index += 1
        do throws(TesseraError) {
          devices.append(
            try OpenCLDevice(id, of: platform, identifier: identifier, options: options))
        } catch {
          problems.append(
            error.explained {
              // A message about an option that cannot be met says itself what to do.
              error.code == .invalidArgument
                ? "\(identifier) of \(platform.name): \($0)"
                : "\(identifier) of \(platform.name) does not work: \($0); reinstall its driver"
            })
        }
      }
    }
    return (devices, problems)
  }

  /// True if the user named the drivers that count; others are not looked for then.
  private static var isNarrowed: Bool {
    Environment["OCL_ICD_VENDORS"] != nil || Environment["OPENCL_VENDOR_PATH"] != nil
  }

  /// The platforms to use: those of `library` if it is given, else those of the first loader that
  /// has any, else those of every driver found, unless the user named a folder of drivers.
  static func platforms(
    _ library: String?, limit: Duration? = OpenCLOptions().launchDeadline
  ) -> (platforms: [OpenCLLibrary.Platform], problems: [TesseraError]) {
    if let library {
      do throws(TesseraError) {
        let platforms = try platforms(of: open(library, limit), limit)
        return (platforms, platforms.isEmpty ? [nothingIn(library)] : [])
      } catch {
        let problem = error.explained {
          "OpenCL library \(library) cannot be used: \($0); correct TESSERA_OPENCL_LIBRARY, or "
            + "unset it to look in the usual places"
        }
        return ([], [problem])
      }
    }
    return platforms(loaders: loaders, drivers: isNarrowed ? [] : drivers, limit: limit)
  }

  static func platforms(
    loaders: [String], drivers: [String], limit: Duration? = OpenCLOptions().launchDeadline
  ) -> (platforms: [OpenCLLibrary.Platform], problems: [TesseraError]) {
    var problems: [TesseraError] = []
    for path in loaders {
      let library: OpenCLLibrary
      do throws(TesseraError) {
        library = try open(path, limit)
      } catch {
        // Not there, in most cases, and another may be.
        if error.code != .deviceUnavailable { problems.append(error) }
        continue
      }
      do throws(TesseraError) {
        let platforms = try platforms(of: library, limit)
        if !platforms.isEmpty { return (platforms, []) }
        problems = [nothingIn(path)]
      } catch {
        problems = [error.explained { "OpenCL loader \(path): \($0); reinstall it" }]
      }
    }
    let platforms = drivers.flatMap { path in
      (try? open(path, limit)).flatMap { library in try? Self.platforms(of: library, limit) } ?? []
    }
    if !platforms.isEmpty { return (platforms, []) }
    if problems.isEmpty {
      problems = [
        TesseraError(
          .deviceUnavailable,
          "no OpenCL library was found (\((loaders + drivers).joined(separator: ", "))); install "
            + "the driver of the device and ocl-icd-libopencl1, or pocl-opencl-icd for the CPU")
      ]
    }
    return ([], problems)
  }

  /// Loads a library.
  ///
  /// - Throws: `.deviceUnavailable` if it cannot be loaded, `.deviceFailure` if that does not end.
  private static func open(
    _ path: String, _ limit: Duration?
  ) throws(TesseraError) -> OpenCLLibrary {
    let answer = Watchdog(limit: limit).wait { _ in
      Result { () throws(TesseraError) in try OpenCLLibrary(path: path) }
    }
    guard let answer else { throw OpenCLContext.noAnswer("loading \(path)", limit) }
    return try answer.get()
  }

  private static func platforms(
    of library: OpenCLLibrary, _ limit: Duration?
  ) throws(TesseraError) -> [OpenCLLibrary.Platform] {
    let answer = Watchdog(limit: limit).wait { _ in
      Result { () throws(TesseraError) in try library.platforms() }
    }
    guard let answer else { throw OpenCLContext.noAnswer("clGetPlatformIDs", limit) }
    return try answer.get()
  }

  private static func nothingIn(_ library: String) -> TesseraError {
    TesseraError(
      .deviceUnavailable,
      "OpenCL library \(library) knows no platform; install the driver of the device (or "
        + "pocl-opencl-icd for the CPU), and see that "
        + "\(Environment["OCL_ICD_VENDORS"] ?? "/etc/OpenCL/vendors") names it"
    )
  }
}

extension TesseraError {
  /// The same failure with the message said in its context.
  fileprivate func explained(_ message: (String) -> String) -> TesseraError {
    TesseraError(code, message(self.message), status: status)
  }
}
