import ArgumentParser
import Tessera
import TesseraDevices
internal import TesseraHost

@main
struct TesseraCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tessera",
    abstract: "Exact vector search and k-means, on the GPU where there is one.",
    discussion: """
      Results are the same bytes on every device. Try:
        tessera demo
        tessera devices
        tessera bench --quick
        tessera generate --rows 100000 --dimension 64 --clusters 1000 base.npy
        tessera generate --rows 1000 --skip 100000 --dimension 64 \\
          --clusters 1000 queries.npy
        tessera search --base base.npy --queries queries.npy -k 10 --out found

      Exit status: 0 done, 64 usage, 65 bad data, 66 no input, 69 device
      unavailable, 70 internal, 73 cannot create output, 74 input/output failed,
      75 another is changing the index.

      Environment:
        TESSERA_DEVICE          what --device is by default
        TESSERA_CPU             the CPU's instruction set: portable, avx2, ...
        TESSERA_THREADS         what --threads is by default
        TESSERA_OPENCL_LIBRARY  the OpenCL library to use, and no other
        TESSERA_BLAS_LIBRARY    the OpenBLAS to use, and no other; off: none
        TESSERA_CACHE           folder for built programs and measured speeds
        TESSERA_LOG             info tells why a device was chosen

      Shell completion: tessera --generate-completion-script bash
      """,
    version: TesseraVersion.current,
    subcommands: [
      DevicesCommand.self, DoctorCommand.self, GenerateCommand.self, SearchCommand.self,
      BuildCommand.self, AddCommand.self, RemoveCommand.self, CompactCommand.self,
      InfoCommand.self, ConvertCommand.self, KMeansCommand.self,
      QuantizerCommand.self,
      TokensCommand.self, EvalCommand.self, RecommendCommand.self,
      DemoCommand.self,
      BenchCommand.self, TuneCommand.self, TrialCommand.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot(Arguments.typed())
      if !(command is TrialCommand) { DriverTrial.install() }
      // Devices are gone, and their drivers at rest, when this returns or throws.
      try command.run()
      try Console.flush()
    } catch {
      end(error)
    }
    end(nil)
  }

  private static func end(_ error: (any Error)?) -> Never {
    DriverTrial.end()
    guard Devices.haveLostCalls else {
      if let error { Failure.report(error) }
      exit(withError: nil)
    }
    // A driver that gives no answer still runs: ending it in the ordinary way may crash.
    let status = error.map(Failure.say) ?? 0
    fflush(nil)
    _exit(status)
  }
}
