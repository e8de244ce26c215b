import ArgumentParser
import Tessera

/// Ends a command that failed: with one line on stderr and an exit status of sysexits.h.
enum Failure {
  static func report(_ error: any Error) -> Never {
    let ending = TesseraCommand.exitCode(for: error)
    if let error = error as? TesseraError { end(error) }
    if ending.isSuccess {
      // Help, the version and completion scripts.
      do throws(TesseraError) {
        Console.print(TesseraCommand.fullMessage(for: error))
        try Console.flush()
      } catch {
        end(error)
      }
      TesseraCommand.exit()
    }
    let message = TesseraCommand.message(for: error)
    if !message.isEmpty { Console.error("\(commandName): \(message); see \(commandName) --help") }
    TesseraCommand.exit(withError: ending)
  }

  private static func end(_ error: TesseraError) -> Never {
    Console.error("\(commandName): \(error)")
    TesseraCommand.exit(withError: ExitCode(status(for: error.code)))
  }

  static func status(for code: TesseraError.Code) -> Int32 {
    switch code {
    case .invalidArgument, .unsupported: 64
    case .invalidShape, .nonFinite, .malformedFile: 65
    case .inputNotFound: 66
    case .deviceUnavailable: 69
    case .cannotCreate: 73
    case .inputOutput: 74
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
