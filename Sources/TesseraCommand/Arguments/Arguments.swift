import ArgumentParser
import Tessera
internal import TesseraHost

/// Reads what was typed after the program's name.
enum Arguments {
  /// Returns the arguments, ready to be parsed.
  ///
  /// - Throws: `.unsupported` where the system does not show them; `.invalidArgument` for one that
  ///   is not UTF-8: text that is repaired would name another file.
  static func typed() throws(TesseraError) -> [String] {
    #if os(Linux)
      guard unsafe access("/proc/self/cmdline", R_OK) == 0 else {
        throw TesseraError(
          .unsupported,
          "/proc/self/cmdline: cannot be read, and arguments come from there; mount "
            + "/proc")
      }
    #endif
    for position in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = unsafe CommandLine.unsafeArgv[position],
        unsafe String(validatingCString: argument) == nil
      else { continue }
      throw TesseraError(
        .invalidArgument,
        unsafe "argument \(position), \"\(String(cString: argument).printable)\", is not UTF-8; rename the "
          + "file, or give it a second name with ln -s")
    }
    return joined(Array(CommandLine.arguments.dropFirst()))
  }

  /// Returns `arguments` with each negative number joined to the option before it, as in `--rows=-1`:
  /// alone it would be taken for an option.
  static func joined(_ arguments: [String]) -> [String] {
    var joined: [String] = []
    for argument in arguments {
      if argument.hasPrefix("-"), Double(argument) != nil, let option = joined.last,
        option.hasPrefix("-"), !option.contains("="), option != "--", Double(option) == nil
      {
        joined[joined.count - 1] = "\(option)=\(argument)"
      } else {
        joined.append(argument)
      }
    }
    return joined
  }
}

/// A size as people write it: 4096, 64K, 512M, 1.5G, 4GiB.
enum ByteSize {
  static func parse(_ text: String) throws(TesseraError) -> Int {
    var number = text[...]
    var scale = 1.0
    let lowered = text.lowercased()
    for ending in ["ib", "b"] where lowered.hasSuffix(ending) {
      number = number.dropLast(ending.count)
      break
    }
    if let unit = number.last?.lowercased(), let power = ["k", "m", "g", "t"].firstIndex(of: unit) {
      number = number.dropLast()
      for _ in 0...power { scale *= 1024 }
    }
    guard let value = Double(number), value * scale >= 1,
      let bytes = Int(exactly: (value * scale).rounded())
    else {
      throw TesseraError(
        .invalidArgument, "\"\(text)\" is not a size; write 4096, 512M, 1.5G or the like")
    }
    return bytes
  }
}

/// Checks sizes that options ask for against the memory there is, before any of it is taken: an
/// allocation that is refused ends the process.
enum MemoryNeed {
  /// Checks that rows of Float32 fit: the sum of `counts` rows of `dimension` numbers, `copies` times.
  ///
  /// - Throws: A usage error that ends with `remedy`.
  static func require(
    _ counts: [Int], times dimension: Int, copies: Int, _ remedy: String,
    available: Int = HostLimits.current.availableBytes
  ) throws(ValidationError) {
    // In Float64: products of options overflow integers.
    let bytes = counts.reduce(0.0) { $0 + Double($1) } * Double(dimension) * 4 * Double(copies)
    guard bytes > Double(available) else { return }
    let needed = Int(exactly: bytes.rounded()).map(\.asBytes) ?? "more than 2^63 bytes"
    throw ValidationError(
      "the sizes need \(needed) of memory, and \(available.asBytes) are available; \(remedy)")
  }
}
