import ArgumentParser
import Tessera

/// How a command that failed ends: one line on stderr and an exit status of sysexits.h.
enum Failure {
  static func report(_ error: any Error) -> Never {
    let status = TesseraCommand.exitCode(for: error)
    // Help and the version come this way too.
    if status.isSuccess { TesseraCommand.exit(withError: error) }
    if let error = error as? TesseraError {
      Console.error("\(commandName): \(error)")
      TesseraCommand.exit(withError: exitCode(for: error.code))
    }
    let message = TesseraCommand.message(for: error)
    if !message.isEmpty { Console.error("\(commandName): \(message); see \(commandName) --help") }
    TesseraCommand.exit(withError: status)
  }

  static func exitCode(for code: TesseraError.Code) -> ExitCode {
    switch code {
    case .invalidArgument, .unsupported: ExitCode(64)
    case .invalidShape, .nonFinite, .malformedFile: ExitCode(65)
    case .inputNotFound: ExitCode(66)
    case .deviceUnavailable: ExitCode(69)
    case .cannotCreate: ExitCode(73)
    case .inputOutput: ExitCode(74)
    default: ExitCode(70)
    }
  }

  /// `tessera search`, from what was typed.
  private static var commandName: String {
    let names = TesseraCommand.configuration.subcommands.map { $0._commandName }
    let typed = CommandLine.arguments.dropFirst().first ?? ""
    return names.contains(typed) ? "tessera \(typed)" : "tessera"
  }
}
