import Foundation
import TesseraCompute
internal import TesseraHost
import TestSupport
import Testing

@testable import TesseraFormats

/// A safetensors file with this header and data.
private func safetensors(_ header: String, _ data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
  bytes(length ?? UInt64(header.utf8.count)) + Array(header.utf8) + data
}

private let eight = [UInt8](repeating: 0, count: 8)

@Suite("safetensors files")
struct StoredArrayFileTests {
  static let sample = try! StoredArrayFile(
    arrays: [
      "centroids": StoredArray([1.5, -2, 3, 4, 5, 6] as [Float], shape: [2, 3]),
      "codes": StoredArray([1, 2, 255] as [UInt8], shape: [3]),
      "sums": StoredArray([1e300, -0.0] as [Double], shape: [1, 2, 1]),
      "ids": StoredArray([-1, 1 << 40] as [Int64], shape: [2]),
      "one": StoredArray([7] as [Int32], shape: []),
      "nothing": StoredArray([] as [Float], shape: [0, 4]),
      "signs": StoredArray([-128, 127] as [Int8], shape: [2]),
      "halves": StoredArray(.float16, shape: [2], bytes: [0, 60, 0, 188]),
      "brains": StoredArray(.bfloat16, shape: [1], bytes: [128, 63]),
      "name with \"quotes\", \\ and ü": StoredArray([1] as [Float], shape: [1]),
    ], metadata: ["kind": "product", "note": "line\nbreak \u{1} \"quoted\""])

  @Test("come back as they were, in bytes that are always the same")
  func roundTrip() throws {
    let folder = try ScratchFolder()
    try Self.sample.write(to: folder("a.safetensors"))
    try Self.sample.write(to: folder("b.safetensors"))
    #expect(try folder.bytes("a.safetensors") == folder.bytes("b.safetensors"))
    #expect(try StoredArrayFile(folder("a.safetensors")) == Self.sample)
    #expect(try folder.names == ["a.safetensors", "b.safetensors"])
  }

  @Test("keep numbers aligned, without gaps")
  func alignment() throws {
    let folder = try ScratchFolder()
    try Self.sample.write(to: folder("a.safetensors"))
    let file = try folder.bytes("a.safetensors")
    let length = file[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    #expect((8 + length) % 64 == 0)
    let header = try #require(
      try JSONSerialization.jsonObject(with: Data(file[8..<8 + length])) as? [String: Any])
    #expect(header.count == Self.sample.arrays.count + 1)
    for (name, array) in Self.sample.arrays {
      let entry = try #require(header[name] as? [String: Any])
      let offsets = try #require(entry["data_offsets"] as? [Int])
      #expect(offsets[0] % array.scalar.byteCount == 0)
      #expect(Array(file[(8 + length + offsets[0])..<(8 + length + offsets[1])]) == array.bytes)
    }
  }

  @Test("read what other programs write")
  func foreign() throws {
    let folder = try ScratchFolder()
    let header =
      #"{"b":{"shape":[1],"data_offsets":[4,8],"dtype":"F32"},"#
      + #""a\u00fc\ud83d\ude00":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}   "#
    let path = try folder.write(
      safetensors(header, bytes(Int32(7)) + bytes(Float(2))), "x.safetensors")
    let file = try StoredArrayFile(path)
    #expect(try file.arrays["b"]?.values(Float.self) == [2])
    #expect(try file.arrays["aü😀"]?.values(Int32.self) == [7])
    #expect(file.metadata.isEmpty)
  }

  @Test("a changed bit of any tensor is noticed")
  func checksums() throws {
    #expect(Array("123456789".utf8).withUnsafeBytes(Checksum.crc32) == 0xCBF4_3926)
    let folder = try ScratchFolder()
    try Self.sample.write(to: folder("a.safetensors"))
    let whole = try folder.bytes("a.safetensors")
    let length = whole[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    for place in 8 + length..<whole.count {
      var damaged = whole
      damaged[place] ^= 0x10
      let path = try folder.write(damaged, "b.safetensors")
      let error = #expect(throws: TesseraError.self) { try StoredArrayFile(path) }
      #expect(error?.code == .malformedFile)
      #expect(error?.message.contains("checksum") == true)
    }
  }

  @Test("every beginning of a file is refused, and changed bytes are read or refused")
  func damage() throws {
    let folder = try ScratchFolder()
    try Self.sample.write(to: folder("a.safetensors"))
    let whole = try folder.bytes("a.safetensors")
    for length in 0..<whole.count {
      let path = try folder.write(Array(whole[..<length]), "b.safetensors")
      let error = #expect(throws: TesseraError.self) { try StoredArrayFile(path) }
      #expect(error?.code == .malformedFile, "\(length) bytes")
    }
    var generator = SeededGenerator(seed: 22)
    for attempt in 0..<2000 {
      var damaged = whole
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        damaged[Int.random(in: 0..<whole.count, using: &generator)] =
          UInt8.random(in: .min ... .max, using: &generator)
      }
      let path = try folder.write(damaged, "b.safetensors")
      do throws(TesseraError) {
        _ = try StoredArrayFile(path)
      } catch {
        #expect(
          error.code == .malformedFile || error.code == .unsupported, "seed 22, attempt \(attempt)")
        #expect(!error.message.contains { $0.isNewline })
      }
    }
  }

  static let entry = #""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#
  static let malformed: [(name: String, bytes: [UInt8], message: String)] = [
    ("nothing", [], "is empty"),
    ("half a length", [1, 2, 3], "truncated before the length"),
    ("a length beyond the file", safetensors("{}", length: 3), "a header of 3 bytes"),
    ("the longest length", safetensors("{}", length: .max), "a header of 18446744073709551615"),
    ("no header", safetensors(""), "no value"),
    ("an .npy file", npy("'<f4'", shape: "(1, 2)", eight), "no safetensors file"),
    ("a zip file", Array("PK\u{3}\u{4}".utf8) + eight + eight, "zip or .npz"),
    ("an array", safetensors("[]"), "not an object"),
    ("no JSON", safetensors("{a:1}"), "a key that is not a string"),
    ("a fraction", safetensors(#"{"a":1.5}"#), "not described by dtype"),
    ("a word", safetensors(#"{"a":null}"#), "not described by dtype"),
    ("no word", safetensors(#"{"a":nil}"#), "something that is no value"),
    ("half a number", safetensors(#"{"a":1.5e}"#), "not a 64-bit integer"),
    ("a fraction beyond all", safetensors(#"{"a":1e999}"#), "no finite fraction"),
    ("a huge number", safetensors(#"{"a":99999999999999999999}"#), "not a 64-bit integer"),
    ("deep nesting", safetensors(String(repeating: "[", count: 9000)), "nested too deep"),
    ("no end", safetensors(#"{"a":["#), "no value"),
    ("a string without an end", safetensors(#"{"a"#), "a string without an end"),
    ("an unknown escape", safetensors(#"{"\q":1}"#), "an unknown escape"),
    ("half a pair", safetensors(#"{"\ud83d":1}"#), "half of a pair"),
    ("no hexadecimal digits", safetensors(#"{"\u00g0":1}"#), "four hexadecimal digits"),
    ("a control character", safetensors("{\"a\nb\":1}"), "a control character"),
    (
      "bytes that are not UTF-8", bytes(UInt64(7)) + [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D],
      "UTF-8"
    ),
    ("text after the header", safetensors("{} x"), "text after the value"),
    ("a name twice", safetensors("{\(entry),\(entry)}", eight), "a key given twice"),
    ("metadata that is no object", safetensors(#"{"__metadata__":1}"#), "not an object of texts"),
    ("metadata that is no text", safetensors(#"{"__metadata__":{"a":1}}"#), "\"a\" is not a text"),
    ("an entry that is no object", safetensors(#"{"a":[1]}"#), "not described by dtype"),
    (
      "no dtype", safetensors(#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, eight),
      "not described by dtype"
    ),
    (
      "a field too many",
      safetensors(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, eight),
      "not described by dtype"
    ),
    (
      "a negative side",
      safetensors(
        #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, eight),
      "not described by dtype"
    ),
    (
      "three offsets",
      safetensors(
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#, eight),
      "not described by dtype"
    ),
    (
      "offsets the wrong way round",
      safetensors(
        #"{"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}}"#, eight), "lies at 8 to 0 of 8"
    ),
    (
      "an offset beyond the file",
      safetensors(
        #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#, eight), "lies at 0 to 12 of 8"
    ),
    (
      "a shape of another size",
      safetensors(
        #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, eight),
      "of shape [3] has 8 bytes"
    ),
    (
      "a shape beyond 64 bits",
      safetensors(
        #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, eight),
      "has 8 bytes"
    ),
    (
      "a gap", safetensors(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, eight),
      "overlap or leave a gap"
    ),
    (
      "an overlap",
      safetensors(#"{\#(entry),"b":{"dtype":"U8","shape":[1],"data_offsets":[7,8]}}"#, eight),
      "overlap or leave a gap"
    ),
    ("bytes at the end", safetensors("{\(entry)}", eight + [1]), "1 bytes follow"),
    (
      "a wrong checksum",
      safetensors(#"{"__metadata__":{"checksum.a":"crc32:00000000"},\#(entry)}"#, eight), "checksum"
    ),
  ]

  @Test("are refused by name", arguments: malformed.indices)
  func refused(_ index: Int) throws {
    let (name, bytes, message) = Self.malformed[index]
    let folder = try ScratchFolder()
    let path = try folder.write(bytes, "x.safetensors")
    let error = try #require(throws: TesseraError.self, "\(name)") { try StoredArrayFile(path) }
    #expect(error.code == .malformedFile, "\(name)")
    #expect(error.message.contains(message), "\(name): \(error.message)")
    #expect(error.message.hasPrefix(path) && error.message.contains("; "))
    #expect(!error.message.contains { $0.isNewline })
  }

  @Test("tensors that overlap are refused before any is copied")
  func overlapping() throws {
    // 2,000 tensors that each claim the same 8 MB: 16 GB, if they were copied.
    let byteCount = 8 << 20
    let entries = (0..<2000).map {
      "\"t\($0)\":{\"dtype\":\"U8\",\"shape\":[\(byteCount)],\"data_offsets\":[0,\(byteCount)]}"
    }
    let folder = try ScratchFolder()
    let path = try folder.write(
      safetensors(
        "{\(entries.joined(separator: ","))}", [UInt8](repeating: 0, count: byteCount)),
      "x.safetensors")
    let before = HostLimits.current.peakResidentBytes
    let error = #expect(throws: TesseraError.self) { try StoredArrayFile(path) }
    #expect(error?.message.contains("overlap") == true)
    // Other tests take memory meanwhile, but not this much.
    #expect(HostLimits.current.peakResidentBytes - before < 1 << 30)
  }

  @Test("numbers of a type there is not are named")
  func unsupported() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(
      safetensors(#"{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#, eight),
      "x.safetensors")
    let error = #expect(throws: TesseraError.self) { try StoredArrayFile(path) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("F8_E4M3") == true)
  }

  @Test("names that the format keeps are refused, and missing folders")
  func writing() throws {
    let folder = try ScratchFolder()
    let array = try StoredArray([1] as [Float], shape: [1])
    for file in [
      StoredArrayFile(arrays: ["__metadata__": array]),
      StoredArrayFile(arrays: [:], metadata: ["checksum.a": "x"]),
    ] {
      let error = #expect(throws: TesseraError.self) { try file.write(to: folder("a")) }
      #expect(error?.code == .invalidArgument)
    }
    let error = #expect(throws: TesseraError.self) {
      try Self.sample.write(to: folder("no/such/a.safetensors"))
    }
    #expect(error?.code == .cannotCreate)
    #expect(try folder.names.isEmpty)
  }

  @Test(
    "open in Python's own package",
    .enabled(if: Python.hasSafetensors, "no python3 with numpy and safetensors"))
  func python() throws {
    let folder = try ScratchFolder()
    try Self.sample.write(to: folder("a.safetensors"))
    let script = """
      import sys, zlib
      from safetensors import safe_open
      with safe_open(sys.argv[1], "np") as file:
          about = file.metadata()
          for name in file.keys():
              if name == "brains": continue
              array = file.get_tensor(name)
              crc = about["checksum." + name]
              assert crc == "crc32:%08x" % zlib.crc32(array.tobytes()), name
          assert about["note"] == 'line\\nbreak \\x01 "quoted"', about
          assert file.get_tensor("centroids").tolist() == [[1.5, -2, 3], [4, 5, 6]]
          assert file.get_tensor("nothing").shape == (0, 4)
          assert file.get_tensor("ids").tolist() == [-1, 1 << 40]
      """
    try Python.run(script, folder("a.safetensors"))
  }
}
