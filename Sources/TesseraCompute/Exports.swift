// Gives users of this module the names of the floor that its own interface uses.
@_exported public import class TesseraHost.HostMemory
@_exported public import class TesseraHost.StopSignal
@_exported public import struct TesseraHost.TesseraError
