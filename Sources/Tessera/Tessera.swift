// `import Tessera` is all that a user writes for searches, indexes, k-means and quantizers. The names it
// brings are listed one by one, so that no general word falls into the importer's files by surprise:
// `Device`, `Storage`, `Matrix` and what else only a backend or matrix operations need come with
// `import TesseraCompute`, or alone: `import protocol TesseraCompute.Device`. Values of these types can be
// used without: `let device = try Devices.choose(.cpu)`.
// NamesTests.swift fails where a public name is in neither list.

// Vectors, metrics and results
@_exported public import enum TesseraCompute.CanonicalScore
@_exported public import enum TesseraCompute.DeviceOperation
@_exported public import enum TesseraCompute.ElementType
@_exported public import enum TesseraCompute.Limit
@_exported public import enum TesseraCompute.Metric
@_exported public import enum TesseraCompute.ScoreOrder
@_exported public import enum TesseraCompute.TesseraVersion
@_exported public import class TesseraCompute.ReferenceDevice
@_exported public import struct TesseraCompute.DeviceInfo
@_exported public import struct TesseraCompute.Hit
@_exported public import struct TesseraCompute.Hits
@_exported public import struct TesseraCompute.IDMap
@_exported public import struct TesseraCompute.IDSelector
@_exported public import struct TesseraCompute.LongCall
@_exported public import struct TesseraCompute.Neighbors
@_exported public import struct TesseraCompute.RowLists
@_exported public import struct TesseraCompute.RunControl
@_exported public import struct TesseraCompute.SearchCost
@_exported public import struct TesseraCompute.SearchPlan
@_exported public import struct TesseraCompute.SearchShape
@_exported public import struct TesseraCompute.SearchStatistics
@_exported public import struct TesseraCompute.SplitMix64
@_exported public import struct TesseraCompute.StoredArray
@_exported public import struct TesseraCompute.Vectors
@_exported public import protocol TesseraCompute.StoredNumber
// Devices
@_exported public import enum TesseraDevices.DeviceChoice
@_exported public import enum TesseraDevices.Devices
@_exported public import class TesseraDevices.ShardedDevice
@_exported public import struct TesseraDevices.DeviceProfile
@_exported public import struct TesseraDevices.DeviceSelection
@_exported public import struct TesseraDevices.TuningReport
// Files
@_exported public import enum TesseraFormats.IDFile
@_exported public import enum TesseraFormats.ScoreFile
@_exported public import enum TesseraFormats.VectorFile
@_exported public import class TesseraFormats.VectorFileWriter
@_exported public import struct TesseraFormats.IDTable
@_exported public import struct TesseraFormats.StoredArrayFile
// What all of them throw, and what ends a call
@_exported public import class TesseraHost.HostMemory
@_exported public import class TesseraHost.StopSignal
@_exported public import struct TesseraHost.TesseraError
// Indexes
@_exported public import class TesseraIndex.Index
@_exported public import class TesseraIndex.IndexSearch
@_exported public import class TesseraIndex.LivingIndex
@_exported public import class TesseraIndex.LivingSearch
@_exported public import enum TesseraIndex.BitMetric
@_exported public import enum TesseraIndex.IndexFile
@_exported public import enum TesseraIndex.TransformRecipe
@_exported public import struct TesseraIndex.FAISSFile
@_exported public import struct TesseraIndex.IndexDrift
@_exported public import struct TesseraIndex.IndexSnapshot
@_exported public import struct TesseraIndex.IndexSpecification
@_exported public import struct TesseraIndex.ShardBall
// k-means and quantizers
@_exported public import enum TesseraQuantization.QuantizerFactory
@_exported public import enum TesseraQuantization.ScalarKind
@_exported public import protocol TesseraQuantization.CodewordRecipe
@_exported public import protocol TesseraQuantization.Quantizer
@_exported public import protocol TesseraQuantization.QuantizerRecipe
@_exported public import struct TesseraQuantization.ClusterLabels
@_exported public import struct TesseraQuantization.Clustering
@_exported public import struct TesseraQuantization.CodebookLearner
@_exported public import struct TesseraQuantization.Codes
@_exported public import struct TesseraQuantization.CodewordOptions
@_exported public import struct TesseraQuantization.KMeans
@_exported public import struct TesseraQuantization.KMeansPartial
@_exported public import struct TesseraQuantization.LowRankQuantizer
@_exported public import struct TesseraQuantization.LowRankRecipe
@_exported public import struct TesseraQuantization.ProductQuantizer
@_exported public import struct TesseraQuantization.ProductRecipe
@_exported public import struct TesseraQuantization.RaBitQ
@_exported public import struct TesseraQuantization.RaBitQRecipe
@_exported public import struct TesseraQuantization.ResidualQuantizer
@_exported public import struct TesseraQuantization.ResidualRecipe
@_exported public import struct TesseraQuantization.RotatedQuantizer
@_exported public import struct TesseraQuantization.RotatedRecipe
@_exported public import struct TesseraQuantization.ScalarQuantizer
@_exported public import struct TesseraQuantization.ScalarRecipe
@_exported public import struct TesseraQuantization.ScoreEstimates
@_exported public import struct TesseraQuantization.TokenReducer
@_exported public import struct TesseraQuantization.TokenReduction
@_exported public import struct TesseraQuantization.TrainedQuantizer
@_exported public import struct TesseraQuantization.TrainingNote
