import TesseraCompute
import TesseraFormats
import TesseraHost
import TesseraQuantization

/// Reads JSON text, whose value says itself in text that is read as the same.
func readJSON(_ bytes: [UInt8]) {
  guard let value = try? bytes.withUnsafeBytes({ try JSONValue(parsing: $0) }) else { return }
  let text = Array(value.text.utf8)
  let again = try? text.withUnsafeBytes { try JSONValue(parsing: $0) }
  precondition(again == value, "text that is read as another value")
}

/// Reads a safetensors file as it is, and with the checksum that its header should have.
func readStoredArrays(_ bytes: [UInt8]) {
  for bytes in [bytes, withHeaderChecksum(bytes)].compactMap({ $0 }) {
    refusing { () throws(TesseraError) in
      let arrays = try StoredArrayFile(MappedArrays(file(bytes, "file.safetensors")))
      let total = arrays.arrays.values.reduce(0) { $0 + $1.bytes.count }
      precondition(total <= bytes.count)
    }
  }
}

/// Reads a file of a trained quantizer as `QuantizerFile` does, and decodes some codes.
func readQuantizer(_ bytes: [UInt8]) {
  refusing { () throws(TesseraError) in
    let bytes = withHeaderChecksum(bytes) ?? bytes
    let stored = try StoredArrayFile(MappedArrays(file(bytes, "file.quantizer")))
    guard let kind = stored.metadata["kind"], let text = stored.metadata["specification"] else {
      return
    }
    let quantizer = try QuantizerFactory.quantizer(
      kind: kind, specification: text, arrays: stored.arrays)
    decode(quantizer, fileBytes: bytes.count)
  }
}

/// Reads a partial result of k-means as it is, and with the checksum that it should have: what is read has
/// these bytes, and merges with nothing that holds the same rows.
func readPartial(_ bytes: [UInt8]) {
  var mended = bytes
  if bytes.count > 16 {
    let sum = bytes[16...].withUnsafeBytes { UInt64(Checksum.crc32($0)) }
    withUnsafeBytes(of: sum.littleEndian) { mended.replaceSubrange(8..<16, with: $0) }
  }
  for bytes in [bytes, mended] {
    refusing([.invalidArgument]) { () throws(TesseraError) in
      let part = try KMeansPartial(bytes: bytes)
      precondition(part.bytes == bytes, "a partial result that has other bytes")
      refusing([.invalidShape]) { () throws(TesseraError) in
        use(
          try part.step(
            ofAll: part.rowCount, from: Vectors([Float](), dimension: part.dimension)))
      }
      _ = try KMeansPartial.merging([part, part])
      preconditionFailure("a chunk was merged twice")
    }
  }
}

/// Decodes codes of small and of great numbers; what they are is up to whoever wrote the file.
func decode(_ quantizer: any Quantizer, fileBytes: Int) {
  let width = quantizer.codeByteCount
  // Some kinds keep nothing of a dimension, so that a short file can have any number of them.
  guard width <= 64 * fileBytes, quantizer.dimension <= 64 * fileBytes else { return }
  for byte: UInt8 in [0, 0xFF] {
    refusing(nil) { () throws(TesseraError) in
      let codes = try Codes([UInt8](repeating: byte, count: width), byteCount: width)
      use(try quantizer.decode(codes, on: ReferenceDevice.shared))
    }
  }
}

/// Returns a safetensors file with the checksum of its header put right; nil where it has none.
func withHeaderChecksum(_ bytes: [UInt8]) -> [UInt8]? {
  guard bytes.count > 8 else { return nil }
  let length = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[$1]) << UInt64(8 * $1) }
  guard length <= UInt64(bytes.count - 8) else { return nil }
  let end = 8 + Int(length)
  let blank = Array("crc32:00000000".utf8)
  guard
    let key = bytes[8..<end].firstRange(of: Array("\"checksum\":\"".utf8)),
    key.upperBound + blank.count <= end,
    bytes[key.upperBound...].starts(with: blank.prefix(6))
  else { return nil }
  let place = key.upperBound..<key.upperBound + blank.count
  var mended = bytes
  mended.replaceSubrange(place, with: blank)
  let sum = mended[8..<end].withUnsafeBytes(Checksum.text)
  mended.replaceSubrange(place, with: sum.utf8)
  return mended
}
