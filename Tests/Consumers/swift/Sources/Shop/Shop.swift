/// What somebody else calls a device.
public struct Device {
  /// What it is called.
  public let name: String
  /// Takes it as it is.
  public init(name: String) { self.name = name }
}

/// What somebody else calls a matrix.
public struct Matrix {
  /// How many rows it has.
  public let rows: Int
  /// Takes it as it is.
  public init(rows: Int) { self.rows = rows }
}

/// What somebody else calls a storage.
public struct Storage {
  /// The shelf it is on.
  public let shelf: Int
  /// Takes it as it is.
  public init(shelf: Int) { self.shelf = shelf }
}
