internal import Foundation
internal import TesseraHost

extension VectorCollection {
  /// An item of a collection.
  public struct Item: Sendable {
    /// A text that no other item has.
    public let id: String
    /// As many numbers as the collection has dimensions.
    public var vector: [Float]
    /// What the user keeps with it.
    public var metadata: Metadata

    /// Takes what an item is made of; the id is a new UUID where none is given.
    public init(id: String? = nil, vector: [Float], metadata: Metadata) {
      self.id = id ?? UUID().uuidString
      self.vector = vector
      self.metadata = metadata
    }
  }

  /// A text that becomes an item. The text itself is not kept: put it into the metadata if you need it.
  public struct Text: Sendable {
    /// A text that no other item has.
    public let id: String
    /// What the provider makes a vector of.
    public var text: String
    /// What the user keeps with it.
    public var metadata: Metadata

    /// Takes what an item is made of; the id is a new UUID where none is given.
    public init(id: String? = nil, text: String, metadata: Metadata) {
      self.id = id ?? UUID().uuidString
      self.text = text
      self.metadata = metadata
    }
  }

  /// An item that was found.
  public struct Hit: Sendable {
    /// The item's id.
    public let id: String
    /// How near it is, by the collection's metric: the canonical score.
    public let score: Float
    /// What the user keeps with it.
    public let metadata: Metadata
  }
}

extension VectorCollection.Item: Equatable where Metadata: Equatable {}
extension VectorCollection.Text: Equatable where Metadata: Equatable {}
extension VectorCollection.Hit: Equatable where Metadata: Equatable {}

/// Metadata as the database keeps them.
enum MetadataText {
  /// Returns JSON with sorted keys.
  ///
  /// - Throws: `.invalidArgument` for what JSON does not have, NaN among it.
  static func text(_ metadata: some Encodable, of id: String) throws(TesseraError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(metadata), as: UTF8.self)
    } catch {
      throw TesseraError(
        .invalidArgument,
        "item \(id.printable): its metadata cannot be written as JSON: \("\(error)".printable)")
    }
  }

  /// - Throws: `.malformedFile` for another type's metadata.
  static func metadata<Metadata: Decodable>(
    _ text: String, of id: String
  ) throws(TesseraError) -> Metadata {
    do {
      return try JSONDecoder().decode(Metadata.self, from: Data(text.utf8))
    } catch {
      throw TesseraError(
        .malformedFile,
        "item \(id.printable): its metadata are no \(Metadata.self); open the collection with the "
          + "type it was made with, or one that decodes it too: \("\(error)".printable)")
    }
  }
}
