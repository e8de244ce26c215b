import TesseraCompute
import Testing

@Suite struct SplitMix64Tests {
  @Test("gives the published sequence")
  func published() {
    var random = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in random.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      ])
  }

  @Test("indices are even, Gaussian numbers have mean 0 and deviation 1")
  func moments() {
    var random = SplitMix64(seed: 9, stream: 4)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[random.nextIndex(below: 7)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    let numbers = (0..<100_000).map { _ in Double(random.nextGaussian()) }
    let mean = numbers.reduce(0, +) / 100_000
    let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 100_000
    #expect(abs(mean) < 0.02 && abs(variance - 1) < 0.03)
    #expect((0..<1000).allSatisfy { _ in (0..<1).contains(random.nextUnit()) })
  }

  @Test("streams of one seed differ")
  func streams() {
    let firsts = (0..<1000 as Range<UInt64>).map { stream in
      var random = SplitMix64(seed: 1, stream: stream)
      return random.next()
    }
    #expect(Set(firsts).count == 1000)
  }
}
