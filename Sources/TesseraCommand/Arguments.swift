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
      guard access("/proc/self/cmdline", R_OK) == 0 else {
        throw TesseraError(
          .unsupported,
          "/proc/self/cmdline: cannot be read, and arguments come from there; mount "
            + "/proc")
      }
    #endif
    for position in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = CommandLine.unsafeArgv[position],
        String(validatingCString: argument) == nil
      else { continue }
      throw TesseraError(
        .invalidArgument,
        "argument \(position), \"\(String(cString: argument).printable)\", is not UTF-8; rename the "
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
