public import CTessera
import Tessera

/// Stands behind a `tessera_filter`.
final class CFilter: CThing {
  static let kind = "filter"
  let selector: IDSelector

  init(_ selector: IDSelector) { self.selector = selector }
}

/// Selects a range of ids.
@c @implementation
public func tessera_filter_range(
  _ first: Int64, _ end: Int64, _ filter: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(filter) { () throws(TesseraError) in
    guard first <= end else {
      throw TesseraError(.invalidArgument, "filter: ids from \(first) to \(end) are no range")
    }
    return CFilter(.range(first..<end))
  }
}

/// Selects the ids listed.
@c @implementation
public func tessera_filter_ids(
  _ ids: UnsafePointer<Int64>?, _ count: Int64, _ filter: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(filter) { () throws(TesseraError) in
    let listed = try array(ids, count, "filter: ids")
    if let lowest = listed.min(), let highest = listed.max() {
      let (span, overflow) = highest.subtractingReportingOverflow(lowest)
      // What is farther apart is refused by the selector, with a sentence.
      if !overflow, span < 1 << 35 { try requireRoom(Int(span) / 8, "filter: bits of ids") }
    }
    return CFilter(try .ids(listed))
  }
}

/// Selects ids by bits.
@c @implementation
public func tessera_filter_bitmap(
  _ words: UnsafePointer<UInt64>?, _ count: Int64, _ first: Int64,
  _ filter: UnsafeMutablePointer<OpaquePointer?>?
) -> tessera_status {
  make(filter) { () throws(TesseraError) in
    CFilter(.bitmap(try array(words, count, "filter: words"), firstID: first))
  }
}
