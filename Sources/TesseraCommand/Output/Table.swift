/// Rows of text in aligned columns.
struct Table {
  private var rows: [[String]] = []

  init(header: [String] = []) {
    if !header.isEmpty { rows.append(header) }
  }

  mutating func add(_ cells: String...) { rows.append(cells) }

  func print() {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    for row in rows {
      let cells = row.enumerated().map { column, cell in
        // The last cell ends the line and needs no filling.
        column == row.count - 1
          ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
      }
      Console.print(cells.joined(separator: "  "))
    }
  }
}

extension Double {
  /// Three significant digits or so: 0.0123, 1.23, 123, 12300.
  var short: String {
    guard isFinite else { return "\(self)" }
    let magnitude = abs(self)
    let decimals = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 4
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (self * scale).rounded() / scale
    return decimals == 0 && abs(scaled) < 1e15 ? "\(Int(scaled))" : "\(scaled)"
  }
}

extension Int {
  /// The number as a size: 512 B, 1.5 MiB, 4 GiB.
  var asBytes: String {
    var value = Double(self)
    for unit in ["B", "KiB", "MiB", "GiB"] {
      if value < 1024 { return "\(value.short) \(unit)" }
      value /= 1024
    }
    return "\(value.short) TiB"
  }
}
