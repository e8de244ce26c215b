internal import TesseraHost

/// Recognizes by its first bytes a file that people hand in by mistake in place of a file of
/// numbers.
struct ForeignContent: Sendable {
  let name: String
  let remedy: String
  private let signature: [UInt8]

  private static let all = [
    Self(
      name: "a Git LFS pointer, not the file it stands for", remedy: "fetch it with git lfs pull",
      signature: Array("version https://git-lfs".utf8)),
    Self(
      name: "compressed with gzip", remedy: "unpack it with gunzip", signature: [0x1F, 0x8B]),
    Self(
      name: "a zip or .npz archive", remedy: "unpack it with unzip, or save with np.save",
      signature: Array("PK".utf8)),
    Self(
      name: "compressed with zstd", remedy: "unpack it with zstd -d",
      signature: [0x28, 0xB5, 0x2F, 0xFD]),
    Self(
      name: "compressed with xz", remedy: "unpack it with xz -d",
      signature: [0xFD] + Array("7zXZ".utf8)),
    Self(
      name: "compressed with bzip2", remedy: "unpack it with bunzip2", signature: Array("BZh".utf8)),
    Self(
      name: "an HDF5 file", remedy: "take the array out with h5py and save it with np.save",
      signature: [0x89] + Array("HDF\r\n".utf8)),
    Self(
      name: "a web page, so the download failed", remedy: "download it again",
      signature: Array("<!DOCTYPE".utf8)),
    Self(
      name: "a web page, so the download failed", remedy: "download it again",
      signature: Array("<html".utf8)),
  ]

  static func recognized(_ bytes: UnsafeRawBufferPointer) -> ForeignContent? {
    all.first { unsafe bytes.starts(with: $0.signature) }
  }
}

extension MappedFile {
  /// The error for bytes that are not what the format says: what is wrong, where, and what to do.
  ///
  /// If the file begins like something else altogether, the error says that instead. Looking only
  /// now keeps a proper file from being refused because its sizes happen to spell another
  /// signature.
  func malformed(
    _ problem: String, at offset: Int, _ remedy: String = "write or download it again"
  ) -> TesseraError {
    if let content = unsafe ForeignContent.recognized(bytes) {
      return TesseraError(
        .malformedFile, "\(path.printable): is \(content.name) (byte 0); \(content.remedy)")
    }
    return TesseraError(
      .malformedFile, "\(path.printable): \(problem) (byte \(offset)); \(remedy)")
  }
}
