import Foundation
import Tessera
import Testing

@Suite struct QuantizerCommandTests {
  let shell: Shell

  init() throws {
    shell = try Shell()
    try shell.makeVectors()
  }

  /// Trains on `base.npy`.
  private func train(_ spec: String, _ arguments: String...) throws -> Shell.Outcome {
    try shell.bash(
      "\"$TESSERA\" quantizer train --spec \(spec) --input base.npy --out book.safetensors "
        + arguments.joined(separator: " "))
  }

  @Test(
    "train, encode and decode give the same bytes on every device",
    arguments: ["PQ6x4", "SQ8", "OPQ6,PQ6x4", "RQ2x4"])
  func devices(_ spec: String) throws {
    let (devices, _) = Devices.all()
    for device in devices {
      let name = device.info.identifier.replacing(":", with: "-")
      let outcome = try shell.bash(
        """
        export TESSERA_DEVICE=\(device.info.identifier)
        "$TESSERA" quantizer train --spec \(spec) --input base.npy --out \(name).safetensors &&
        "$TESSERA" quantizer encode --book \(name).safetensors --input base.npy \
          --out \(name).codes.npy &&
        "$TESSERA" quantizer decode --book \(name).safetensors --input \(name).codes.npy \
          --out \(name).npy
        """)
      #expect(outcome.status == 0, "\(outcome.errors)")
      for ending in ["safetensors", "codes.npy", "npy"] {
        #expect(
          try shell.bytes("\(name).\(ending)") == shell.bytes("cpu.\(ending)"), "\(name).\(ending)")
      }
    }
    let decoded = try VectorFile.open(shell.path("cpu.npy"))
    #expect(decoded.count == 500 && decoded.dimension == 24 && decoded.element == .float32)
  }

  @Test("JSON has the promised keys, and errors agree")
  func json() throws {
    let trained = try train("PQ6x4", "--json", "--quiet").json()
    #expect(trained["specification"] as? String == "PQ6x4")
    #expect(trained["kind"] as? String == "product")
    #expect(trained["rows"] as? Int == 500 && trained["dimension"] as? Int == 24)
    #expect(trained["codeBytes"] as? Int == 3)
    #expect(trained["bookBytes"] as? Int == 6 * 16 * 4 * 4 + 6 * 4)
    #expect((trained["notes"] as? [String])?.count == 1)
    let error = try #require(trained["meanSquaredError"] as? Double)
    #expect(error > 0)
    let encoded = try shell.tessera(
      "quantizer", "encode", "--book", "book.safetensors", "--input", "base.npy", "--out",
      "codes.npy", "--error", "--json"
    ).json()
    #expect(encoded["meanSquaredError"] as? Double == error)
    #expect(encoded["rows"] as? Int == 500)
    let info = try shell.tessera("quantizer", "info", "book.safetensors", "--json").json()
    #expect(info["specification"] as? String == "PQ6x4" && info["codeBytes"] as? Int == 3)
    let arrays = try #require(info["tensors"] as? [String: [String: Any]])
    #expect(arrays["codewords"]?["shape"] as? [Int] == [6, 16, 4])
    let table = try shell.tessera("quantizer", "info", "book.safetensors")
    #expect(table.output.contains("PQ6x4 (product)"))
  }

  @Test("--seed, --iterations and --points-per-codeword are honoured or refused")
  func options() throws {
    try #require(train("PQ6x4").status == 0)
    let first = try shell.bytes("book.safetensors")
    for extra in ["--seed 2", "--iterations 1", "--points-per-codeword 10"] {
      #expect(try train("PQ6x4", extra).status == 0)
      #expect(try shell.bytes("book.safetensors") != first, "\(extra)")
      let refused = try train("SQ8", extra)
      #expect(refused.status == 64)
      #expect(refused.errors.contains("SQ8 has no codewords"))
    }
    #expect(try train("PQ6x4", "--iterations 0").status == 64)
    // Products of these overflow; more than there are of either changes nothing.
    #expect(try train("PQ6x4", "--points-per-codeword 4611686018427387904").status == 0)
    #expect(try shell.bytes("book.safetensors") == first)
    #expect(try train("PQ6x4", "--iterations 4611686018427387904").status == 0)
  }

  @Test(
    "refusals have their exit status, one line, and leave nothing behind",
    arguments: [
      ("train --spec PQ6x4 --input none.npy --out x", 66, "none.npy"),
      ("train --spec PX --input base.npy --out x", 64, "\"PX\" names no quantizer"),
      ("train --spec PQ25x8 --input base.npy --out x", 64, "do not divide into 25 subspaces"),
      ("train --spec PQ6x9 --input base.npy --out x", 64, "fewer than the 512 codewords"),
      ("train --spec PQ6x4 --input base.npy --out no/such/x", 73, "no/such/x"),
      ("train --spec SQ8 --input nan.npy --out x", 65, "nan.npy: train: NaN or infinity in row 1"),
      ("encode --book book.safetensors --input narrow.npy --out x.npy", 65, "narrow.npy"),
      ("encode --book book.safetensors --input nan.npy --out x.npy", 65, "nan.npy"),
      ("encode --book base.npy --input base.npy --out x.npy", 65, "base.npy"),
      ("encode --book none --input base.npy --out x.npy", 66, "none"),
      ("encode --book book.safetensors --input base.npy --out x.txt", 73, "x.txt"),
      ("decode --book book.safetensors --input base.npy --out x.npy", 65, "codes are uint8"),
      ("decode --book book.safetensors --input bytes.npy --out x.npy", 65, "bytes.npy"),
      ("info damaged.safetensors", 65, "checksum"),
      ("info other.safetensors", 65, "holds no quantizer"),
      ("info newer.safetensors", 64, "version 2"),
      ("info unknown.safetensors", 64, "\"magic\""),
    ] as [(String, Int32, String)])
  func refusals(_ arguments: String, _ status: Int32, _ message: String) throws {
    try #require(train("PQ6x4").status == 0)
    var values = [Float](repeating: 1, count: 48)
    try VectorFile.write(Vectors([1, 2, 3], dimension: 3), to: shell.path("narrow.npy"))
    values[30] = .nan
    try VectorFile.write(Vectors(values, dimension: 24), to: shell.path("nan.npy"))
    try VectorFile.write(
      Vectors(HostMemory(copying: [1, 2] as [UInt8]), element: .uint8, count: 1, dimension: 2),
      to: shell.path("bytes.npy"))
    var damaged = try shell.bytes("book.safetensors")
    damaged[damaged.count - 30] ^= 1
    try damaged.write(to: URL(filePath: shell.path("damaged.safetensors")))
    let good = try StoredArrayFile(shell.path("book.safetensors"))
    for (name, metadata) in [
      ("other", [:]), ("newer", ["version": "2"]), ("unknown", ["kind": "magic"]),
    ] as [(String, [String: String])] {
      let file = StoredArrayFile(
        arrays: good.arrays,
        metadata: metadata.isEmpty ? [:] : good.metadata.merging(metadata) { _, new in new })
      try file.write(to: shell.path("\(name).safetensors"))
    }
    let before = shell.names
    let outcome = try shell.bash("\"$TESSERA\" quantizer \(arguments)")
    #expect(outcome.status == status, "\(outcome.errors)")
    #expect(outcome.errors.contains(message), "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.output.isEmpty)
    #expect(shell.names == before)
  }

  @Test("a quantizer file gives the same codes as the quantizer that was written")
  func file() throws {
    let device = try Devices.choose(.cpu)
    let vectors = try VectorFile.open(shell.path("base.npy"))
    for spec in ["PQ5x4", "SQ6", "SQbf16", "OPQ4_20,PQ4x4", "PRQ2x2x4"] {
      let quantizer = try QuantizerFactory.recipe(spec).train(vectors, on: device)
        .quantizer
      try QuantizerFile.write(quantizer, to: shell.path("q.safetensors"))
      let again = try QuantizerFile.open(shell.path("q.safetensors"))
      #expect(again.specification == spec && again.arrays == quantizer.arrays)
      #expect(try again.encode(vectors, on: device) == quantizer.encode(vectors, on: device))
    }
  }
}
