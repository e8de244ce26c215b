// Uses names that Tessera has too without meaning Tessera's: that it compiles is the test.
import Foundation
import Tessera

let found = try ownTypes() + otherModules() + [identifier(of: Devices.choose(.reference))]
let expected = [
  "a lamp", "2", "3", "4", "cosine", "another lamp", "5", "6", "true", "1", "cpu", "cosine",
  "reference",
]
guard found == expected else {
  print("names: \(found), expected \(expected)")
  exit(70)
}
