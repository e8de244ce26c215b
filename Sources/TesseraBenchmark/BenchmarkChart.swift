/// Bars of one task: sizes one below the other, and of each size every device.
struct BenchmarkChart {
  private struct Bar {
    let measurement: BenchmarkFigure
    let series: BenchmarkPage.Series
  }

  private let groups: [(size: BenchmarkSize, bars: [Bar])]

  init(_ task: BenchmarkTask, _ series: [BenchmarkPage.Series]) {
    groups = BenchmarkSize.allCases.compactMap { size in
      let bars = series.flatMap { series in
        series.device.measurements.filter { $0.task == task && $0.size == size }
          .map { Bar(measurement: $0, series: series) }
      }
      return bars.isEmpty ? nil : (size, bars)
    }
  }

  var isEmpty: Bool { groups.isEmpty }

  private static let width = 560.0
  private static let labelWidth = 64.0
  /// Room for the figure behind the longest bar.
  private static let figureWidth = 230.0
  private static let (barHeight, barGap, groupGap) = (16.0, 4.0, 14.0)

  var svg: String {
    let top = groups.flatMap(\.bars).map(\.measurement.rate).max() ?? 1
    let longest = Self.width - Self.labelWidth - Self.figureWidth
    var parts: [String] = []
    var y = 6.0
    for group in groups {
      let first = y
      for bar in group.bars {
        let one = bar.measurement
        // A rate of zero or less, or none at all, can only come from a file someone else wrote.
        let share = one.rate.isFinite && one.rate > 0 && top.isFinite ? one.rate / top : 0
        let length = max(1.5, longest * share)
        let figure = one.unit.text(one.rate) + (one.shareText.map { ", \($0)" } ?? "")
        let title =
          "\(bar.series.label), \(one.shapeText): warm \(BenchmarkFigure.text(seconds: one.warmSeconds)), "
          + "cold \(BenchmarkFigure.text(seconds: one.coldSeconds))"
        parts.append(
          "<g><title>\(title.escaped)</title><rect x=\"\(Self.labelWidth)\" y=\"\(y)\" "
            + "width=\"\(length.threeDigits)\" height=\"\(Self.barHeight)\" rx=\"2\" "
            + "class=\"s\(bar.series.color)\"/><text x=\"\((Self.labelWidth + length + 6).threeDigits)\" "
            + "y=\"\(y + 12.5)\">\(figure.escaped)</text></g>")
        y += Self.barHeight + Self.barGap
      }
      parts.append(
        "<text class=\"size\" x=\"0\" y=\"\((first + y - Self.barGap) / 2 + 4.5)\">"
          + "\(group.size.rawValue)</text>")
      y += Self.groupGap
    }
    let height = y - Self.groupGap + 4
    return "<svg viewBox=\"0 0 \(Self.width) \(height)\" role=\"img\">"
      + "<line x1=\"\(Self.labelWidth)\" y1=\"0\" x2=\"\(Self.labelWidth)\" y2=\"\(height)\"/>"
      + parts.joined() + "</svg>"
  }
}
