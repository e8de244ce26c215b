package import TesseraHost

/// Files of trained quantizers: safetensors files, so that other programs can read the codebooks.
///
/// The metadata say what it is: `content` is `quantizer`, `version` that of the layout, `kind` the
/// quantizer's and `specification` its factory string.
public enum QuantizerFile {
  /// The layout that is written, and the newest that is read.
  public static let version = 1

  /// Writes `quantizer` to `path`: the whole file, or nothing.
  ///
  /// - Throws: `.cannotCreate`, `.inputOutput`.
  public static func write(_ quantizer: any Quantizer, to path: String) throws(TesseraError) {
    try arrays(of: quantizer).write(to: path)
  }

  /// Writes `quantizer` as ``write(_:to:)`` does, and leaves the commit to the file's owner.
  package static func write(
    _ quantizer: any Quantizer, into file: AtomicFile
  ) throws(TesseraError) {
    try arrays(of: quantizer).write(into: file)
  }

  private static func arrays(of quantizer: any Quantizer) -> StoredArrayFile {
    StoredArrayFile(
      arrays: quantizer.arrays,
      metadata: [
        "content": "quantizer", "version": String(version), "kind": type(of: quantizer).kind,
        "specification": quantizer.specification,
      ])
  }

  /// The quantizer in the file at `path`: bit for bit the one that was written.
  ///
  /// - Throws: `.inputNotFound`, `.inputOutput`, `.malformedFile` for a file that is no quantizer or
  ///   damaged, `.unsupported` for a newer version or an unknown kind.
  public static func open(_ path: String) throws(TesseraError) -> any Quantizer {
    let file = try StoredArrayFile(path)
    do throws(TesseraError) {
      return try quantizer(file)
    } catch {
      throw TesseraError(error.code, "\(path): \(error.message)")
    }
  }

  private static func quantizer(_ file: StoredArrayFile) throws(TesseraError) -> any Quantizer {
    try StoredArrayFile.require(
      "quantizer", upTo: version, in: file.metadata, madeBy: "tessera quantizer train")
    guard let kind = file.metadata["kind"], let specification = file.metadata["specification"]
    else {
      throw TesseraError(.malformedFile, "does not say what kind of quantizer it holds")
    }
    return try QuantizerFactory.quantizer(
      kind: kind, specification: specification, arrays: file.arrays)
  }
}
