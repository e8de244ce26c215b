import TestSupport
import Testing

@testable import TesseraCompute

@Suite("IDSelector")
struct IDSelectorTests {
  /// The same question put to each way of answering.
  private func expect(_ selector: IDSelector, selects ids: Set<Int64>, near: Range<Int64>) {
    for first in near {
      #expect(selector.contains(first) == ids.contains(first), "id \(first)")
      let mask = (0..<32).reduce(UInt32(0)) {
        ids.contains(first + Int64($1)) ? $0 | 1 << UInt32($1) : $0
      }
      #expect(selector.mask32(from: first) == mask, "from \(first)")
      for length in [0, 1, 63, 64, 65, 200] as [Int64] {
        let range = first..<first + length
        #expect(selector.count(in: range) == ids.count { range.contains($0) }, "\(range)")
      }
    }
    #expect(ids.allSatisfy(selector.span.contains))
    #expect(selector.count(in: .min..<(.max)) == ids.count)
  }

  @Test("every form selects the same ids", arguments: [0, 1, 40, 64, -3, 5_000_000_000] as [Int64])
  func forms(_ firstID: Int64) throws {
    for length in [0, 1, 31, 32, 33, 63, 64, 65, 130] {
      var generator = RepeatableGenerator(seed: UInt64(length))
      let flags = (0..<length).map { _ in generator.below(3) > 0 }
      let ids = flags.indices.filter { flags[$0] }.map { firstID + Int64($0) }
      var words = [UInt64](repeating: 0, count: (length + 63) / 64)
      for (bit, isSet) in flags.enumerated() where isSet {
        words[bit / 64] |= 1 << UInt64(bit % 64)
      }
      let near = firstID - 70..<firstID + Int64(length) + 70
      expect(.flags(flags, firstID: firstID), selects: Set(ids), near: near)
      expect(.bitmap(words, firstID: firstID), selects: Set(ids), near: near)
      expect(try .ids(ids.shuffled() + ids), selects: Set(ids), near: near)
      let range = firstID..<firstID + Int64(length)
      expect(.range(range), selects: Set(range), near: near)
    }
  }

  @Test("ids that are excluded are the only ones that are not there", arguments: [0, 1, 7, 90])
  func excluding(_ step: Int64) throws {
    // Near ones become bits; those that are far apart are looked up.
    let removed = (0..<12).map { -40 + $0 * step }
    let rising = step == 0 ? [] : removed
    for inner in [
      IDSelector.range(-100..<200),
      try .ids(stride(from: -99 as Int64, to: 200, by: 3).map(\.self)),
    ] {
      let ids = Set((-100..<200).filter { inner.contains($0) && !rising.contains($0) })
      let selector = IDSelector.excluding(rising: rising, from: inner)
      expect(selector, selects: ids, near: -140..<240)
      let some = stride(from: -130 as Int64, to: 260, by: 2).map(\.self)
      #expect(selector.count(among: some) == some.count { ids.contains($0) })
    }
    let all = IDSelector.excluding(rising: rising, from: nil)
    #expect(all.count(in: -1000..<2000) == 3000 - rising.count)
    #expect(all.contains(.min) && all.contains(.max - 1))
    #expect(rising.allSatisfy { !all.contains($0) })
  }

  @Test("the ends of 64 bits are ids like others")
  func ends() throws {
    let everything = IDSelector.range(.min..<(.max))
    #expect(everything.contains(.min) && everything.contains(0) && !everything.contains(.max))
    #expect(everything.mask32(from: .max - 1) == 1)
    #expect(everything.count(in: .min..<(.max)) == .max, "as many as can be said")
    let high = try IDSelector.ids([.max - 40, .max - 2])
    #expect(high.mask32(from: .max - 41) == 2 && high.mask32(from: .max - 2) == 1)
    #expect(high.count(in: 0..<(.max)) == 2)
    let low = try IDSelector.ids([.min, .min + 31])
    #expect(low.mask32(from: .min) == 0x8000_0001 && low.mask32(from: .max - 31) == 0)
  }

  @Test("a list that would take more memory than there is is refused")
  func sparse() {
    let error = refusal { try IDSelector.ids([3, 1 << 35]) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("3 to 34359738368") == true)
    #expect(refusal { try IDSelector.ids([.min, .max]) }?.code == .invalidArgument)
  }

  @Test("no ids, no flags and no words select nothing")
  func nothing() throws {
    for selector in [try IDSelector.ids([]), .flags([]), .bitmap([]), .range(5..<5)] {
      expect(selector, selects: [], near: -70..<70)
    }
  }
}
