import TesseraCompute
import Testing

@testable import TesseraQuantization

@Suite("orthogonal matrices")
struct OrthogonalTests {
  static func gaussians(_ count: Int, seed: UInt64) -> [Double] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Double(random.nextGaussian()) }
  }

  /// How far the rows are from orthonormal, at worst.
  static func skew(_ matrix: [Double], rows: Int, columns: Int) throws -> Double {
    let products = try Orthogonal.multiply(
      matrix, Orthogonal.transpose(matrix, rows: rows, columns: columns), rows, columns, rows)
    return products.indices.reduce(0) {
      max($0, abs(products[$1] - ($1 / rows == $1 % rows ? 1 : 0)))
    }
  }

  @Test("eigenvectors rebuild the matrix", arguments: [1, 2, 3, 7, 16, 33, 100])
  func eigen(_ count: Int) throws {
    let values = Self.gaussians(count * count, seed: 3)
    var symmetric = values
    for i in 0..<count {
      for j in 0..<count {
        symmetric[i * count + j] = values[i * count + j] + values[j * count + i]
      }
    }
    let eigen = try SymmetricEigen(symmetric, count: count)
    #expect(zip(eigen.values, eigen.values.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(try Self.skew(eigen.vectors, rows: count, columns: count) < 1e-12)
    for i in 0..<count {
      for j in 0..<count {
        let sum = (0..<count).reduce(0.0) {
          $0 + eigen.values[$1] * eigen.vectors[$1 * count + i] * eigen.vectors[$1 * count + j]
        }
        #expect(abs(sum - symmetric[i * count + j]) < 1e-11 * Double(count))
      }
    }
  }

  @Test("special matrices have their known eigenvalues")
  func special() throws {
    #expect(try SymmetricEigen([], count: 0).values == [])
    #expect(try SymmetricEigen([0, 0, 0, 0], count: 2).values == [0, 0])
    #expect(try SymmetricEigen([5, 0, 0, 0, -2, 0, 0, 0, 7], count: 3).values == [7, 5, -2])
    let ones = try SymmetricEigen([Double](repeating: 1, count: 36), count: 6)
    #expect(
      abs(ones.values[0] - 6) < 1e-12 && ones.values.dropFirst().allSatisfy { abs($0) < 1e-12 })
    #expect(try Self.skew(ones.vectors, rows: 6, columns: 6) < 1e-12)
  }

  @Test(
    "random rotations are orthonormal, and the same for the same seed", arguments: [1, 2, 17, 64])
  func random(_ count: Int) throws {
    let rotation = try Orthogonal.random(rows: count, columns: count, seed: 5)
    #expect(try Self.skew(rotation, rows: count, columns: count) < 1e-13)
    #expect(try rotation == Orthogonal.random(rows: count, columns: count, seed: 5))
    #expect(try count == 1 || rotation != Orthogonal.random(rows: count, columns: count, seed: 6))
  }

  @Test(
    "the nearest orthonormal matrix undoes a stretch",
    arguments: [(1, 1), (3, 5), (16, 16), (20, 31)])
  func nearest(_ shape: (rows: Int, columns: Int)) throws {
    let (rows, columns) = shape
    // A symmetric positive matrix times orthonormal rows: those rows are nearest.
    let right = try Orthogonal.orthonormalized(
      Self.gaussians(rows * columns, seed: 9), rows: rows, columns: columns)
    let left = try Orthogonal.random(rows: rows, columns: rows, seed: 10)
    var stretched = left
    for row in 0..<rows {
      for d in 0..<rows { stretched[row * rows + d] *= Double(row + 1) }
    }
    let stretch = try Orthogonal.multiply(
      Orthogonal.transpose(left, rows: rows, columns: rows), stretched, rows, rows, rows)
    let found = try Orthogonal.nearest(
      Orthogonal.multiply(stretch, right, rows, rows, columns), rows: rows, columns: columns)
    #expect(zip(found, right).allSatisfy { abs($0 - $1) < 1e-10 })
  }

  @Test("matrices of lower rank still give right angles")
  func lowRank() throws {
    for matrix in [
      [Double](repeating: 0, count: 20), [Double](repeating: 2, count: 20),
      (0..<20).map { $0 < 10 ? Double($0) : 0 },
    ] {
      let nearest = try Orthogonal.nearest(matrix, rows: 4, columns: 5)
      #expect(try Self.skew(nearest, rows: 4, columns: 5) < 1e-12)
    }
  }
}
