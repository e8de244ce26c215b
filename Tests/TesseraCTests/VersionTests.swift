import CTessera
import TesseraC
import Testing

@Suite struct VersionTests {
  @Test func versionIsThatOfTheHeader() {
    #expect(
      String(cString: tessera_version())
        == "\(TESSERA_VERSION_MAJOR).\(TESSERA_VERSION_MINOR).\(TESSERA_VERSION_PATCH)")
    #expect(tessera_has("flat") == 1 && tessera_has("graph") == 0 && tessera_has(nil) == 0)
    #expect(tessera_has("index.add") == 1 && tessera_has("merge") == 1)
  }

  @Test func everyStatusHasAName() {
    let names = (0...TESSERA_BUSY).map { String(cString: tessera_status_name(Int32($0))) }
    #expect(names.first == "ok" && names.last == "busy" && Set(names).count == names.count)
    #expect(String(cString: tessera_status_name(Int32(TESSERA_BUSY) + 1)) == "unknown")
  }
}
