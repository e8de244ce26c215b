// Runs every kernel, with both bodies, on small inputs and compares with the reference: made to run
// inside a kernel simulator that looks for races and stray reads.

import TesseraCompute
internal import TesseraHost
import TesseraOpenCL

/// A new operation adds its list here.
let checks = matrixChecks + clusterChecks + codeChecks + searchChecks + tensorChecks

var failureCount = 0
var runCount = 0

/// Runs `checks` on every device that works under `options`.
@MainActor func run(_ checks: [Check], _ options: OpenCLOptions) {
  let (devices, problems) = OpenCLDevice.all(options)
  for problem in problems { print("device problem: \(problem)") }
  failureCount += problems.count
  for device in devices {
    for check in checks {
      let difference: String?
      do { difference = try check.run(device) } catch { difference = "\(error)" }
      print(
        "\(difference == nil ? "ok  " : "FAIL") \(device.info.identifier) "
          + "\(device.info.variant): \(check.name)")
      if let difference { print("     \(difference.prefix(2000))") }
      failureCount += difference == nil ? 0 : 1
      runCount += 1
    }
  }
}

var options = OpenCLOptions()
options.library = getenv("TESSERA_OPENCL_LIBRARY").map { String(cString: $0) }
// Each matrix with an end that the simulator sees.
options.sharedBlockBytes = 0
// It is slow, and what it runs here is checked anyway.
options.launchDeadline = nil
options.triesKernels = false
for body in KernelBody.allCases {
  options.body = body
  run(checks, options)
}
options.body = .tile
options.matrixUnits = .emulated
for filter in [SearchFilter.float16, .int8] {
  options.filter = filter
  run(roundedSearchChecks, options)
}
print("\(runCount) checks, \(failureCount) failed")
exit(failureCount == 0 && runCount > 0 ? 0 : 1)
