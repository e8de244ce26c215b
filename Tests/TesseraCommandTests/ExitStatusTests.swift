import Foundation
import Tessera
import Testing

/// Every failure ends with one line on stderr, a status of sysexits.h, and nothing half-written.
@Suite struct ExitStatusTests {
  struct Failure: CustomTestStringConvertible {
    let status: Int32
    let command: String
    /// Parts of the message: what, where, what to do.
    let says: [String]
    var testDescription: String { "\(status): \(command)" }

    init(_ status: Int32, _ command: String, _ says: String...) {
      (self.status, self.command, self.says) = (status, command, says)
    }
  }

  static let search = "search --base base.npy --queries queries.npy -k 3 --out out"
  static let kmeans = "kmeans --input base.npy --out out.npy"
  static let weighted = "kmeans --input three.npy -k 2 --out out.npy --weights"

  @Test(
    "failures",
    arguments: [
      // Usage.
      Failure(64, "bogus", "tessera: ", "bogus"),
      Failure(64, "search", "tessera search: ", "--queries", "see tessera search --help"),
      Failure(64, "\(search) -k 0", "-k is 0"),
      Failure(64, "\(search) --index some.index", "either --base or --index"),
      Failure(64, "\(search) --within 1", "either -k or --within"),
      Failure(64, "\(search) --probes 4", "--probes and --recall are for --index"),
      Failure(64, "\(search) --metric manhattan", "manhattan"),
      Failure(64, "\(search) --device toaster", "toaster", "choose auto, cpu"),
      Failure(64, "\(search) --threads 0", "--threads is 0"),
      Failure(64, "\(search) --threads 4611686018427387904", "at most 4096"),
      Failure(64, "\(search) -k -1", "-k is -1"),
      Failure(64, "\(search) --limit -5", "--limit is -5"),
      Failure(64, "\(search) --queries lat$'\\xe9'.npy", "not UTF-8", "ln -s"),
      Failure(64, "\(kmeans) -k 2 --out out$'\\xe9'.npy", "argument 9", "not UTF-8"),
      Failure(64, "\(kmeans) -k 3 --threads 9223372036854775807", "at most 4096"),
      Failure(64, "demo --rows 9223372036854775807", "lower --rows"),
      Failure(64, "demo --rows 1000000000000", "of memory", "lower --rows"),
      Failure(64, "demo --dimension 9223372036854775807 --queries 9223372036854775807", "memory"),
      Failure(64, "demo --threads 4097", "at most 4096"),
      Failure(64, "bench --threads 9223372036854775807", "at most 4096"),
      Failure(64, "generate --rows 1 --dimension 9223372036854775807 out.npy", "--dimension"),
      Failure(64, "generate --rows 1 --dimension 4 --clusters 4611686018427387904 o.npy", "lower"),
      Failure(64, "\(search) --batch 0", "--batch is 0"),
      Failure(64, "\(search) --repeat 0", "--repeat is 0"),
      Failure(64, "\(search) --memory lots", "lots", "512M"),
      Failure(64, "\(search) --limit 0", "--limit is 0"),
      Failure(64, "\(search) --ids 9:4", "9:4 is no range", "FIRST:END"),
      Failure(64, "\(search) --ids 5:", "5: is no range"),
      Failure(64, "\(search) --ids=-1:3", "-1:3 is no range"),
      Failure(64, "\(search) --ids 1:2:3", "1:2:3 is no range"),
      Failure(64, "\(search) --ids rows.txt", "rows.txt", ".ivecs", "0:1000"),
      Failure(64, "\(search) --plan", "--plan does not search", "--out"),
      Failure(64, "generate --rows -1 --dimension 4 out.npy", "--rows"),
      Failure(64, "generate --rows 1 --dimension 0 out.npy", "--dimension is 0"),
      Failure(64, "generate --rows 9 --dimension 4 --element i1 out.fvecs", "out.fvecs"),
      Failure(64, "\(kmeans) -k 0", "-k is 0"),
      Failure(64, "\(kmeans) -k 3 --metric manhattan", "manhattan"),
      Failure(64, "\(kmeans) -k 3 --tolerance -1", "--tolerance"),
      Failure(64, "\(kmeans) -k 3 --restarts 0", "--restarts is 0"),
      Failure(64, "\(kmeans) -k 3 --start middle", "middle"),
      Failure(64, "\(kmeans) -k 3 --algorithm magic", "magic"),
      Failure(64, "\(kmeans) -k 500 --init base.npy --start random", "--start and --init"),
      Failure(64, "\(kmeans) -k 3 --algorithm minibatch", "--batch-size"),
      Failure(64, "\(kmeans) -k 3 --batch-size 9", "--algorithm minibatch"),
      Failure(
        64, "\(kmeans) -k 3 --algorithm minibatch --batch-size 0", "--batch-size is 0"),
      Failure(
        64, "\(kmeans) -k 3 --algorithm minibatch --batch-size 9 --tolerance 0.1", "tolerance"),
      Failure(64, "\(kmeans) -k 3 --algorithm exact", "1 dimension", "another algorithm"),
      Failure(
        64, "\(kmeans) -k 500 --algorithm hierarchical --init base.npy", "give no centroids"),
      Failure(64, "\(kmeans) -k 500 --init base.npy --restarts 2", "2 restarts", "use 1"),
      Failure(64, "\(kmeans) -k 3 --freeze 0:2", "--freeze needs", "--init"),
      Failure(64, "\(kmeans) -k 500 --init base.npy --freeze 0:501", "0:501", "0:500"),
      Failure(64, "\(kmeans) -k 500 --init base.npy --freeze 3", "FIRST:END"),
      Failure(64, "\(kmeans) -k 500 --init base.npy --choose elbow", "--choose", "--init"),
      Failure(64, "\(kmeans) -k 2 --choose silhouette", "at least 2 numbers of clusters"),
      Failure(64, "\(kmeans) -k 9 --choose best", "best"),
      Failure(64, "\(kmeans) -k 9 --train-limit 8", "8, fewer points than the 9 clusters"),
      Failure(64, "\(kmeans) -k 9 --memory lots", "lots", "512M"),
      Failure(64, "\(kmeans) -k 3 --iterations -1", "--iterations"),
      Failure(64, "\(kmeans) -k 3 --assignments out.npy", "same file"),
      Failure(64, "eval --found ids.npy --truth ids.npy -k 0", "-k is 0"),
      Failure(64, "search --base base.txt --queries queries.npy -k 1", "base.txt", ".npy"),
      // Bad data.
      Failure(65, "build --spec IVF9999,Flat --base base.npy --out out", "IVF9999", "lists"),
      Failure(65, "search --index base.npy --queries queries.npy -k 1", "base.npy", "safetensors"),
      Failure(65, "info base.npy", "base.npy", "safetensors"),
      Failure(65, "search --base text.npy --queries queries.npy -k 1", "text.npy"),
      Failure(65, "search --base empty.npy --queries queries.npy -k 1", "empty.npy", "empty"),
      Failure(65, "search --base base.npy --queries narrow.npy -k 1", "narrow.npy", "24", "5"),
      Failure(65, "search --base nan.npy --queries narrow.npy -k 1 --out out", "nan.npy", "row 2"),
      Failure(
        65, "search --base narrow.npy --queries nan.npy -k 1 --batch 2 --out out", "nan.npy",
        "row 2", "remove or repair"),
      Failure(65, "\(search) --truth ids.npy", "ids.npy", "6 queries, 30"),
      Failure(65, "\(search) --ids 0:501", "--ids 0:501", "500 rows", "end at 500"),
      Failure(65, "\(search) --ids 5:5", "--ids 5:5", "selects none of the 500 rows of base.npy"),
      Failure(65, "\(search) --ids far.npy", "far.npy", "id 500 in row 1", "500 rows"),
      Failure(65, "\(search) --ids negative.ivecs", "negative.ivecs", "id -1 in row 0"),
      Failure(65, "\(search) --ids wide.npy", "wide.npy", "shape (1, 3)", "reshape(-1, 1)"),
      Failure(65, "\(search) --truth wrong.npy", "wrong.npy", "id -7 in row 0", "no row"),
      Failure(65, "\(search) --ids flags.npy", "flags.npy", "3 flags for 500 rows"),
      Failure(65, "\(search) --ids text.npy", "text.npy"),
      Failure(65, "\(search) --ids base.npy", "base.npy", "ids are int32, int64"),
      Failure(65, "\(search) --limit 31", "queries.npy", "30"),
      Failure(65, "\(kmeans) -k 501", "base.npy", "501 clusters asked of 500"),
      Failure(65, "kmeans --input nan.npy -k 2 --out out.npy", "nan.npy", "row 2"),
      Failure(65, "\(kmeans) -k 2 --init base.npy", "500 x 24", "2 x 24"),
      Failure(
        64, "kmeans --input three.npy -k 2 --out o.npy --algorithm exact --restarts 2", "at once"),
      Failure(
        64, "kmeans --input nan.npy -k 2 --memory 10 --out out.npy", "memory limit of 10 bytes"),
      Failure(65, "\(kmeans) -k 2 --weights base.npy", "base.npy", "24 columns"),
      Failure(65, "\(kmeans) -k 2 --weights zero.npy", "zero.npy", "3 weights for 500 points"),
      Failure(65, "\(weighted) nan1.npy", "nan1.npy", "point 1", "nan", "repair"),
      Failure(65, "\(weighted) minus2.npy", "minus2.npy", "point 2", "must not be negative"),
      Failure(65, "\(weighted) zero.npy", "zero.npy", "all weights are 0"),
      Failure(65, "eval --found ids.npy --truth ids.npy -k 9", "ids.npy", "3 ids a row"),
      Failure(65, "eval --found ids.npy --truth other.npy", "6 queries"),
      // No input.
      Failure(
        66, "search --base none.npy --queries queries.npy -k 1", "none.npy", "check the path"),
      Failure(66, "search --base base.npy --queries none.npy -k 1", "none.npy"),
      Failure(66, "\(search) --truth none.npy", "none.npy"),
      Failure(66, "\(search) --ids none.npy", "none.npy", "check the path"),
      Failure(66, "kmeans --input none.npy -k 1 --out out.npy", "none.npy"),
      Failure(66, "\(kmeans) -k 2 --init none.npy", "none.npy"),
      Failure(66, "\(kmeans) -k 2 --weights none.npy", "none.npy"),
      Failure(66, "eval --found none.npy --truth ids.npy", "none.npy"),
      // No such device.
      Failure(69, "\(search) --device opencl:99", "opencl"),
      // Memory that cannot hold a single row beside the batch that was asked for.
      Failure(64, "\(search) --device cpu --memory 10 --batch 30", "single row", "smaller batches"),
      // Output that cannot be made.
      Failure(
        73, "search --base base.npy --queries queries.npy -k 1 --out no/such/place",
        "no/such/place", "create the folder"),
      Failure(73, "generate --rows 5 --dimension 4 no/out.npy", "no/out.npy"),
      Failure(73, "generate --rows 5 --dimension 4 out.txt", "out.txt", ".npy"),
      Failure(73, "kmeans --input base.npy -k 2 --out no/out.npy", "no/out.npy"),
      Failure(73, "\(kmeans) -k 2 --out folder.npy", "folder.npy", "directory"),
      Failure(73, "\(kmeans) -k 2 --out c.txt", "c.txt", ".npy"),
      Failure(73, "\(kmeans) -k 2 --out c.bvecs", "c.bvecs", "uint8", "float32", ".fvecs"),
      Failure(73, "\(kmeans) -k 2 --out c.f16bin", "c.f16bin", "float16"),
      Failure(73, "\(kmeans) -k 2 --assignments l.xyz", "l.xyz", ".ivecs"),
      Failure(73, "\(kmeans) -k 2 --assignments ./out.npy", "./out.npy", "same file as out.npy"),
      Failure(73, "\(kmeans) -k 2 --out ./base.npy", "./base.npy", "is an input too"),
      Failure(73, "\(kmeans) -k 2 --out pipe.npy", "pipe.npy", "pipe or device"),
      Failure(73, "\(kmeans) -k 2 --out dangling.npy", "dangling.npy", "link"),
      Failure(73, "\(kmeans) -k 2 --out $(printf 'n%.0s' {1..252}).npy", "256 bytes", "255"),
      Failure(73, "search --base base.npy --queries q.ids.npy -k 1 --out q", "q.ids.npy", "input"),
    ])
  func failures(_ failure: Failure) throws {
    let shell = try Shell()
    try Self.makeInputs(shell)
    let before = shell.names
    let outcome = try shell.bash("\"$TESSERA\" \(failure.command)")
    try Self.check(outcome, failure, shell, before)
  }

  private static func check(
    _ outcome: Shell.Outcome, _ failure: Failure, _ shell: Shell, _ before: [String]
  ) throws {
    #expect(outcome.status == failure.status, "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count == 1, "\(outcome.errors)")
    #expect(outcome.errors.hasPrefix("tessera"))
    for part in failure.says { #expect(outcome.errors.contains(part), "\(outcome.errors)") }
    #expect(shell.names == before)
  }

  private static func makeInputs(_ shell: Shell) throws {
    try shell.makeVectors()
    try shell.write("this is no array, whatever its name says", "text.npy")
    try shell.write("", "empty.npy")
    try VectorFile.write(
      Vectors((0..<20).map(Float.init), dimension: 5), to: shell.path("narrow.npy"))
    var values = [Float](repeating: 1, count: 20)
    values[12] = .nan
    try VectorFile.write(Vectors(values, dimension: 5), to: shell.path("nan.npy"))
    try IDFile.write((0..<18).map(Int64.init), rows: 6, columns: 3, to: shell.path("ids.npy"))
    try IDFile.write([3, 500], rows: 2, columns: 1, to: shell.path("far.npy"))
    try IDFile.write([-1, 3], rows: 1, columns: 2, to: shell.path("negative.ivecs"))
    let flags = try Vectors(
      HostMemory(copying: [1, 0, 1] as [UInt8]), element: .uint8, count: 3, dimension: 1)
    try VectorFile.write(flags, to: shell.path("flags.npy"))
    let wide = try Vectors(
      HostMemory(copying: [1, 0, 1] as [UInt8]), element: .uint8, count: 1, dimension: 3)
    try VectorFile.write(wide, to: shell.path("wide.npy"))
    try IDFile.write(
      [Int64](repeating: -7, count: 90), rows: 30, columns: 3, to: shell.path("wrong.npy"))
    try IDFile.write([1, 2, 3], rows: 1, columns: 3, to: shell.path("other.npy"))
    try FileManager.default.copyItem(
      atPath: shell.path("queries.npy"), toPath: shell.path("q.ids.npy"))
    #expect(mkfifo(shell.path("pipe.npy"), 0o600) == 0)
    try FileManager.default.createSymbolicLink(
      atPath: shell.path("dangling.npy"), withDestinationPath: "nowhere.npy")
    try VectorFile.write(Vectors([1, 2, 3], dimension: 1), to: shell.path("three.npy"))
    for (name, weights) in [
      ("nan1", [1, .nan, 1]), ("minus2", [1, 1, -1]), ("zero", [0, 0, 0]),
    ] as [(String, [Float])] {
      try ScoreFile.write(weights, rows: 3, columns: 1, to: shell.path("\(name).npy"))
    }
    try FileManager.default.createDirectory(
      atPath: shell.path("folder.npy"), withIntermediateDirectories: false)
  }

  @Test(
    "74: a disk that fills up leaves nothing, and what was there stays",
    arguments: [
      "generate --rows 5000 --dimension 64 out.npy",
      "search --base base.npy --queries queries.npy -k 300 --out out --device cpu",
      "kmeans --input base.npy -k 400 --iterations 1 --out out.npy --device cpu",
    ])
  func fullDisk(_ command: String) throws {
    let shell = try Shell()
    try shell.makeVectors()
    try shell.write("precious", "out.npy")
    try shell.write("precious", "out.ids.npy")
    let before = shell.names
    // No file may grow beyond 8 KiB.
    let outcome = try shell.bash("trap '' XFSZ; ulimit -f 8; exec \"$TESSERA\" \(command) --quiet")
    #expect(outcome.status == 74, "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1)
    #expect(shell.names == before)
    #expect(try String(decoding: shell.bytes("out.npy"), as: UTF8.self) == "precious")
    #expect(try String(decoding: shell.bytes("out.ids.npy"), as: UTF8.self) == "precious")
  }

  @Test(
    "74: results that stdout does not take are an error",
    arguments: [
      "search --base base.npy --queries queries.npy -k 3 --json --quiet",
      "search --base base.npy --queries queries.npy -k 3 --plan",
      "kmeans --input base.npy -k 3 --out out.npy --device cpu",
      "eval --found ids.npy --truth ids.npy --json", "devices", "devices --json", "doctor",
      "doctor --json", "--version", "--help", "search --help",
      "--generate-completion-script bash",
    ])
  func fullOutput(_ command: String) throws {
    let shell = try Shell()
    try Self.makeInputs(shell)
    let outcome = try shell.bash("\"$TESSERA\" \(command) > /dev/full")
    #expect(outcome.status == 74, "\(outcome.errors)")
    let last = outcome.errors.split(separator: "\n").last ?? ""
    #expect(last.contains("stdout: the result cannot be written"), "\(outcome.errors)")
  }

  @Test("files that are replaced keep their mode, and links stay links")
  func replaced() throws {
    let shell = try Shell()
    try shell.makeVectors()
    let outcome = try shell.bash(
      """
      mkdir real; touch real/c.npy; chmod 600 real/c.npy; ln -s real/c.npy c.npy
      "$TESSERA" kmeans --input base.npy -k 3 --out c.npy --assignments l.ivecs --device cpu --quiet
      stat -c %a real/c.npy; readlink c.npy
      """)
    #expect(outcome.output.hasSuffix("600\nreal/c.npy\n"), "\(outcome.output)\(outcome.errors)")
    #expect(try VectorFile.open(shell.path("real/c.npy")).count == 3)
    #expect(try IDFile.open(shell.path("l.ivecs")).rows == 500)
    #expect(shell.names == ["base.npy", "c.npy", "l.ivecs", "queries.npy", "real"])
  }

  @Test("a search of nothing, or for nothing, writes arrays of nothing")
  func nothing() throws {
    let shell = try Shell()
    try shell.makeVectors()
    for rows in ["base", "queries"] {
      try shell.tessera("generate", "--rows", "0", "--dimension", "24", "none.npy")
      let (base, queries) = rows == "base" ? ("none", "queries") : ("base", "none")
      let outcome = try shell.tessera(
        "search", "--base", "\(base).npy", "--queries", "\(queries).npy", "-k", "5", "--out", "f",
        "--device", "cpu")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let header = try String(decoding: shell.bytes("f.ids.npy").prefix(128), as: UTF8.self)
      #expect(header.contains(rows == "base" ? "(30, 0)" : "(0, "), "\(header)")
      #expect(shell.names.contains("f.scores.npy"))
    }
  }

  @Test("killed, a command leaves nothing")
  func killed() throws {
    let shell = try Shell()
    // A signal that children of a test runner cannot have blocked.
    let outcome = try shell.bash(
      """
      "$TESSERA" generate --rows 4000000 --dimension 64 big.npy &
      sleep 0.5
      kill -KILL $!
      wait $!
      echo $?
      """)
    #expect(outcome.output == "137\n")
    #expect(shell.names.isEmpty)
  }

  @Test("help, version and completion end well")
  func helpful() throws {
    let shell = try Shell()
    #expect(try shell.tessera("--version").output == "\(TesseraVersion.current)\n")
    for command in ["devices", "doctor", "generate", "search", "kmeans", "eval"] {
      let help = try shell.tessera(command, "--help")
      #expect(help.status == 0 && help.output.contains("tessera \(command)"), "\(command)")
      #expect(help.output.contains("Examples:"))
    }
    for kind in ["bash", "zsh", "fish"] {
      let script = try shell.tessera("--generate-completion-script", kind)
      #expect(script.status == 0 && script.output.contains("kmeans"))
    }
  }
}
