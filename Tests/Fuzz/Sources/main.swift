// Gives bytes to one reader: `Fuzz TARGET FILE...` reads files once, and where it was built with
// libFuzzer (`make fuzz`), `Fuzz TARGET [options] [corpus]` makes up files until one is read wrongly.

#if FUZZING
  import TesseraHost

  @_silgen_name("LLVMFuzzerRunDriver")
  private func runFuzzer(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
  ) -> Int32
#endif

guard CommandLine.arguments.count > 1, let target = FuzzTarget.named(CommandLine.arguments[1])
else {
  fatalError("usage: Fuzz TARGET FILE...; targets: \(FuzzTarget.all.map(\.name))")
}

#if FUZZING
  chosenTarget = target
  AllocationLimit.install()
  var count = CommandLine.argc - 1
  var arguments = CommandLine.unsafeArgv + 1
  arguments[0] = CommandLine.unsafeArgv[0]
  exit(
    runFuzzer(&count, &arguments) { start, count in
      let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
      AllocationLimit.check(bytes.count) { chosenTarget?.read(bytes) }
      return 0
    })
#else
  for path in CommandLine.arguments.dropFirst(2) {
    guard let bytes = FuzzTarget.bytes(of: path) else { fatalError("\(path) cannot be read") }
    target.read(bytes)
    print("ok \(path)")
  }
#endif
