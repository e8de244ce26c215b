/// Holds the version of Tessera. In a file of its own, because a release changes this line alone.
public enum TesseraVersion {
  /// Semantic version, as `tessera --version` prints it.
  public static let current = "0.1.0"
}
