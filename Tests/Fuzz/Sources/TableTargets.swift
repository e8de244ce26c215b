import TesseraCompute
import TesseraFormats
import TesseraHost

/// Reads an .npy file as vectors, and as ids.
func readNumpy(_ bytes: [UInt8]) {
  readRows(bytes, "file.npy")
  readTable(bytes, "file.npy")
}

/// Reads a file in each of the other formats of vectors, which have no names of their own inside.
func readVectors(_ bytes: [UInt8]) {
  for ending in ["fvecs", "bvecs", "fbin", "f16bin", "u8bin", "i8bin"] {
    readRows(bytes, "file.\(ending)")
  }
}

/// Reads a file in each format of ids, and as a selector of rows.
func readIDs(_ bytes: [UInt8]) {
  for ending in ["npy", "ivecs", "ibin", "bin"] { readTable(bytes, "file.\(ending)") }
}

private func readRows(_ bytes: [UInt8], _ name: String) {
  refusing([.malformedFile]) { () throws(TesseraError) in
    let rows = try VectorFile.open(file(bytes, name))
    precondition(rows.count * rows.dimension * rows.element.byteCount <= bytes.count)
    for row in 0..<rows.count { use(rows.row(row)) }
  }
}

private func readTable(_ bytes: [UInt8], _ name: String) {
  refusing([.malformedFile]) { () throws(TesseraError) in
    let table = try IDFile.open(file(bytes, name))
    for row in 0..<table.rows { use(table.row(row)) }
    refusing([.invalidShape]) { () throws(TesseraError) in
      use(try IDFile.selector(table, name, rowCount: 40))
    }
    refusing([.invalidShape, .invalidArgument]) { () throws(TesseraError) in
      use(try IDFile.selector(table, name, of: .consecutive(from: 7, count: 40)))
    }
  }
}
