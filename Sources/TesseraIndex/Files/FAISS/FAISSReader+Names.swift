extension FAISSReader {
  /// Says what a part is that FAISS writes and Tessera does not read, and what to do; nil for names that
  /// FAISS does not have.
  static func reason(_ name: String) -> String? {
    let flat = "rebuild it as IVF<lists>,Flat from its rows"
    return switch name {
    case "HRot", "RmDT", "Viqm", "Viqt", "PcAm", "PCAm":
      "a transform, is not read; apply it to rows and queries first, and write the index inside it "
        + "(faiss.downcast_index(index.index))"
    case "Irfn", "Iwrn":
      "a fast scan of RaBitQ codes, is not read; build the index as RaBitQ<bits> or "
        + "IVF<lists>,RaBitQ<bits>, without fs"
    case "IBFf", "IBHf", "IBHh", "IBHm":
      "an index of binary vectors, is not read; rebuild it as BFlat or BIVF<lists> from its rows"
    case "IHNf", "IHNp", "IHNs", "IHN2", "IHc2", "IH00", "INSf", "INSp", "INSs", "INNf":
      "a graph, is not read; \(flat)"
    case "IxRq", "IxLS", "IxPR", "IxPL", "IwRQ", "IwLS", "IwPR", "IwPL", "IxRQ", "IwRq":
      "an additive quantizer, is not read; build SQ8 or PQ<m> in its place"
    case "IwQR", "IvQR": "IndexIVFPQR, is not read; build IVF<lists>,PQ<m>,RFlat in its place"
    case "IvFl", "IvFL", "IvPQ", "IvSQ", "IwSQ", "IxPQ", "IxPo":
      "a layout of old versions, is not read; open it with today's FAISS and write it again"
    case "IRMf", "IRMh", "ILfs", "IRfs", "IPLf", "IPRf", "IVLf", "IVRf", "NPLf", "NPRf", "ImRQ",
      "Imiq", "Ix2L", "IxLa", "IxHE", "IxHe", "IwFd", "IwSh", "IwIQ", "IS48", "IS44", "ISVD",
      "null":
      "is a part that Tessera has no index for; \(flat)"
    default: nil
    }
  }
}
