/// Holds the version of Tessera.
public enum TesseraVersion {
  /// Semantic version, as `tessera --version` prints it.
  public static let current = "0.1.0"
}
