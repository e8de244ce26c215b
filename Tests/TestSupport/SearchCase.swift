public import TesseraCompute

/// One search: its sizes, what its numbers are, and the seed they come from.
public struct SearchCase: Workload, CustomStringConvertible {
  /// The metric that rows are compared by.
  public var metric: Metric
  /// The type that rows and queries are stored in.
  public var element: ElementType
  /// The number of rows.
  public var rows: Int
  /// Numbers of a row.
  public var dimension: Int
  /// The number of queries.
  public var queries: Int
  /// The kind of numbers.
  public var content: Content
  /// The order of the rows in memory.
  public var layout: Sample.Layout
  /// Decides all numbers.
  public var seed: UInt64

  /// Makes a case of given sizes; by default uniform numbers, row after row.
  public init(
    _ metric: Metric, _ element: ElementType, rows: Int, dimension: Int, queries: Int,
    content: Content = .uniform, layout: Sample.Layout = .packed, seed: UInt64 = 1
  ) {
    self.metric = metric
    self.element = element
    self.rows = rows
    self.dimension = dimension
    self.queries = queries
    self.content = content
    self.layout = layout
    self.seed = seed
  }

  /// Multiply-adds of a search by brute force.
  public var work: Int { rows * dimension * queries }

  /// All parameters in one line, enough to repeat the case.
  public var description: String {
    "\(metric.rawValue) \(element) \(content) \(layout), \(rows) rows of \(dimension), "
      + "\(queries) queries, seed \(seed)"
  }

  /// Makes the rows; equal cases give equal rows.
  public func makeRows() throws(TesseraError) -> Sample {
    try Sample(
      content, count: rows, dimension: dimension, element: element, seed: seed, layout: layout)
  }

  /// Makes queries that suit the kind of content, near rows of `base` where that matters.
  public func makeQueries(_ base: Sample) throws(TesseraError) -> Sample {
    try Sample(
      content.queries(queries, for: base, element: element, seed: seed), dimension: dimension,
      element: element, layout: layout)
  }
}

extension SearchCase {
  /// Every metric and element type at every size of the grid.
  public static let grid = combine { metric, element in
    sizes.map { SearchCase(metric, element, rows: $0, dimension: $1, queries: $2) }
  }

  /// Every kind of content, in every metric and element type.
  public static let contents: [SearchCase] = combine { metric, element in
    Content.allCases.map {
      SearchCase(metric, element, rows: 110, dimension: 19, queries: 5, content: $0)
    }
  }

  /// Every kind of content in sets that a device takes in several chunks, between which its
  /// threshold rises: many short rows, and few rows so long that a chunk holds a handful.
  public static let severalChunks = Metric.allCases.flatMap { metric in
    Content.allCases.flatMap { content in
      [
        SearchCase(metric, .float32, rows: 5003, dimension: 4, queries: 3, content: content),
        SearchCase(metric, .float16, rows: 5003, dimension: 4, queries: 3, content: content),
        SearchCase(metric, .float32, rows: 101, dimension: 1031, queries: 3, content: content),
      ]
    }
  }

  /// Sets so large, in rows and dimensions, that a device may find a filter on rounded numbers
  /// worth its while, with the contents that strain its error bound.
  public static let rounded = Metric.allCases.flatMap { metric in
    [
      Content.clustered, .shell, .wildNorms, .constantColumns, .outlierDimension, .farAway,
      .extremes, .zeroRows,
    ].map {
      SearchCase(metric, .float32, rows: 2503, dimension: 130, queries: 3, content: $0)
    }
  }

  /// Sets of 8,192 rows and more in 64 dimensions and more, for which a device may look for leading
  /// directions, of the contents that strain its choice and its bounds.
  public static let large = Metric.allCases.flatMap { metric in
    [
      Content.uniform, .clustered, .duplicates, .farAway, .shell, .wildNorms, .constantColumns,
      .outlierDimension, .extremes, .zeroRows, .crowd, .lowRank, .biasedSample, .faint,
      .halfSteps,
    ].map {
      SearchCase(metric, .float32, rows: 8200, dimension: 67, queries: 4, content: $0)
    } + [
      SearchCase(metric, .float32, rows: 8192, dimension: 128, queries: 4, content: .lowRank),
      SearchCase(metric, .float16, rows: 8200, dimension: 65, queries: 4, content: .clustered),
      SearchCase(metric, .bfloat16, rows: 8200, dimension: 65, queries: 4, content: .wildNorms),
      SearchCase(metric, .uint8, rows: 8200, dimension: 80, queries: 4, content: .clustered),
      SearchCase(metric, .int8, rows: 8200, dimension: 80, queries: 4, content: .lowRank),
    ]
  }

  /// Small sets whose shapes leave most of a register or a panel empty, or none.
  public static let narrowAndWide = Metric.allCases.flatMap { metric in
    [Content.clustered, .wildNorms, .lowRank, .faint, .halfSteps].flatMap { content in
      (1...15).map {
        SearchCase(metric, .float32, rows: 300, dimension: $0, queries: 3, content: content)
      } + [SearchCase(metric, .float32, rows: 70, dimension: 4096, queries: 3, content: content)]
    }
  }

  /// One case of every metric and element type.
  public static func every(
    rows: Int, dimension: Int, queries: Int, content: Content = .uniform,
    layout: Sample.Layout = .packed
  ) -> [SearchCase] {
    combine { metric, element in
      [
        SearchCase(
          metric, element, rows: rows, dimension: dimension, queries: queries, content: content,
          layout: layout)
      ]
    }
  }

  /// Cases drawn at random, one for each seed; one in 25 so large that a device may look for
  /// leading directions and guess thresholds.
  public static func random(_ seeds: ClosedRange<UInt64>) -> [SearchCase] {
    seeds.map { seed in
      var generator = RepeatableGenerator(seed: seed)
      let isLarge = seed % 25 == 0
      return SearchCase(
        generator.pick(Metric.allCases), generator.pick(ElementType.allCases),
        rows: isLarge
          ? 2100 + generator.below(8000) : generator.below(generator.pick([20, 100, 700])),
        dimension: isLarge
          ? 43 + generator.below(100) : 1 + generator.below(generator.pick([20, 150])),
        queries: 1 + generator.below(isLarge ? 5 : generator.pick([4, 40])),
        content: generator.pick(Content.allCases), layout: generator.pick(Sample.Layout.allCases),
        seed: seed)
    }
  }

  private static let sizes: [(rows: Int, dimension: Int, queries: Int)] = [
    (0, 5, 3),  // nothing to find
    (5, 7, 0),  // nothing to look for
    (1, 1, 1),  // the smallest
    (7, 13, 5),  // primes below every width
    (15, 15, 15), (16, 16, 16), (17, 17, 17),  // around a lane count and an AVX-512 register
    (31, 31, 3), (32, 32, 4), (33, 33, 5),  // around a sub-group and an int8 register
    (48, 48, 2),  // a multiple of 16 that is no power of two
    (257, 129, 67),  // one past a block of rows and of dimensions, and a prime batch
    (70, 4096, 2),  // long rows: error bounds grow with the dimension
    (5003, 96, 7),  // several blocks of everything
  ]

  private static func combine(
    _ cases: (Metric, ElementType) -> [SearchCase]
  ) -> [SearchCase] {
    Metric.allCases.flatMap { metric in
      ElementType.allCases.flatMap { element in cases(metric, element) }
    }
  }
}
