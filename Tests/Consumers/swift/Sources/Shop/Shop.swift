/// What somebody else calls a device.
public struct Device {
  public let name: String
  public init(name: String) { self.name = name }
}

/// What somebody else calls a matrix.
public struct Matrix {
  public let rows: Int
  public init(rows: Int) { self.rows = rows }
}

/// What somebody else calls a storage.
public struct Storage {
  public let shelf: Int
  public init(shelf: Int) { self.shelf = shelf }
}
