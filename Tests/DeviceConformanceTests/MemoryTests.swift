import TesseraCompute
import TestSupport
import Testing

@Suite("memory")
struct MemoryTests {
  @Test(
    "gives back what was uploaded", arguments: Subject.present,
    [0, 1, 2, 15, 16, 17, 1021, 300_000])
  func roundTrip(_ subject: Subject, _ count: Int) throws {
    let device = try subject.device
    var generator = RepeatableGenerator(seed: 3)
    let values = generator.units(count)
    let matrix = try device.upload(values, rows: 1, columns: count)
    #expect(difference(try device.download(matrix), values, columns: count) == nil)
    let bytes = values.prefix(500).map { UInt8(truncatingIfNeeded: $0.bitPattern) }
    let column = try device.upload(bytes, rows: bytes.count, columns: 1)
    #expect(difference(try device.download(column), bytes, columns: 1) == nil)
  }

  @Test("copies to and from the middle of a matrix", arguments: Subject.present)
  func middle(_ subject: Subject) throws {
    let device = try subject.device
    let matrix = try device.upload((0..<15).map { Int32($0) }, rows: 5, columns: 3)
    try device.upload([100, 101, 102, 103, 104, 105] as [Int32], to: matrix.rows(2..<4))
    try device.synchronize()
    #expect(try device.download(matrix.rows(1..<3)) == [3, 4, 5, 100, 101, 102])
    #expect(try device.download(matrix.rows(4..<5)) == [12, 13, 14])
    #expect(try device.download(matrix.rows(5..<5)) == [])
  }

  @Test("refuses bytes outside the memory", arguments: Subject.present)
  func outside(_ subject: Subject) throws {
    let device = try subject.device
    let storage = try device.allocate(byteCount: 10)
    let source = [UInt8](repeating: 1, count: 6)
    for (offset, count) in [(5, 6), (11, 0), (-1, 2), (.max, 1), (.max, 6), (.min, 6)] {
      let upload = source.withUnsafeBytes { bytes in
        refusal {
          try device.upload(
            UnsafeRawBufferPointer(rebasing: bytes[..<count]), to: storage, at: offset)
        }
      }
      #expect(upload?.code == .invalidShape, "upload of \(count) at \(offset)")
      var target = source
      let download = target.withUnsafeMutableBytes { bytes in
        refusal {
          try device.download(
            storage, at: offset, to: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
        }
      }
      #expect(download?.code == .invalidShape, "download of \(count) at \(offset)")
      #expect(download?.message.contains("10") == true)
    }
  }

  @Test("refuses sizes that do not exist", arguments: Subject.present)
  func sizes(_ subject: Subject) throws {
    let device = try subject.device
    for byteCount in [Int.max, Int.max / 2, 1 << 56] {
      let error = refusal { try device.allocate(byteCount: byteCount) }
      #expect(error?.code == .outOfMemory, "\(byteCount) bytes")
    }
    for (rows, columns) in [(-1, 1), (1, -1), (-2, -2), (.max, 2), (.max / 2, 1)] {
      let allocation = refusal {
        try device.allocate(Float.self, rows: rows, columns: columns)
      }
      #expect(allocation?.code == .invalidShape, "\(rows) x \(columns)")
      let upload = refusal {
        try device.upload([1, 2, 3] as [Float], rows: rows, columns: columns)
      }
      #expect(upload?.code == .invalidShape, "\(rows) x \(columns)")
    }
    let matrix = try device.allocate(Float.self, rows: 2, columns: 2)
    let error = refusal {
      try device.upload([1, 2, 3] as [Float], to: matrix)
    }
    #expect(error?.code == .invalidShape)
    #expect(error?.message == "upload: 3 values for a matrix of 4")
  }

  @Test("refuses memory of another device", arguments: Subject.present)
  func foreign(_ subject: Subject) throws {
    let device = try subject.device
    let foreign = Matrix<Float>(Storage(byteCount: 16), rows: 2, columns: 2)
    let upload = refusal {
      try device.upload([1, 2, 3, 4] as [Float], to: foreign)
    }
    #expect(upload?.code == .wrongDevice)
    let download = refusal { try device.download(foreign) }
    #expect(download?.code == .wrongDevice)
  }
}
