import CSIMD
import TesseraCompute
import TestSupport
import Testing

@testable import TesseraCPU

/// The elementary functions of every instruction set of this machine, against the specification.
@Suite("elementary functions of CPU kernels")
struct ElementaryKernelTests {
  @Test("have the specification's bits", arguments: ElementaryFunction.allCases)
  func bits(_ function: ElementaryFunction) {
    let x = FunctionSample.arguments
    let expected = x.map { function($0).bitPattern }
    for kernels in Kernels.runnable {
      let found = kernels.apply(function.rawValue, x, nil)
      #expect(place(found, expected, x) == nil, "\(kernels.name)")
    }
  }

  @Test("divide as IEEE 754 says")
  func quotients() {
    let (a, b) = FunctionSample.quotients
    let expected = zip(a, b).map { ElementaryFunction.quotient($0, $1).bitPattern }
    for kernels in Kernels.runnable {
      let found = kernels.apply(Int32(CSIMD_DIVIDE.rawValue), a, b)
      #expect(place(found, expected, a) == nil, "\(kernels.name)")
    }
  }

  @Test("have the same bits wherever a number stands, in place too")
  func ends() {
    let numbers = FunctionSample.arguments.filter { abs($0) < 30 }.prefix(80)
    for kernels in Kernels.runnable {
      for function in ElementaryFunction.allCases {
        for start in 0..<5 {
          for count in 0...40 {
            var values = Array(numbers.dropFirst(start).prefix(count + 3))
            let expected =
              values.prefix(count).map { function($0).bitPattern }
              + values.suffix(3).map(\.bitPattern)
            values.withUnsafeMutableBufferPointer { values in
              kernels.table.pointee.apply_function(
                function.rawValue, values.baseAddress!, nil, count, values.baseAddress!)
            }
            #expect(
              values.map(\.bitPattern) == expected,
              "\(kernels.name), \(function), \(count) from \(start)")
          }
        }
      }
    }
  }

  /// Describes where results first differ.
  private func place(_ found: [Float], _ expected: [UInt32], _ x: [Float]) -> String? {
    found.indices.first { found[$0].bitPattern != expected[$0] }.map {
      "\(found[$0]) for \(x[$0]), expected \(Float(bitPattern: expected[$0]))"
    }
  }
}

extension Kernels {
  fileprivate func apply(_ function: Int32, _ x: [Float], _ y: [Float]?) -> [Float] {
    [Float](unsafeUninitializedCapacity: x.count) { target, count in
      if let y {
        table.pointee.apply_function(function, x, y, x.count, target.baseAddress!)
      } else {
        table.pointee.apply_function(function, x, nil, x.count, target.baseAddress!)
      }
      count = x.count
    }
  }
}
