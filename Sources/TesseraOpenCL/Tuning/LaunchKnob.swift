/// A number that shapes launches: it decides how fast they are, never what they compute.
public enum LaunchKnob: String, Sendable, Hashable, CaseIterable {
  /// Wide items, search: KiB of panels an item goes over for all its queries.
  case sliceKiB
  /// Wide items, search: items for each compute unit, at least.
  case itemsPerUnit
  /// Tiles, search: 0 chooses by shape, 1 flat, 2 small, 3 large.
  case tile
  /// Matrix units, search: 0 chooses by shape, 1 flat, 2 square.
  case matrixTile
  /// Search: how many times the rows already searched a launch is after it.
  case growth
  /// Products: KiB of packed columns at a time.
  case packKiB
  /// Wide items, products: rows of an item.
  case rowsPerItem
  /// Selection: columns of a segment; 0 chooses by shape.
  case segmentColumns

  /// The value that is used where nothing was tuned.
  public var defaultValue: Int {
    switch self {
    case .sliceKiB: 256
    case .itemsPerUnit: 4
    case .tile: 0
    case .matrixTile: 0
    case .growth: 4
    case .packKiB: 32 << 10
    case .rowsPerItem: 256
    case .segmentColumns: 0
    }
  }

  /// The values worth trying besides the default; no other is accepted.
  public var alternatives: [Int] {
    switch self {
    case .sliceKiB: [32, 64, 128, 512, 1024]
    case .itemsPerUnit: [1, 2, 8, 16, 32]
    case .tile: [1, 2, 3]
    case .matrixTile: [1, 2]
    case .growth: [2, 3, 8, 16]
    case .packKiB: [256, 512, 1024, 2048, 4096, 8192]
    case .rowsPerItem: [32, 64, 128, 512, 1024]
    case .segmentColumns: [2048, 4096, 8192, 16_384, 32_768]
    }
  }
}

extension OpenCLDevice {
  /// The knobs that an operation has on this device.
  public func knobs(of operation: LaunchClass.Operation) -> [LaunchKnob] {
    switch (operation, body) {
    case (.search, _) where matrixUnit != nil: [.matrixTile, .growth]
    case (.search, .wideItem): [.sliceKiB, .itemsPerUnit, .growth]
    case (.search, .tile): [.tile, .growth]
    case (.multiply, .wideItem): [.packKiB, .rowsPerItem]
    case (.multiply, .tile): [.packKiB]
    case (.topK, _): [.segmentColumns]
    }
  }
}
