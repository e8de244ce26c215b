import ArgumentParser
import Tessera

/// Ends a command that failed: with one line on stderr and an exit status of sysexits.h.
enum Failure {
  static func report(_ error: any Error) -> Never {
    if TesseraCommand.exitCode(for: error).isSuccess {
      // Help, the version and completion scripts.
      do throws(TesseraError) {
        Console.print(TesseraCommand.fullMessage(for: error))
        try Console.flush()
      } catch {
        TesseraCommand.exit(withError: ExitCode(say(error)))
      }
      TesseraCommand.exit()
    }
    TesseraCommand.exit(withError: ExitCode(say(error)))
  }

  /// Says what went wrong on stderr, and returns the exit status.
  static func say(_ error: any Error) -> Int32 {
    if let error = error as? TesseraError {
      Console.error("\(commandName): \(error)")
      return status(for: error.code)
    }
    let message = TesseraCommand.message(for: error)
    if !message.isEmpty { Console.error("\(commandName): \(message); see \(commandName) --help") }
    return TesseraCommand.exitCode(for: error).rawValue
  }

  static func status(for code: TesseraError.Code) -> Int32 {
    switch code {
    case .invalidArgument, .unsupported: 64
    case .invalidShape, .nonFinite, .malformedFile: 65
    case .inputNotFound: 66
    case .deviceUnavailable: 69
    case .cannotCreate: 73
    case .inputOutput: 74
    case .busy: 75
    default: 70
    }
  }

  /// `tessera search`, from what was typed.
  private static var commandName: String {
    let names = TesseraCommand.configuration.subcommands.map { $0._commandName }
    let typed = CommandLine.arguments.dropFirst().first ?? ""
    return names.contains(typed) ? "tessera \(typed)" : "tessera"
  }
}
