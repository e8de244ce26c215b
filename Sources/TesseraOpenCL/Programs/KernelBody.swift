/// Chooses which of its two bodies a hot kernel runs.
public enum KernelBody: String, Sendable, Hashable, CaseIterable {
  /// Work-groups that share tiles through local memory: for GPUs.
  case tile
  /// One work item with explicit 16-wide vectors, in a group of its own: for CPUs, where tiles run
  /// 20 to 60 times slower.
  case wideItem = "wide-item"

  /// The body that this one is not.
  var other: KernelBody { self == .tile ? .wideItem : .tile }

  /// The macro that selects it in the kernels.
  var macro: String { self == .tile ? "BODY_TILE" : "BODY_WIDE" }
}
