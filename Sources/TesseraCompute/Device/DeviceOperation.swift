/// The work a ``Device`` can be asked for. `DeviceInfo.accelerated` lists the native ones.
public enum DeviceOperation: String, Sendable, Hashable, CaseIterable {
  case nearest
  case innerProducts
  case canonicalScores
  case topK
  case assignNearest
  case accumulateClusters
  case encode
  case lookupScores
  case nearestCodes
  case gather
  case multiply
}
