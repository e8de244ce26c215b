public import TesseraCompute

/// Holds the measured speed of a device: three numbers that place the crossover between devices.
public struct DeviceProfile: Sendable, Hashable, Codable {
  /// Seconds a search takes that has next to nothing to do.
  public var overheadSeconds: Double
  /// Bytes of rows made ready in a second, the way to the device included.
  public var preparedBytesPerSecond: Double
  /// Multiply-adds of a search in a second: queries * rows * dimension.
  public var productsPerSecond: Double
  /// How far the measured times of one search lay apart, as a share of their median: much of it means
  /// that the machine was busy. Nil where it was not measured.
  public var spread: Double?

  /// - Parameter spread: How far the measured times lay apart, as a share of their median.
  public init(
    overheadSeconds: Double, preparedBytesPerSecond: Double, productsPerSecond: Double,
    spread: Double? = nil
  ) {
    self.spread = spread
    self.overheadSeconds = overheadSeconds
    self.preparedBytesPerSecond = preparedBytesPerSecond
    self.productsPerSecond = productsPerSecond
  }

  /// The seconds this device should need for a search: rows made ready once, then asked.
  public func seconds(for search: SearchShape) -> Double {
    overheadSeconds + Double(search.rows) * secondsPerRow(of: search)
  }

  /// Returns the seconds that every row of a search adds.
  func secondsPerRow(of search: SearchShape) -> Double {
    Double(search.dimension)
      * (Double(search.element.byteCount) / preparedBytesPerSecond
        + Double(search.queryCount) / productsPerSecond)
  }

  /// True if the numbers can be times at all; a damaged file may hold others.
  var isPlausible: Bool {
    overheadSeconds.isFinite && overheadSeconds >= 0
      && preparedBytesPerSecond.isFinite && preparedBytesPerSecond > 0
      && productsPerSecond.isFinite && productsPerSecond > 0
  }
}
