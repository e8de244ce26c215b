// A file that imports the same words from another module, and Foundation's own.
import Foundation
import Shop
import Tessera

func otherModules() throws -> [String] {
  let queue = OperationQueue()
  let work: Operation = BlockOperation {}
  queue.addOperations([work], waitUntilFinished: true)
  let progress: Progress = Progress(totalUnitCount: 1)
  let lamp: Device = Device(name: "another lamp")
  let table: Matrix = Matrix(rows: 5)
  let storage: Storage = Storage(shelf: 6)
  // What `choose` returns needs no name.
  let device = try Devices.choose(.cpu)
  let metric: Metric = .cosine
  return [
    lamp.name, "\(table.rows)", "\(storage.shelf)", "\(work.isFinished)",
    "\(progress.totalUnitCount)", device.info.identifier, metric.rawValue,
  ]
}
