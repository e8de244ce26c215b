public import CTessera
import Tessera
import TesseraHost

/// Stands behind a `tessera_vectors`.
final class CVectors: CThing {
  static let kind = "set of vectors"
  let vectors: Vectors

  init(_ vectors: Vectors) { self.vectors = vectors }
}

/// Copies rows.
@c @implementation
public func tessera_vectors_copy(
  _ rows: UnsafePointer<tessera_rows>?, _ vectors: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(vectors) { () throws(TesseraError) in
    CVectors(try copiedVectors(rows, "vectors"))
  }
}

/// Takes rows where they are.
@c @implementation
public func tessera_vectors_wrap(
  _ rows: UnsafePointer<tessera_rows>?,
  _ release: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?, _ vectors: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  /// Safe to share: the caller's function may be called from any thread.
  struct Owner: @unchecked Sendable {
    let release: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
    let context: UnsafeMutableRawPointer?
  }
  let owner = Owner(release: release, context: context)
  return make(vectors) { () throws(TesseraError) in
    CVectors(
      try TesseraC.vectors(rows, "vectors") { _ in owner.release?(owner.context) })
  }
}

/// Maps a file of vectors.
@c @implementation
public func tessera_vectors_open(
  _ path: UnsafePointer<CChar>?, _ vectors: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(vectors) { () throws(TesseraError) in
    CVectors(try VectorFile.open(text(path, "vectors: the path")))
  }
}

/// Tells where rows are.
@c @implementation
public func tessera_vectors_rows(
  _ vectors: OpaquePointer?, _ rows: UnsafeMutablePointer<tessera_rows>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let vectors = try Handles.get(vectors, CVectors.self).vectors
    try required(rows, "the place for the rows").pointee = tessera_rows(
      data: vectors.baseAddress, element: vectors.element.rawValue, count: Int64(vectors.count),
      dimension: Int64(vectors.dimension), stride: Int64(vectors.rowStride))
  }
}
