extension BenchmarkPage {
  /// Colours of the series as light and dark pages need them, of about equal strength.
  private static let light = [
    "#2f6f8f", "#c4632d", "#4d7f3a", "#8a4f9e", "#b08a1e", "#b0405c", "#3f8f84", "#6b6b7a",
  ]
  private static let dark = [
    "#6fb3d3", "#ef9a63", "#8fc47a", "#c792db", "#e0bd5a", "#ec829b", "#74c9bd", "#a9a9b8",
  ]

  private static func variables(_ colors: [String]) -> String {
    colors.enumerated().map { "--c\($0.offset): \($0.element);" }.joined(separator: " ")
  }

  static var style: String {
    let series = (0..<colorCount).map {
      ".s\($0) { fill: var(--c\($0)) } .b\($0) { background: var(--c\($0)) }"
    }
    return """
      :root { color-scheme: light dark; --paper: #faf8f4; --ink: #23211d; --faint: #6d675c;
        --line: #ddd6c8; --card: #ffffff; \(variables(light)) }
      @media (prefers-color-scheme: dark) {
        :root { --paper: #17181b; --ink: #ece8e0; --faint: #a29c90; --line: #35363b;
          --card: #1f2024; \(variables(dark)) }
      }
      * { box-sizing: border-box }
      body { margin: 0 auto; max-width: 76rem; padding: 0 1.25rem 3rem; background: var(--paper);
        color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
      .mosaic { display: block; width: 100%; height: 5rem; margin: 1.25rem 0 1.5rem }
      h1 { font-size: 2rem; line-height: 1.15; margin: 0 0 .25rem; font-weight: 650 }
      h2 { font-size: 1.1rem; margin: 0 } h3 { font-size: 1rem; margin: 2rem 0 0 }
      header p, figcaption, footer, .figures p { color: var(--faint); margin: 0 0 .5rem }
      figcaption h2 { color: var(--ink) }
      .legend { list-style: none; margin: 1rem 0 2rem; padding: 0; display: flex; flex-wrap: wrap;
        gap: .25rem 2rem }
      .key { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
        margin-right: .45em }
      main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr));
        gap: 1.25rem }
      figure { margin: 0; padding: 1rem 1.1rem; background: var(--card);
        border: 1px solid var(--line); border-radius: 6px }
      figure svg { display: block; width: 100%; height: auto }
      svg text { fill: var(--ink); font: 13px system-ui, sans-serif }
      svg text.size { fill: var(--faint) } svg line { stroke: var(--line) }
      .figures { margin-top: 3rem } .scroll { overflow-x: auto }
      table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
        font-size: .85rem; white-space: nowrap }
      th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line) }
      th { color: var(--faint); font-weight: 500 }
      footer { margin-top: 2rem; font-size: .85rem }
      \(series.joined(separator: "\n"))
      """
  }
}
