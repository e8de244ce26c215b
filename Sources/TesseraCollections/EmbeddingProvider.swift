public import TesseraCompute

/// Makes vectors of texts: a model in this process, or a service.
///
/// Tessera has no model of its own here. A provider of a few lines around one is enough:
///
///     struct Model: EmbeddingProvider {
///       let dimension = 384
///       let identity = "all-MiniLM-L6-v2, mean, unit length"
///       func embed(_ texts: [String]) async throws -> Vectors { try Vectors(model(texts)) }
///     }
public protocol EmbeddingProvider: Sendable {
  /// Numbers of a vector.
  var dimension: Int { get }

  /// A name for everything that the vectors depend on: the model, its version, and what is done before
  /// and after it. A collection keeps it, and refuses a provider with another one.
  var identity: String { get }

  /// Returns a vector for each text, in their order. Should end soon after its task was cancelled.
  func embed(_ texts: [String]) async throws -> Vectors
}
