import Tessera
import Testing

@testable import TesseraCommand

@Suite struct WordingTests {
  @Test(
    "sizes as people write them",
    arguments: [
      ("4096", 4096), ("64K", 65536), ("512M", 512 << 20), ("4G", 4 << 30), ("1.5g", 3 << 29),
      ("2GiB", 2 << 30), ("100b", 100), ("3TB", 3 << 40),
    ])
  func sizes(_ text: String, _ bytes: Int) throws {
    #expect(try ByteSize.parse(text) == bytes)
  }

  @Test(
    "what is no size is refused",
    arguments: ["", "G", "-1", "0", "1X", "nan", "inf", "1e40", "M5", "1.2.3G", "b"])
  func noSizes(_ text: String) {
    #expect(throws: TesseraError.self) { try ByteSize.parse(text) }
  }

  @Test(
    "times as people write them",
    arguments: [("60s", 60.0), ("1.5m", 90), ("500ms", 0.5), ("2h", 7200), ("10", 10)])
  func times(_ text: String, _ seconds: Double) throws {
    #expect(abs(try TimeSpan.parse(text) - seconds) < 1e-9)
  }

  @Test(
    "what is no time is refused", arguments: ["", "s", "-1s", "0s", "nan", "infs", "5x", "1 m"])
  func noTimes(_ text: String) {
    #expect(throws: TesseraError.self) { try TimeSpan.parse(text) }
  }

  @Test("negative numbers belong to the option before them")
  func negativeNumbers() {
    for (typed, joined) in [
      ("search -k -1", "search -k=-1"), ("x --rows -5 y", "x --rows=-5 y"),
      ("x --rows=3 -5", "x --rows=3 -5"), ("x -- -5", "x -- -5"), ("-5", "-5"),
      ("x --a -b --c -1.5", "x --a -b --c=-1.5"), ("x --ids -1:3", "x --ids -1:3"),
    ] {
      let words = typed.split(separator: " ").map(String.init)
      #expect(Arguments.joined(words).joined(separator: " ") == joined)
    }
  }

  @Test("what looks like a range of rows is one; other names are files")
  func rowSelections() throws {
    #expect(try RowSelection("0:10") == .range(0..<10))
    #expect(try RowSelection("7:7") == .range(7..<7))
    for file in ["ids.npy", "5", "-", "a:b", "./1:2", "rows 1:2.npy"] {
      #expect(try RowSelection(file) == .file(file))
    }
    for text in [":", "5:", ":5", "5:4", "-1:3", "1:2:3", "1:99999999999999999999"] {
      let error = #expect(throws: TesseraError.self) { try RowSelection(text) }
      #expect(error?.code == .invalidArgument && error?.message.hasPrefix(text) == true)
    }
  }

  @Test(
    "numbers are short",
    arguments: [
      (0.01234, "0.0123"), (1.239, "1.24"), (12.34, "12.3"), (12345.6, "12346"), (0, "0.0"),
      (.infinity, "inf"),
    ])
  func short(_ number: Double, _ text: String) {
    #expect(number.short == text)
  }

  @Test("a progress line shows share, rate and time left")
  func progress() {
    let line = ProgressBar.line("search", 0.25, total: 4000, unit: "queries", seconds: 30)
    #expect(line == "search [#######.......................] 25 %  33.3 queries/s  1:30 left")
  }

  @Test("every code has a status; codes to come end with 70")
  func statuses() {
    let statuses: [(TesseraError.Code, Int32)] = [
      (.invalidArgument, 64), (.unsupported, 64), (.invalidShape, 65), (.nonFinite, 65),
      (.malformedFile, 65), (.inputNotFound, 66), (.deviceUnavailable, 69), (.deviceFailure, 70),
      (.buildFailure, 70), (.outOfMemory, 70), (.wrongDevice, 70), (.wrongResult, 70),
      (.cannotCreate, 73),
      (.inputOutput, 74), (.busy, 75),
    ]
    for (code, status) in statuses {
      #expect(Failure.status(for: code) == status, "\(code)")
    }
  }
}
