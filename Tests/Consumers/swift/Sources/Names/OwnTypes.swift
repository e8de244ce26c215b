// A file with types of its own, whose names are general words.
import Foundation
import Tessera

private struct Device { var name = "a lamp" }
private struct Matrix { var rows = 2 }
private struct Storage { var shelf = 3 }
private struct Operation { var steps = 4 }

func ownTypes() -> [String] {
  let numbers = [Matrix().rows, Storage().shelf, Operation().steps].map { String($0) }
  return [Device().name] + numbers + [String(describing: Tessera.Metric.cosine)]
}
