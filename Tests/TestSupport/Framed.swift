public import TesseraCompute

/// A matrix inside a larger allocation, at an odd offset, with known numbers on both sides.
///
/// Inputs so placed show a device that ignores a matrix's offset; outputs show one that writes
/// outside.
public struct Framed<Element: DeviceScalar & Equatable>: Sendable {
  /// The matrix inside the frame, for the operation under test.
  public let matrix: Matrix<Element>
  private let device: any Device
  private let whole: Matrix<Element>
  private let filler: Element
  private static var before: Int { 3 }
  private static var after: Int { 5 }

  /// A matrix that holds `values`, row-major.
  public init(
    _ values: [Element], rows: Int, columns: Int, filler: Element, on device: any Device
  ) throws(TesseraError) {
    self.device = device
    self.filler = filler
    let framed =
      [Element](repeating: filler, count: Self.before) + values
      + [Element](repeating: filler, count: Self.after)
    whole = try device.upload(framed, rows: 1, columns: framed.count)
    matrix = Matrix(whole.storage, offset: Self.before, rows: rows, columns: columns)
  }

  /// A matrix to be written, which holds `filler` until then.
  public init(
    rows: Int, columns: Int, filler: Element, on device: any Device
  ) throws(TesseraError) {
    try self.init(
      [Element](repeating: filler, count: rows * columns), rows: rows, columns: columns,
      filler: filler, on: device)
  }

  /// The elements of the matrix now, or nil if something was written around it.
  public func contents() throws(TesseraError) -> [Element]? {
    let all = try device.download(whole)
    let frame = all.prefix(Self.before) + all.suffix(Self.after)
    guard frame.allSatisfy({ $0 == filler }) else { return nil }
    return Array(all.dropFirst(Self.before).dropLast(Self.after))
  }
}
