import Foundation
import Testing

@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/cc"), "no C compiler"))
struct DriverTrialTests {
  @Test(
    "a driver that ends its process is left out, and named with its remedy",
    arguments: [
      "__attribute__((constructor)) static void start(void) { abort(); }",
      "void *clGetExtensionFunctionAddress(const char *name) { abort(); }",
    ])
  func abortingDriver(_ source: String) throws {
    let shell = try Shell()
    try shell.makeVectors()
    try shell.write("#include <stdlib.h>\n\(source)\n", "driver.c")
    let made = try shell.bash(
      "cc -shared -fPIC driver.c -o libdriver.so && mkdir vendors && echo $PWD/libdriver.so "
        + "> vendors/bad.icd && cp /etc/OpenCL/vendors/*.icd vendors/ 2>/dev/null; test -f vendors/bad.icd"
    )
    try #require(made.status == 0, "\(made.errors)")
    shell.environment["OCL_ICD_VENDORS"] = shell.path("vendors")
    shell.environment["TESSERA_CACHE"] = shell.path("cache")
    let doctor = try shell.tessera("doctor")
    #expect(doctor.status == 0, "\(doctor.errors)")
    #expect(doctor.output.contains("ended the process that tried it"))
    #expect(doctor.output.contains("sudo rm '\(shell.path("vendors"))/bad.icd'"))
    let devices = try shell.tessera("devices")
    #expect(devices.status == 0 && devices.output.contains("reference"))
    #expect(devices.errors.contains("bad.icd"))
    let search = try shell.tessera(
      "search", "--base", "base.npy", "--queries", "queries.npy", "-k", "3", "--device", "auto",
      "--out", "found")
    #expect(search.status == 0, "\(search.errors)")
  }
}
