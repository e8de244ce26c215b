public import TesseraCompute
internal import TesseraHost

/// Writes a vector file a few rows at a time: sets larger than memory.
///
/// Nothing is at the path until ``finish()``, which puts the whole file there. A writer that is let
/// go before, or that threw an error, leaves nothing behind and what was at the path untouched. Use
/// from one task at a time.
public final class VectorFileWriter {
  private let writer: TableWriter
  private let rounding: Rounding

  /// Starts a file of `count` vectors.
  ///
  /// - Parameters:
  ///   - path: Its extension says the format, as for ``VectorFile``.
  ///   - element: How numbers are stored. Only .npy leaves a choice.
  ///   - rounding: Decides about numbers that `element` does not have.
  /// - Throws: `.cannotCreate` for an unknown extension or a folder that is missing or refuses,
  ///   `.invalidArgument` if the format does not have `element`, `.invalidShape` for sizes it
  ///   cannot hold.
  public init(
    _ path: String, element: ElementType, count: Int, dimension: Int, rounding: Rounding = .exact
  ) throws(TesseraError) {
    let format = try TableFormat(path, for: .vectors, else: .cannotCreate)
    guard let number = NumberType(element) else {
      throw TesseraError(
        .invalidArgument,
        "\(path.printable): no vector file has \(element); write float32, which has all its values")
    }
    guard format.number == nil || format.number == number else {
      throw TesseraError(
        .invalidArgument,
        "\(path.printable): this format has no \(element); write .npy, which does")
    }
    writer = try TableWriter(
      path, as: .vectors, preferring: number, rows: count, columns: dimension)
    self.rounding = rounding
  }

  /// Appends whole rows, row-major: any number of them.
  ///
  /// - Throws: `.invalidShape` if `rows` does not divide into rows or is more than were announced,
  ///   `.invalidArgument` for a number that the element type does not have, `.inputOutput`. After
  ///   any error the file is given up.
  public func append(_ rows: [Float]) throws(TesseraError) {
    do throws(TesseraError) {
      let columns = writer.columns
      guard rows.count % columns == 0 else {
        throw TesseraError(
          .invalidShape,
          "\(writer.path.printable): \(rows.count) numbers do not divide into rows of \(columns)")
      }
      guard rows.count / columns <= writer.rows - writer.rowCount else {
        throw TesseraError(
          .invalidShape,
          "\(writer.path.printable): \(writer.rowCount + rows.count / columns) rows are more than "
            + "the \(writer.rows) that were announced")
      }
      for start in stride(from: 0, to: rows.count, by: columns) {
        try writer.append(rows[start..<start + columns].span, rounding)
      }
    } catch {
      writer.discard()
      throw error
    }
  }

  /// Makes the file durable and puts it at its path, in place of what was there.
  ///
  /// - Throws: `.invalidShape` if rows are missing, `.inputOutput`. After any error the file is
  ///   given up.
  public func finish() throws(TesseraError) {
    do throws(TesseraError) {
      try writer.finish()
    } catch {
      writer.discard()
      throw error
    }
  }
}
