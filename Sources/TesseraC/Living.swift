public import CTessera
import Tessera

/// Stands behind a `tessera_living`.
final class CLiving: CThing {
  static let kind = "changing index"
  let index: LivingIndex

  init(_ index: LivingIndex) { self.index = index }
}

/// Opens an index that changes.
@c @implementation
public func tessera_living_open(
  _ path: UnsafePointer<CChar>?, _ flags: UInt32,
  _ living: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(living) { () throws(TesseraError) in
    let path = try text(path, "index: the path")
    guard Int(flags) & ~TESSERA_WRITE == 0 else {
      throw TesseraError(.unsupported, "index: the flags \(flags) are not known to this version")
    }
    return CLiving(
      try LivingIndex(path, for: Int(flags) & TESSERA_WRITE != 0 ? .writing : .reading))
  }
}

/// Makes an index that changes in memory.
@c @implementation
public func tessera_living_create(
  _ index: OpaquePointer?, _ living: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(living) { () throws(TesseraError) in
    CLiving(LivingIndex(inMemory: try Handles.get(index, CIndex.self).index))
  }
}

/// Adds rows.
@c @implementation
public func tessera_living_add(
  _ living: OpaquePointer?, _ rows: UnsafePointer<tessera_rows>?, _ ids: UnsafePointer<Int64>?,
  _ id_count: Int64, _ given: UnsafeMutablePointer<Int64>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let living = try Handles.get(living, CLiving.self).index
    let ids = try optionalIDs(ids, id_count, "add")
    let added = try living.add(copiedVectors(rows, "add: rows"), ids: ids)
    copy(added, to: given)
  }
}

/// Puts rows in the places of others.
@c @implementation
public func tessera_living_update(
  _ living: OpaquePointer?, _ rows: UnsafePointer<tessera_rows>?, _ ids: UnsafePointer<Int64>?,
  _ id_count: Int64
) -> tessera_status {
  call { () throws(TesseraError) in
    let living = try Handles.get(living, CLiving.self).index
    let ids = try array(ids, id_count, "update: ids")
    try living.update(copiedVectors(rows, "update: rows"), ids: ids)
  }
}

/// Removes rows by ids.
@c @implementation
public func tessera_living_remove(
  _ living: OpaquePointer?, _ ids: UnsafePointer<Int64>?, _ count: Int64,
  _ removed: UnsafeMutablePointer<Int64>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let living = try Handles.get(living, CLiving.self).index
    let there = try living.remove(array(ids, count, "remove: ids"))
    removed?.pointee = Int64(there)
  }
}

/// Removes the rows that a filter selects.
@c @implementation
public func tessera_living_remove_selected(
  _ living: OpaquePointer?, _ filter: OpaquePointer?, _ removed: UnsafeMutablePointer<Int64>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let living = try Handles.get(living, CLiving.self).index
    let there = try living.remove(Handles.get(filter, CFilter.self).selector)
    removed?.pointee = Int64(there)
  }
}

/// Puts all changes into the index.
@c @implementation
public func tessera_living_compact(
  _ living: OpaquePointer?, _ device: OpaquePointer?, _ control: OpaquePointer?
) -> tessera_status {
  call { () throws(TesseraError) in
    let living = try Handles.get(living, CLiving.self).index
    let device: CDevice = try Handles.get(device)
    try living.compact(on: device.device, control: CControl.of(control, device))
  }
}

/// Sees what others have changed.
@c @implementation
public func tessera_living_refresh(_ living: OpaquePointer?) -> tessera_status {
  call { () throws(TesseraError) in
    try Handles.get(living, CLiving.self).index.refresh()
  }
}

/// Compares every checksum.
@c @implementation
public func tessera_living_verify(_ living: OpaquePointer?) -> tessera_status {
  call { () throws(TesseraError) in
    try Handles.get(living, CLiving.self).index.verify()
  }
}

/// Makes an index of all rows there are now.
@c @implementation
public func tessera_living_index(
  _ living: OpaquePointer?, _ device: OpaquePointer?, _ control: OpaquePointer?,
  _ index: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(index) { () throws(TesseraError) in
    let snapshot = try Handles.get(living, CLiving.self).index.snapshot
    let device: CDevice = try Handles.get(device)
    let control = try CControl.of(control, device)
    guard snapshot.isChanged else { return CIndex(snapshot.base) }
    return CIndex(
      try control.steer(on: device.device) { device throws(TesseraError) in
        try snapshot.compacted(on: device, control: control)
      })
  }
}

/// Describes an index that changes.
@c @implementation
public func tessera_living_describe(
  _ living: OpaquePointer?, _ info: UnsafeMutablePointer<tessera_living_info>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let living = try Handles.get(living, CLiving.self).index
    let target = try required(info, "the place for the description")
    try requireSize(target, "changing index: description")
    let snapshot = living.snapshot
    var info = tessera_living_info()
    info.count = Int64(snapshot.count)
    info.dimension = Int64(snapshot.base.dimension)
    info.next_id = snapshot.nextID
    info.added_count = Int64(snapshot.segmentRowCount)
    info.removed_count = Int64(snapshot.removedCount)
    info.journal_bytes = Int64(living.journalByteCount)
    info.metric = number(ofMetric: snapshot.base)
    info.is_writable = living.isWritable ? 1 : 0
    withUnsafeMutableBytes(of: &info.specification) {
      $0.write(snapshot.base.specification.description)
    }
    fill(target, info)
  }
}

/// Returns rows by their ids.
@c @implementation
public func tessera_living_reconstruct(
  _ living: OpaquePointer?, _ ids: UnsafePointer<Int64>?, _ count: Int64,
  _ device: OpaquePointer?, _ rows: UnsafeMutablePointer<Float>?
) -> tessera_status {
  call { () throws(TesseraError) in
    let snapshot = try Handles.get(living, CLiving.self).index.snapshot
    let device: CDevice = try Handles.get(device)
    let listed = try array(ids, count, "reconstruct: ids")
    let target = try buffer(
      rows, count, by: Int64(snapshot.base.dimension), "reconstruct: rows")
    try requireRoom(target.count * MemoryLayout<Float>.stride, "reconstruct: rows")
    copy(try snapshot.reconstruct(listed, on: device.device), to: target.baseAddress)
  }
}
