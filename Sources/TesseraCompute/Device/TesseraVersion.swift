/// Which Tessera this is.
public enum TesseraVersion {
  /// Semantic version, as `tessera --version` prints it.
  public static let current = "0.1.0"
}
