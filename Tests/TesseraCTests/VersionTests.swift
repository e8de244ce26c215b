import CTessera
import TesseraC
import Testing

@Suite struct VersionTests {
  @Test func versionIsThatOfTheHeader() {
    #expect(
      String(cString: tessera_version())
        == "\(TESSERA_VERSION_MAJOR).\(TESSERA_VERSION_MINOR).\(TESSERA_VERSION_PATCH)")
    #expect(tessera_has("flat") == 1 && tessera_has("index.add") == 0 && tessera_has(nil) == 0)
  }
}
