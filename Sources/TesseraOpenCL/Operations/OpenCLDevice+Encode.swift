public import TesseraCompute

extension OpenCLDevice {
  /// Cost: 3 Float64 operations per point, dimension and codeword. Without Float64 the host does
  /// it.
  public func encode(
    _ points: Matrix<Float>, _ codebook: ProductCodebook, into codes: Matrix<UInt8>
  ) throws(TesseraError) {
    try Shapes.encode(points, codebook, into: codes)
    guard info.hasFloat64, loopLimit == .max, try trusts(.encode(width: codebook.codewords.columns))
    else {
      return try HostPath(self).encode(points, codebook, into: codes)
    }
    try requireFinite(points, "encode", "points")
    try requireFinite(codebook.codewords, "encode", "codewords")
    guard codes.count > 0 else { return }
    let width = codebook.codewords.columns
    let panels = try pack(codebook)
    let lanes = (0...4).map { 1 << $0 }.first { $0 >= width } ?? 16
    let pointsPerItem = body == .wideItem ? 64 : 1
    let pointsPerWorkGroup = pointsPerItem * workGroupSize
    try launch(
      "encode",
      of: KernelSource("encode", ["WIDTH": width, "LANES": lanes, "SPAN": pointsPerItem]),
      [
        argument(points, "encode"), .ulong(points.rows), .all(of: panels, as: Float.self),
        .int(codebook.codewordCount), .int(codebook.subspaceCount), argument(codes, "encode"),
      ],
      over: Grid(
        workGroups: (
          (points.rows + pointsPerWorkGroup - 1) / pointsPerWorkGroup, codebook.subspaceCount
        ),
        local: (workGroupSize, 1),
        workEach: 4 * pointsPerWorkGroup * codebook.codewordCount * max(width, 4)))
  }

  /// The codewords in panels of 32, each subspace beginning with a panel of its own.
  private func pack(_ codebook: ProductCodebook) throws(TesseraError) -> OpenCLStorage {
    let (count, width) = (codebook.codewordCount, codebook.codewords.columns)
    let panelCount = (count + PanelBlocks.width - 1) / PanelBlocks.width
    let subspaceElements = panelCount * PanelBlocks.width * width
    let panels = try reserve(subspaceElements * codebook.subspaceCount, of: Float.self)
    for subspace in 0..<codebook.subspaceCount {
      try pack(
        codebook.codewords, inRows: true, vectors: subspace * count..<(subspace + 1) * count,
        dimensions: 0..<width, into: panels, at: subspace * subspaceElements, "encode")
    }
    return panels
  }
}
