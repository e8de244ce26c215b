import ArgumentParser
import Tessera
import TesseraDevices
import TesseraHost
import TesseraTraining

/// Trains a network on MNIST's digits: how long an epoch takes, and what it learns.
struct DigitsStudy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "digits", abstract: "Train an MLP or a small CNN on MNIST.")

  enum Network: String, ExpressibleByArgument {
    /// 784-512-512-10 with rectifiers.
    case mlp
    /// Two convolutions of 5 x 5 (16 and 32 outputs), each halved, and two dense layers (128, 10).
    case cnn

    func make(seed: UInt64, on device: any Device) throws(TesseraError) -> LayerStack {
      switch self {
      case .mlp:
        LayerStack([
          try Linear("0", inputs: 784, outputs: 512, seed: seed, on: device), Activation.relu,
          try Linear("1", inputs: 512, outputs: 512, seed: seed, on: device), Activation.relu,
          try Linear("2", inputs: 512, outputs: 10, seed: seed, on: device),
        ])
      case .cnn:
        LayerStack([
          ImageShape(),
          try Convolution("0", channels: 1, outputs: 16, size: (5, 5), seed: seed, on: device),
          Activation.relu, MaxPooling(),
          try Convolution("1", channels: 16, outputs: 32, size: (5, 5), seed: seed, on: device),
          Activation.relu, MaxPooling(), Flattening(),
          try Linear("2", inputs: 512, outputs: 128, seed: seed, on: device), Activation.relu,
          try Linear("3", inputs: 128, outputs: 10, seed: seed, on: device),
        ])
      }
    }
  }

  @Argument(help: "mlp or cnn.")
  var network: Network

  @Option(help: "Passes over the 60,000 digits.")
  var epochs = 3

  @Option(help: "Digits of a step.")
  var batch = 128

  @Option(help: "Digits to train on, at most.")
  var limit = 60_000

  @Option(help: "Decides everything random.")
  var seed: UInt64 = 1

  @Option(help: "The device.", transform: { try DeviceChoice($0) })
  var device = DeviceChoice.cpu

  @Option(help: "CPU threads.")
  var threads: Int?

  func run() throws {
    let device = try Devices.select(
      device,
      for: SearchShape(
        rows: 1, dimension: 784, element: .float32, metric: .innerProduct, queryCount: 1, k: 1),
      threads: threads
    ).device
    let (pixels, labels) = try Self.digits("train", limit: limit)
    let (testPixels, testLabels) = try Self.digits("test", limit: 10_000)
    let network = try network.make(seed: seed, on: device)
    let optimiser = Adam(rate: 1e-3)
    let tape = Tape(TensorMemory(on: device))
    let all = TensorView(try device.upload(pixels, rows: labels.count, columns: 784))
    var (times, losses): ([Double], [Double]) = ([], [])
    for epoch in 0..<epochs {
      var random = SplitMix64(seed: seed, stream: UInt64(epoch))
      var order = Array(0..<Int32(labels.count))
      for place in stride(from: order.count - 1, to: 0, by: -1) {
        order.swapAt(place, random.nextIndex(below: place + 1))
      }
      let start = ContinuousClock.now
      var sum = 0.0
      for first in stride(from: 0, to: order.count, by: batch) {
        let rows = Array(order[first..<min(order.count, first + batch)])
        let input = tape.constant(try all.selecting(device.select(rows, below: labels.count)))
        let loss = try Loss.crossEntropy(
          network(input, on: tape), rows.map { labels[Int($0)] }, on: tape)
        try tape.backward(from: loss)
        try optimiser.step(network.parameters, on: device)
        sum += try Double(
          device.download(Matrix<Float>(loss.value.storage, rows: 1, columns: 1))[0])
        tape.reset()
      }
      times.append(start.duration(to: .now) / .seconds(1))
      losses.append(sum / Double((order.count + batch - 1) / batch))
    }
    let accuracy = try self.accuracy(network, testPixels, testLabels, tape)
    StudyOutput.print([
      ("network", "\"\(self.network.rawValue)\""), ("device", "\"\(device.info.identifier)\""),
      ("epochSeconds", "\(times)"), ("losses", "\(losses)"), ("accuracy", "\(accuracy)"),
      ("digest", "\"\(try Self.digest(network, on: device))\""),
      ("heldBytes", "\(tape.memory.heldBytes)"),
    ])
  }

  /// The digits of a part of MNIST, pixels from 0 to 1.
  private static func digits(
    _ part: String, limit: Int
  ) throws(TesseraError) -> (pixels: [Float], labels: [Int32]) {
    let pixels = try StudyData.numbers("mnist/\(part).u8.npy").values
    let labels = try StudyData.numbers("mnist/\(part)_labels.u8.npy").values
    let count = min(limit, labels.count)
    return (pixels[..<(count * 784)].map { $0 / 255 }, labels[..<count].map { Int32($0) })
  }

  private func accuracy(
    _ network: LayerStack, _ pixels: [Float], _ labels: [Int32], _ tape: Tape
  ) throws(TesseraError) -> Double {
    var right = 0
    for first in stride(from: 0, to: labels.count, by: 1000) {
      let count = min(1000, labels.count - first)
      let input = try tape.device.upload(
        Array(pixels[first * 784..<(first + count) * 784]), rows: count, columns: 784)
      let scores = try network(tape.constant(TensorView(input)), on: tape).value
      let values = try tape.device.download(
        Matrix<Float>(scores.storage, offset: scores.offset, rows: count, columns: 10))
      for row in 0..<count {
        let own = values[row * 10..<(row + 1) * 10]
        let best = own.indices.max { own[$0] < own[$1] } ?? own.startIndex
        if best - own.startIndex == Int(labels[first + row]) { right += 1 }
      }
      tape.reset()
    }
    return Double(right) / Double(labels.count)
  }

  private static func digest(
    _ network: LayerStack, on device: any Device
  ) throws(TesseraError) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for parameter in network.parameters {
      let values = try device.download(
        Matrix<Float>(parameter.value.storage, rows: 1, columns: parameter.count))
      for value in values { hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3 }
    }
    return String(hash, radix: 16)
  }
}

/// Rows of 784 numbers as images of one channel.
private struct ImageShape: Layer {
  var parameters: [Parameter] { [] }

  func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    try tape.reshaped(x, [x.shape[0], 28, 28, 1])
  }
}

/// Images as rows of numbers.
private struct Flattening: Layer {
  var parameters: [Parameter] { [] }

  func callAsFunction(_ x: Variable, on tape: Tape) throws(TesseraError) -> Variable {
    try tape.reshaped(x, [x.shape[0], x.value.count / x.shape[0]])
  }
}
