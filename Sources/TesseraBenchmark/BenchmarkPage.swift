import TesseraCompute

/// Runs of one or several devices and machines as one HTML page: bars for every task, and every
/// figure behind them. The page is complete in itself, loads nothing, and follows the reader's
/// choice of light or dark.
public struct BenchmarkPage: Sendable {
  /// One run, and what to call it: `this run`, or the name of the file it is from.
  public struct Entry: Sendable {
    /// The run's name in the charts.
    public var label: String
    /// The figures to show.
    public var run: BenchmarkRun

    /// Takes a run and its name as they are.
    public init(label: String, run: BenchmarkRun) {
      self.label = label
      self.run = run
    }
  }

  /// One device of one run: a colour of the charts.
  struct Series {
    let label: String
    let detail: String
    let device: DeviceBenchmark
    let color: Int
  }

  static let colorCount = 8
  private let entries: [Entry]
  private let series: [Series]

  /// Prepares a page with one colour for each device of each run.
  public init(_ entries: [Entry]) {
    self.entries = entries
    var series: [Series] = []
    for entry in entries {
      for device in entry.run.devices {
        series.append(
          Series(
            label: entries.count > 1 ? "\(entry.label): \(device.device)" : device.device,
            detail: "\(device.name), \(device.variant)", device: device,
            color: series.count % Self.colorCount))
      }
    }
    self.series = series
  }

  /// The whole page as one HTML document.
  public var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Tessera benchmark</title>
    <style>
    \(Self.style)
    </style>
    </head>
    <body>
    <header>
    \(mosaic)
    <h1>What these devices do</h1>
    <p>\(origin)</p>
    <ul class="legend">
    \(series.map(legend).joined(separator: "\n"))
    </ul>
    </header>
    <main>
    \(BenchmarkTask.allCases.map(section).joined(separator: "\n"))
    </main>
    <section class="figures">
    <h2>Every figure</h2>
    \(series.map(table).joined(separator: "\n"))
    </section>
    <footer>Of every result a part was compared with the reference device. Rates are from the median
    of warm calls; the first call of a shape is listed as cold.</footer>
    </body>
    </html>

    """
  }

  private var origin: String {
    entries.map { entry in
      [
        entries.count > 1 ? "\(entry.label):" : nil, "Tessera \(entry.run.version)",
        entry.run.date.map { "measured \($0)" },
      ].compactMap { $0 }.joined(separator: " ").escaped
    }.joined(separator: "<br>")
  }

  /// Tiles in the colours of the devices, laid the same way for the same devices.
  private var mosaic: String {
    let names = series.map { "\($0.label) \($0.detail)" }.joined()
    var random = SplitMix64(seed: names.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    let (columns, rows, side) = (48, 4, 20)
    var tiles: [String] = []
    for place in 0..<columns * rows {
      let color = random.nextIndex(below: max(1, series.count))
      let strength = [20, 45, 70, 100][random.nextIndex(below: 4)]
      tiles.append(
        "<rect x=\"\(place % columns * side + 1)\" y=\"\(place / columns * side + 1)\" "
          + "width=\"\(side - 2)\" height=\"\(side - 2)\" rx=\"2\" "
          + "class=\"s\(color % Self.colorCount)\" opacity=\"0.\(strength == 100 ? 99 : strength)\"/>"
      )
    }
    return "<svg class=\"mosaic\" viewBox=\"0 0 \(columns * side) \(rows * side)\" "
      + "preserveAspectRatio=\"xMidYMid slice\" aria-hidden=\"true\">\(tiles.joined())</svg>"
  }

  private func legend(_ series: Series) -> String {
    "<li><span class=\"key b\(series.color)\"></span><b>\(series.label.escaped)</b> "
      + "\(series.detail.escaped)</li>"
  }

  private func section(_ task: BenchmarkTask) -> String {
    let chart = BenchmarkChart(task, series)
    guard !chart.isEmpty else { return "" }
    return """
      <figure>
      <figcaption><h2>\(task.rawValue)</h2>\(task.explanation.escaped)</figcaption>
      \(chart.svg)
      </figure>
      """
  }

  private func table(_ series: Series) -> String {
    let rows = series.device.measurements.map { one in
      let cells = [
        one.task.rawValue, one.size.rawValue, one.shapeText,
        BenchmarkFigure.text(seconds: one.coldSeconds),
        BenchmarkFigure.text(seconds: one.warmSeconds),
        "\(BenchmarkFigure.text(seconds: one.leastSeconds)) .. "
          + "\(BenchmarkFigure.text(seconds: one.mostSeconds))",
        one.unit.text(one.rate), one.shareText ?? "",
      ]
      return "<tr>" + cells.map { "<td>\($0.escaped)</td>" }.joined() + "</tr>"
    }
    let missing = series.device.unavailable.map {
      "<p class=\"missing\"><b>\($0.what.escaped)</b> not available: \($0.reason.escaped)</p>"
    }
    return """
      <h3><span class="key b\(series.color)"></span>\(series.label.escaped)</h3>
      <p>\(series.detail.escaped), driver \(series.device.driver.escaped)</p>
      <div class="scroll"><table>
      <tr><th>task<th>size<th>shape<th>cold<th>warm<th>least .. most<th>rate<th>share of peak</tr>
      \(rows.joined(separator: "\n"))
      </table></div>
      \(missing.joined(separator: "\n"))
      """
  }
}

extension BenchmarkTask {
  /// A sentence for the page.
  var explanation: String {
    switch self {
    case .copy: "Rows copied on the device, bytes read and written."
    case .upload: "Bytes from the host's memory to the device's."
    case .download: "Bytes from the device's memory to the host's."
    case .multiply: "Float32 matrices: the arithmetic this device has for products."
    case .multiplyFloat16: "Float16 matrices by a matrix unit, as filters of searches use it."
    case .multiplyInt8: "Int8 matrices by a matrix unit, as filters of searches use it."
    case .read: "One query over many rows, as bytes of the Float32 rows. Filters read fewer."
    case .nearest: "Exact search of many queries, as operations of the plain algorithm."
    case .topK: "The best of each row of scores, as bytes of the scores."
    case .kmeans: "One update: every point to its centroid, and the sums."
    case .encode: "Product-quantizer codes, as operations of the plain algorithm."
    case .lookupScores: "Table entries added: scores of product-quantizer codes."
    case .nearestCodes:
      "The best of 4-bit codes, as entries of all sums. Scans look up bytes of many rows at once."
    }
  }
}

extension String {
  /// The text with HTML's special characters escaped: names come from drivers and from files.
  var escaped: String {
    var text = ""
    for character in self {
      switch character {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      default: text.append(character)
      }
    }
    return text
  }
}
