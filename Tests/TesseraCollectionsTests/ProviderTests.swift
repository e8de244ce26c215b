import Synchronization
import TestSupport
import Tessera
import TesseraCollections
import Testing

/// Counts letters: texts of the same letters are the same to it.
struct LetterModel: EmbeddingProvider {
  var dimension = 26
  var identity = "letters 1"

  func embed(_ texts: [String]) async throws -> Vectors {
    try Vectors(
      texts.map { text in
        var counts = [Float](repeating: 0, count: dimension)
        for letter in text.lowercased().utf8 where (97..<97 + UInt8(dimension)).contains(letter) {
          counts[Int(letter) - 97] += 1
        }
        return counts
      })
  }
}

@Suite("Collections of texts")
struct ProviderTests {
  private func open(
    _ place: CollectionPlace, _ provider: any EmbeddingProvider = LetterModel()
  ) async throws -> VectorCollection<String> {
    try await VectorCollection(place, provider: provider, on: Devices.choose(.cpu))
  }

  private static let words = ["listen", "silent", "apple", "table", "bottle", "stone", "notes"]

  @Test("find texts by the vectors that their provider makes")
  func texts() async throws {
    let words = try await open(.memory)
    let steps = Mutex<[Double]>([])
    try await words.add(
      texts: Self.words.map { .init(id: $0, text: $0, metadata: $0.uppercased()) }, batchSize: 2,
      control: RunControl(progress: { step in steps.withLock { $0.append(step.done) } }))
    let told = steps.withLock { $0 }
    #expect(told.count > 4 && told == told.sorted() && told.allSatisfy { (0...1).contains($0) })
    let hits = try await words.search(text: "enlist", k: 2)
    #expect(Set(hits.map(\.id)) == ["listen", "silent"] && hits[0].metadata == "LISTEN")
    #expect(hits.allSatisfy { $0.score == 1 })
    let some = try await words.search(text: "enlist", k: 1) { $0.hasPrefix("T") }
    #expect(some.map(\.id) == ["table"])
    try await words.update(texts: [.init(id: "apple", text: "tinsel", metadata: "TINSEL")])
    #expect(try await words.search(text: "enlist", k: 3).map(\.metadata).contains("TINSEL"))
    #expect(try await words.search(text: "apple", k: 1)[0].id != "apple")
  }

  @Test("remember the identity of their provider, and refuse another one")
  func identities() async throws {
    let folder = try ScratchFolder()
    let place = CollectionPlace.folder(folder("words"))
    do {
      let words = try await open(place)
      try await words.add(texts: [.init(id: "a", text: "a", metadata: "")])
    }
    for other in [LetterModel(identity: "letters 2"), LetterModel(dimension: 20)] {
      let error = await refusal { _ = try await open(place, other) }
      #expect(error?.code == .invalidArgument, "\(error as Any)")
      #expect(
        error?.message.contains(other.dimension == 26 ? "letters 1" : "26 dimensions") == true,
        "\(error as Any)")
    }
    #expect(try await open(place).search(text: "a", k: 1)[0].id == "a")
    // Vectors alone need no provider, and one cannot be had for vectors that others made.
    let plain = CollectionPlace.folder(folder("plain"))
    do {
      let vectors = try await VectorCollection<String>(
        plain, dimension: 26, on: Devices.choose(.cpu))
      try await vectors.add([.init(id: "v", vector: [Float](repeating: 1, count: 26), metadata: "")]
      )
    }
    let error = await refusal { _ = try await open(plain) }
    #expect(error?.code == .invalidArgument && error?.message.contains("no provider") == true)
    do {
      let vectors = try await VectorCollection<String>(
        plain, dimension: 26, on: Devices.choose(.cpu))
      try await vectors.remove(["v"])
    }
    _ = try await open(plain)
    let later = await refusal { _ = try await open(plain, LetterModel(identity: "letters 2")) }
    #expect(later?.message.contains("letters 1") == true)
  }

  @Test("let a provider's errors through, refuse wrong vectors, and add nothing then")
  func failures() async throws {
    struct Broken: EmbeddingProvider {
      struct Unreachable: Error {}
      let dimension = 4
      let identity = "broken"
      func embed(_ texts: [String]) async throws -> Vectors {
        if texts.contains("fail") { throw Unreachable() }
        if texts.contains("few") { return try Vectors([1, 2, 3, 4], dimension: 4) }
        if texts.contains("long") {
          return try Vectors([Float](repeating: 1, count: 5 * texts.count), dimension: 5)
        }
        return try Vectors([Float](repeating: 1, count: 4 * texts.count), dimension: 4)
      }
    }
    let words = try await open(.memory, Broken())
    func add(_ second: String, batchSize: Int = 1) async throws {
      try await words.add(
        texts: ["fine", second].map { .init(text: $0, metadata: $0) }, batchSize: batchSize)
    }
    await #expect(throws: Broken.Unreachable.self) { try await add("fail") }
    let few = await refusal { try await add("few", batchSize: 2) }
    #expect(few?.code == .wrongResult && few?.message.contains("broken") == true)
    #expect(await refusal { try await add("long") }?.code == .wrongResult)
    #expect(await refusal { try await add("x", batchSize: 0) }?.code == .invalidArgument)
    #expect(words.count == 0)
    try await add("fine")
    #expect(words.count == 2)
  }
}
