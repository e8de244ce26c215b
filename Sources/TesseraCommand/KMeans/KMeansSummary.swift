import Tessera
internal import TesseraHost

extension KMeansCommand {
  /// The result that `kmeans` prints: as JSON under these names, or as a table.
  struct Summary: Encodable {
    let device: String
    let variant: String
    let metric: String
    let rows: Int
    let dimension: Int
    let k: Int
    let seconds: Seconds
    let iterations: Int
    let converged: Bool
    /// After each update.
    let objective: [Double]
    let movedPoints: [Int]
    /// The objective of all vectors and the centroids that were written.
    let finalObjective: Double
    let imbalance: Double
    let emptyClusters: Int
    let restartObjectives: [Double]
    let notes: [Note]
    /// The numbers of clusters that were tried; only with --choose.
    let trials: [Trial]?
    let peakBytes: Int

    struct Seconds: Encodable {
      let load: Double
      let cluster: Double
      /// Checking the vectors and bringing them to the device.
      let preparation: Double
      /// Finding where centroids start.
      let seeding: Double
      /// Assigning the vectors to where centroids start.
      let firstAssignment: Double
      /// Of each update.
      let iterations: [Double]
      /// Assigning all vectors in the end, where training did not.
      let finalAssignment: Double
    }

    struct Note: Encodable {
      let quantizer: String
      let knob: String
      let effect: String
    }

    struct Trial: Encodable {
      let k: Int
      let objective: Double
      let silhouette: Double?
    }

    init(
      of clustering: Clustering, trials: [KMeans.CountTrial]?, on device: DeviceInfo, rows: Int,
      loadSeconds: Double, clusterSeconds: Double
    ) {
      self.device = device.identifier
      variant = device.variant
      metric = clustering.metric.rawValue
      self.rows = rows
      dimension = clustering.dimension
      k = clustering.clusterCount
      seconds = Seconds(
        load: loadSeconds, cluster: clusterSeconds, preparation: clustering.seconds.preparation,
        seeding: clustering.seconds.seeding, firstAssignment: clustering.seconds.firstAssignment,
        iterations: clustering.history.map(\.seconds),
        finalAssignment: clustering.seconds.finalAssignment)
      iterations = clustering.iterations
      converged = clustering.converged
      objective = clustering.objectives
      movedPoints = clustering.history.map(\.movedPoints)
      finalObjective = clustering.finalObjective
      imbalance = clustering.imbalance
      emptyClusters = clustering.emptyClusterCount
      restartObjectives = clustering.restartObjectives
      notes = clustering.notes.map {
        Note(quantizer: $0.quantizer, knob: $0.knob, effect: $0.effect)
      }
      self.trials = trials?.map {
        Trial(k: $0.clusterCount, objective: $0.objective, silhouette: $0.silhouette)
      }
      peakBytes = HostLimits.current.peakResidentBytes
    }

    func table() -> Table {
      var table = Table()
      table.add("device", "\(device) (\(variant))")
      table.add("input", "\(rows) x \(dimension), \(metric)")
      for trial in trials ?? [] {
        let silhouette = trial.silhouette.map { ", silhouette \($0.short)" } ?? ""
        table.add("tried \(trial.k)", "objective \(trial.objective.short)\(silhouette)")
      }
      table.add("clusters", "\(k), \(emptyClusters) empty, imbalance \(imbalance.short)")
      table.add("iterations", "\(iterations)" + (converged ? ", converged" : ""))
      if let first = objective.first, let last = objective.last {
        table.add("updates", "objective from \(first.short) to \(last.short), of those trained on")
      }
      table.add("objective", "\(finalObjective.short), of all \(rows)")
      table.add("time", "\(seconds.cluster.short) s")
      table.add("peak memory", peakBytes.asBytes)
      return table
    }
  }
}
