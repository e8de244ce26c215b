public import CTessera
import Tessera

/// Stands behind a `tessera_index`.
final class CIndex: CThing {
  static let kind = "index"
  let index: Index

  init(_ index: Index) { self.index = index }

  static let faissSuffix = ".faiss"
}

/// Builds an index as a caller wants it.
private func build(
  _ specification: UnsafePointer<CChar>?, _ vectors: OpaquePointer?, _ metric: tessera_metric,
  ids given: [Int64]?, _ options: UnsafePointer<tessera_index_options>?, _ device: CDevice,
  _ control: OpaquePointer?
) throws(TesseraError) -> Index {
  let specification = try text(specification, "build: the specification")
  let vectors = try Handles.get(vectors, CVectors.self).vectors
  let bits = bitMetric(metric)
  let numbers = bits == nil ? try TesseraC.metric(metric) : .squaredL2
  let options = try TesseraC.options(options, or: tessera_index_options(), "build: options")
  guard options.training_limit >= 0, options.iterations >= 0 else {
    throw TesseraError(
      .invalidArgument, "build: training rows and iterations cannot be negative")
  }
  let control = try CControl.of(control, device)
  let how = Index.BuildOptions(
    trainingLimit: options.training_limit == 0 ? nil : Int(options.training_limit),
    seed: options.seed == 0 ? 1234 : options.seed,
    iterations: options.iterations == 0 ? 10 : Int(options.iterations))
  let built =
    if let bits {
      try Index.build(
        specification, vectors, metric: bits, ids: given, options: how, on: device.device,
        control: control)
    } else {
      try Index.build(
        specification, vectors, metric: numbers, ids: given, options: how, on: device.device,
        control: control)
    }
  for note in built.notes { control.note(note.description) }
  return built.index
}

/// Builds an index of all rows.
@c @implementation
public func tessera_index_build(
  _ specification: UnsafePointer<CChar>?, _ vectors: OpaquePointer?, _ metric: tessera_metric,
  _ ids: UnsafePointer<Int64>?, _ id_count: Int64,
  _ options: UnsafePointer<tessera_index_options>?, _ device: OpaquePointer?,
  _ control: OpaquePointer?, _ index: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(index) { () throws(TesseraError) in
    let given = try optionalIDs(ids, id_count, "build")
    return CIndex(
      try build(
        specification, vectors, metric, ids: given, options, Handles.get(device), control))
  }
}

/// Trains what an index is made of, and puts no row in.
@c @implementation
public func tessera_index_train(
  _ specification: UnsafePointer<CChar>?, _ vectors: OpaquePointer?, _ metric: tessera_metric,
  _ options: UnsafePointer<tessera_index_options>?, _ device: OpaquePointer?,
  _ control: OpaquePointer?, _ index: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(index) { () throws(TesseraError) in
    let device: CDevice = try Handles.get(device)
    return CIndex(
      try build(specification, vectors, metric, ids: nil, options, device, control)
        .emptied(on: device.device))
  }
}

/// Opens the index in a file.
@c @implementation
public func tessera_index_open(
  _ path: UnsafePointer<CChar>?, _ index: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(index) { () throws(TesseraError) in
    CIndex(try IndexFile.open(text(path, "index: the path")))
  }
}

/// Writes the file of an index.
@c @implementation
public func tessera_index_save(
  _ index: OpaquePointer?, _ path: UnsafePointer<CChar>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let index = try Handles.get(index, CIndex.self).index
    let path = try text(path, "index: the path")
    if path.hasSuffix(CIndex.faissSuffix) {
      try FAISSFile(index).write(to: path)
    } else {
      try IndexFile.write(index, to: path)
    }
  }
}

/// Measures how many lists hold what share of the neighbors.
@c @implementation
public func tessera_index_measure(
  _ index: OpaquePointer?, _ device: OpaquePointer?, _ control: OpaquePointer?,
  _ measured: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(measured) { () throws(TesseraError) in
    let device: CDevice = try Handles.get(device)
    return CIndex(
      try Handles.get(index, CIndex.self).index.measured(
        on: device.device, control: CControl.of(control, device)))
  }
}

/// Reads one file and writes another.
@c @implementation
public func tessera_index_convert(
  _ input: UnsafePointer<CChar>?, _ output: UnsafePointer<CChar>?, _ device: OpaquePointer?,
  _ control: OpaquePointer?
) -> tessera_status {
  call { () throws(TesseraError) in
    let input = try text(input, "convert: the path of the input")
    let output = try text(output, "convert: the path of the output")
    let device: CDevice = try Handles.get(device)
    let control = try CControl.of(control, device)
    if output.hasSuffix(CIndex.faissSuffix) {
      // A file of FAISS is written as it was read, with what only FAISS has a word for.
      let file =
        try FAISSFile.isOne(input) ? FAISSFile.open(input) : FAISSFile(IndexFile.open(input))
      try file.write(to: output)
    } else {
      let index = try IndexFile.open(input).measured(on: device.device, control: control)
      try IndexFile.write(index, to: output)
    }
  }
}

/// Describes an index.
@c @implementation
public func tessera_index_describe(
  _ index: OpaquePointer?, _ info: UnsafeMutablePointer<tessera_index_info>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let index = try Handles.get(index, CIndex.self).index
    let target = try required(info, "the place for the description")
    try requireSize(target, "index: description")
    var info = tessera_index_info()
    info.count = Int64(index.count)
    info.dimension = Int64(index.dimension)
    info.list_count = Int64(index.listCount)
    info.list_imbalance = index.listImbalance
    info.metric = number(ofMetric: index)
    info.is_measured = index.isMeasured ? 1 : 0
    withUnsafeMutableBytes(of: &info.specification) { $0.write(index.specification.description) }
    fill(target, info)
  }
}

/// Returns rows by their ids.
@c @implementation
public func tessera_index_reconstruct(
  _ index: OpaquePointer?, _ ids: UnsafePointer<Int64>?, _ count: Int64,
  _ device: OpaquePointer?, _ rows: UnsafeMutablePointer<Float>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let index = try Handles.get(index, CIndex.self).index
    let device: CDevice = try Handles.get(device)
    let listed = try array(ids, count, "reconstruct: ids")
    let target = try buffer(rows, count, by: Int64(index.dimension), "reconstruct: rows")
    for (place, id) in listed.enumerated() {
      let row = try index.reconstruct(id, on: device.device)
      copy(row, to: target.baseAddress.map { $0 + place * index.dimension })
    }
  }
}

/// Gives the rows of an index new ids.
@c @implementation
public func tessera_index_renumber(
  _ index: OpaquePointer?, _ renumbered: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(renumbered) { () throws(TesseraError) in
    CIndex(try Handles.get(index, CIndex.self).index.renumbered())
  }
}
