public import CTessera
import Tessera

/// Stands behind a `tessera_quantizer`.
final class CQuantizer: CThing {
  static let kind = "quantizer"
  let quantizer: any Quantizer

  init(_ quantizer: any Quantizer) { self.quantizer = quantizer }
}

/// Returns a copy of codes of the caller.
func codes(
  _ bytes: UnsafePointer<UInt8>?, _ count: Int64, of quantizer: any Quantizer
) throws(TesseraError) -> Codes {
  try Codes(
    array(bytes, count, by: Int64(quantizer.codeByteCount), "codes"),
    byteCount: quantizer.codeByteCount)
}

/// Trains a quantizer.
@c @implementation
public func tessera_quantizer_train(
  _ specification: UnsafePointer<CChar>?, _ points: UnsafePointer<tessera_rows>?,
  _ device: OpaquePointer?, _ control: OpaquePointer?,
  _ quantizer: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<Double>?
) -> tessera_status {
  make(quantizer) { () throws(TesseraError) in
    let recipe = try QuantizerFactory.recipe(text(specification, "train: the specification"))
    let points = try TesseraC.vectors(points, "train: points")
    let device: CDevice = try Handles.get(device)
    let control = try CControl.of(control, device)
    let trained = try recipe.train(points, on: device.device, control: control)
    for note in trained.notes { control.note(note.description) }
    error?.pointee = trained.meanSquaredError
    return CQuantizer(trained.quantizer)
  }
}

/// Opens the quantizer in a file.
@c @implementation
public func tessera_quantizer_open(
  _ path: UnsafePointer<CChar>?, _ quantizer: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(quantizer) { () throws(TesseraError) in
    CQuantizer(try QuantizerFile.open(text(path, "quantizer: the path")))
  }
}

/// Writes the file of a quantizer.
@c @implementation
public func tessera_quantizer_save(
  _ quantizer: OpaquePointer?, _ path: UnsafePointer<CChar>?
) -> tessera_status {
  call { () throws(TesseraError) in
    try QuantizerFile.write(
      Handles.get(quantizer, CQuantizer.self).quantizer,
      to: text(path, "quantizer: the path"))
  }
}

/// Describes a quantizer.
@c @implementation
public func tessera_quantizer_describe(
  _ quantizer: OpaquePointer?, _ info: UnsafeMutablePointer<tessera_quantizer_info>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let quantizer = try Handles.get(quantizer, CQuantizer.self).quantizer
    let target = try required(info, "the place for the description")
    try requireSize(target, "quantizer: description")
    var info = tessera_quantizer_info()
    info.dimension = Int64(quantizer.dimension)
    info.code_bytes = Int64(quantizer.codeByteCount)
    withUnsafeMutableBytes(of: &info.specification) { $0.write(quantizer.specification) }
    fill(target, info)
  }
}

/// Makes a code of each row.
@c @implementation
public func tessera_quantizer_encode(
  _ quantizer: OpaquePointer?, _ rows: UnsafePointer<tessera_rows>?, _ device: OpaquePointer?,
  _ control: OpaquePointer?, _ codes: UnsafeMutablePointer<UInt8>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let quantizer = try Handles.get(quantizer, CQuantizer.self).quantizer
    let rows = try TesseraC.vectors(rows, "encode: rows")
    let device: CDevice = try Handles.get(device)
    _ = try buffer(codes, Int64(rows.count), by: Int64(quantizer.codeByteCount), "encode: codes")
    let made = try quantizer.encode(
      rows, on: device.device, control: CControl.of(control, device))
    copy(made.bytes, to: codes)
  }
}

/// Returns what codes stand for.
@c @implementation
public func tessera_quantizer_decode(
  _ quantizer: OpaquePointer?, _ codes: UnsafePointer<UInt8>?, _ count: Int64,
  _ device: OpaquePointer?, _ control: OpaquePointer?, _ rows: UnsafeMutablePointer<Float>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let quantizer = try Handles.get(quantizer, CQuantizer.self).quantizer
    let device: CDevice = try Handles.get(device)
    let target = try buffer(rows, count, by: Int64(quantizer.dimension), "decode: rows")
    try requireRoom(target.count * MemoryLayout<Float>.stride, "decode: rows")
    let made = try quantizer.decode(
      TesseraC.codes(codes, count, of: quantizer), on: device.device,
      control: CControl.of(control, device))
    copy(made, to: target.baseAddress)
  }
}
