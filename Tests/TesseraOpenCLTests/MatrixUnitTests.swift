import COpenCL
import TesseraCompute
import Testing

@testable import TesseraOpenCL

/// An emulated matrix unit and what it multiplies.
struct EmulatedUnit: Sendable, CustomTestStringConvertible {
  let unit: MatrixUnit
  let filter: SearchFilter

  var testDescription: String { "\(unit.name), \(filter.rawValue)" }

  static let all = MatrixUnit.Kind.allCases.flatMap { kind in
    [SearchFilter.float16, .int8].map {
      EmulatedUnit(unit: MatrixUnit(kind: kind, isEmulated: true), filter: $0)
    }.filter { $0.unit.multiplies($0.filter) }
  }

  static let packedProducts = "cl_khr_integer_dot_product"
  /// True if a driver here multiplies packed bytes itself.
  static var hasPackedProducts: Bool {
    Subject.all.contains {
      $0.device.context.text(CL_DEVICE_EXTENSIONS).contains(packedProducts)
    }
  }

  /// Devices whose searches go through the unit.
  func devices() -> (devices: [OpenCLDevice], problems: [TesseraError]) {
    var options = Subject.options
    options.body = .tile
    options.filter = filter
    options.matrixUnits = .emulated
    options.emulatedUnit = unit.kind
    return OpenCLDevice.all(options)
  }
}

@Suite struct MatrixUnitTests {
  /// Dimensions around a product's depth (16 or 32 bytes), a step's (64), and several; queries and
  /// rows around blocks, panels and tiles.
  @Test(
    "an emulated unit's products are those of Float64", arguments: EmulatedUnit.all,
    [(1, 1, 1), (31, 33, 65), (33, 31, 32), (15, 64, 16), (40, 70, 131), (7, 200, 300)])
  func products(_ emulated: EmulatedUnit, _ size: (queries: Int, rows: Int, dimension: Int)) throws
  {
    for subject in Subject.all where subject.device.body == .tile {
      let device = subject.device
      let probe = MatrixProbe(
        context: device.context, arena: device.session.arena, cache: device.cache,
        macros: ["BODY_TILE": 1, "GROUP": device.workGroupSize])
      var numbers = Numbers(seed: 21)
      let (found, exact, bound): ([Float], [Double], Double)
      func product(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int) -> Double {
        (0..<size.dimension).reduce(0) {
          $0 + a[i * size.dimension + $1] * b[j * size.dimension + $1]
        }
      }
      func products(_ a: [Double], _ b: [Double]) -> [Double] {
        (0..<size.queries).flatMap { i in (0..<size.rows).map { j in product(a, i, b, j) } }
      }
      if emulated.filter == .float16 {
        let a = numbers.floats(size.queries * size.dimension).map(\.halfBits)
        let b = numbers.floats(size.rows * size.dimension).map(\.halfBits)
        found = try probe.products(
          a, b, dimension: size.dimension, emulated.unit, emulated.filter)
        exact = products(
          a.map { Double(Float16(bitPattern: $0)) }, b.map { Double(Float16(bitPattern: $0)) })
        // Numbers are less than 1, so lengths are less than the root of the dimension.
        bound = Double(size.dimension * size.dimension) * 0x1p-22
      } else {
        let a = (0..<size.queries * size.dimension).map { _ in
          Int8.random(in: -127...127, using: &numbers)
        }
        let b = (0..<size.rows * size.dimension).map { _ in
          Int8.random(in: -127...127, using: &numbers)
        }
        found = try probe.products(
          a, b, dimension: size.dimension, emulated.unit, emulated.filter)
        exact = products(a.map(Double.init), b.map(Double.init))
        bound = 0
      }
      let worst = zip(found, exact).map { abs(Double($0) - $1) }.max() ?? 0
      #expect(worst <= bound, "seed 21")
      #expect(found.count == exact.count && !found.contains { $0.isNaN })
    }
  }

  @Test(
    "a driver's own products of packed bytes are those of its emulation, tile for tile",
    .enabled(if: EmulatedUnit.hasPackedProducts, "no driver here has cl_khr_integer_dot_product"))
  func packedProducts() throws {
    for subject in Subject.all where subject.device.body == .tile {
      let context = subject.device.context
      guard context.text(CL_DEVICE_EXTENSIONS).contains(EmulatedUnit.packedProducts) else {
        continue
      }
      let probe = MatrixProbe(
        context: context, arena: subject.device.session.arena, cache: subject.device.cache,
        macros: ["BODY_TILE": 1, "GROUP": subject.device.workGroupSize])
      #expect(probe.works(MatrixUnit(kind: .dotProduct), .int8))
      var numbers = Numbers(seed: 22)
      let (dimension, queries, rows) = (77, 37, 70)
      let a = (0..<queries * dimension).map { _ in Int8.random(in: -127...127, using: &numbers) }
      let b = (0..<rows * dimension).map { _ in Int8.random(in: -127...127, using: &numbers) }
      let found = try probe.products(
        a, b, dimension: dimension, MatrixUnit(kind: .dotProduct), .int8)
      let emulated = try probe.products(
        a, b, dimension: dimension, MatrixUnit(kind: .dotProduct, isEmulated: true), .int8)
      #expect(found == emulated)
    }
  }

  @Test("units are offered to their makers' drivers only")
  func candidates() {
    func names(_ platform: String, _ vendor: String, isGPU: Bool = true, _ extensions: String = "")
      -> [String]
    {
      MatrixUnit.candidates(
        platform: platform, vendor: vendor, isGPU: isGPU, extensions: extensions
      ).map(\.name)
    }
    let dots = "cl_khr_fp64 cl_khr_integer_dot_product"
    let intel = "cl_intel_subgroups cl_intel_subgroup_matrix_multiply_accumulate"
    #expect(names("NVIDIA CUDA", "NVIDIA Corporation") == ["nvidia", "dot-product"])
    #expect(names("Portable Computing Language", "NVIDIA Corporation") == [])
    #expect(names("rusticl", "NVIDIA") == [])
    // A CPU's are used where bytes are asked for.
    #expect(
      names("Portable Computing Language", "GenuineIntel", isGPU: false, dots) == ["dot-product"])
    #expect(
      names("AMD Accelerated Parallel Processing", "Advanced Micro Devices, Inc.", dots)
        == ["amd-mfma", "amd-wmma", "dot-product"])
    #expect(
      names("AMD Accelerated Parallel Processing", "AuthenticAMD", isGPU: false, dots)
        == ["dot-product"])
    #expect(
      names("Intel(R) OpenCL", "Intel(R) Corporation", isGPU: false, intel) == [])
    #expect(names("rusticl", "AMD", dots) == ["dot-product"])
    #expect(
      names("Intel(R) OpenCL Graphics", "Intel(R) Corporation", intel) == ["intel-16", "intel-8"])
    #expect(names("ARM Platform", "ARM") == [])
  }

  @Test("a unit that does not compile or cannot be probed is not used")
  func broken() throws {
    for subject in Subject.all where subject.device.body == .tile {
      let device = subject.device
      let working = MatrixUnit(kind: .amdWMMA, isEmulated: true)
      func first(_ units: [MatrixUnit], _ filter: SearchFilter) -> MatrixUnit? {
        MatrixProbe.firstWorking(of: units, filter) {
          MatrixProbe(
            context: device.context, arena: device.session.arena,
            cache: ProgramCache(directory: nil, deviceKey: ""),
            macros: ["BODY_TILE": 1, "GROUP": device.workGroupSize])
        }
      }
      // The builtins of AMD's compiler, which no CPU has.
      #expect(first([MatrixUnit(kind: .amdWMMA), working], .int8) == working)
      #expect(first([working], .float32) == nil)
      #expect(first([MatrixUnit(kind: .dotProduct, isEmulated: true)], .float16) == nil)
      let failing = MatrixProbe.firstWorking(of: [working], .int8) { () throws(TesseraError) in
        throw TesseraError(.deviceFailure, "no context")
      }
      #expect(failing == nil)
    }
  }

  @Test(
    "a driver that says it ran the kernel, and did not, is found out",
    .enabled(if: !Subject.all.isEmpty))
  func idle() throws {
    let platform = try #require(Discovery.platforms(nil).platforms.first)
    var api = platform.library.api
    let unit = MatrixUnit(kind: .nvidia, isEmulated: true)
    func first() throws -> MatrixUnit? {
      let library = OpenCLLibrary(path: "fake", api: api)
      let id = try #require(library.platforms().first?.devices(limit: nil).first)
      return MatrixProbe.firstWorking(of: [unit], .int8) { () throws(TesseraError) in
        let context = try OpenCLContext(id, of: library, launchDeadline: nil)
        return MatrixProbe(
          context: context,
          arena: Arena(
            context, alignment: 128, sharedBlockBytes: 1 << 20, maxBlockBytes: 1 << 28,
            memoryBytes: 1 << 30),
          cache: ProgramCache(directory: nil, deviceKey: ""),
          macros: ["BODY_TILE": 1, "GROUP": 64])
      }
    }
    #expect(try first() == unit)
    api.clEnqueueNDRangeKernel = { _, _, _, _, _, _, _, _, _ in 0 }
    #expect(try first() == nil)
    api.clEnqueueNDRangeKernel = { _, _, _, _, _, _, _, _, _ in -5 }
    #expect(try first() == nil)
  }
}
