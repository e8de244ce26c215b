import ArgumentParser
import Tessera
internal import TesseraHost

extension QuantizerCommand {
  struct Encode: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Turn vectors into codes.",
      discussion: """
        Example:
          tessera quantizer encode --book book.safetensors --input base.npy \\
            --out codes.npy
        """)

    @Option(help: "The quantizer, as train wrote it.", completion: .file())
    var book: String

    @Option(help: "The vectors.", completion: .file())
    var input: String

    @Option(help: "Write the codes, bytes in rows: .npy, .u8bin or .bvecs.", completion: .file())
    var out: String

    @Flag(help: "Decode again, and print the mean squared error.")
    var error = false

    @OptionGroup var devices: DeviceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let loadStart = ContinuousClock.now
      let quantizer = try QuantizerFile.open(book)
      let vectors = try VectorFile.open(input)
      let loadSeconds = loadStart.secondsAgo
      try VectorFile.requireWritable(out, holding: .uint8)
      let files = try OutputFiles([out], inputs: [book, input])
      let shape = QuantizerCommand.shape(
        rows: vectors.count, dimension: vectors.dimension, passes: 1)
      let selection = try devices.select(for: shape, output)
      let start = ContinuousClock.now
      let (codes, device) = try selection.run(input, output) {
        device throws(TesseraError) in
        let progress = ProgressBar(
          "encode", total: vectors.count, unit: "vectors", isQuiet: output.quiet)
        defer { progress.finish() }
        return try quantizer.encode(vectors, on: device, control: progress.control(output))
      }
      let seconds = CodingSummary.Seconds(load: loadSeconds, work: start.secondsAgo)
      let meanSquaredError =
        try error ? quantizer.meanSquaredError(of: vectors, on: device) : nil
      let rows = try Vectors(
        HostMemory(copying: codes.bytes), element: .uint8, count: codes.count,
        dimension: codes.byteCount)
      try VectorFile.write(rows, into: files[out])
      try files.commit()
      try CodingSummary(
        quantizer, on: device.info, rows: vectors.count, seconds: seconds,
        meanSquaredError: meanSquaredError
      ).print(output)
    }
  }

  struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Turn codes into the vectors they stand for.",
      discussion: """
        Example:
          tessera quantizer decode --book book.safetensors --input codes.npy \\
            --out decoded.npy
        """)

    @Option(help: "The quantizer, as train wrote it.", completion: .file())
    var book: String

    @Option(help: "The codes, as encode wrote them.", completion: .file())
    var input: String

    @Option(help: "Write the vectors.", completion: .file())
    var out: String

    @OptionGroup var devices: DeviceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let loadStart = ContinuousClock.now
      let quantizer = try QuantizerFile.open(book)
      let codes = try QuantizerCommand.codes(input)
      let loadSeconds = loadStart.secondsAgo
      try VectorFile.requireWritable(out, holding: nil)
      let files = try OutputFiles([out], inputs: [book, input])
      let shape = QuantizerCommand.shape(
        rows: codes.count, dimension: quantizer.dimension, passes: 1)
      let selection = try devices.select(for: shape, output)
      let start = ContinuousClock.now
      let (values, device) = try selection.run(input, output) {
        device throws(TesseraError) in
        let progress = ProgressBar(
          "decode", total: codes.count, unit: "codes", isQuiet: output.quiet)
        defer { progress.finish() }
        return try quantizer.decode(codes, on: device, control: progress.control(output))
      }
      let seconds = CodingSummary.Seconds(load: loadSeconds, work: start.secondsAgo)
      let vectors = try Vectors(values, dimension: quantizer.dimension)
      try VectorFile.write(vectors, into: files[out])
      try files.commit()
      try CodingSummary(quantizer, on: device.info, rows: codes.count, seconds: seconds)
        .print(output)
    }
  }

  /// The bytes of the file's rows.
  static func codes(_ input: String) throws(TesseraError) -> Codes {
    let rows = try VectorFile.open(input)
    guard rows.element == .uint8 else {
      throw TesseraError(
        .malformedFile,
        "\(input): holds \(rows.element), and codes are uint8; make them with tessera quantizer "
          + "encode")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(rows.count * rows.dimension)
    withExtendedLifetime(rows) {
      guard let start = unsafe rows.baseAddress else { return }
      for row in 0..<rows.count {
        unsafe bytes += UnsafeRawBufferPointer(
          start: start + row * rows.rowStride, count: rows.dimension)
      }
    }
    return try Codes(bytes, byteCount: rows.dimension)
  }
}
