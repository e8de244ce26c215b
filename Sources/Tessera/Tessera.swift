// `import Tessera` is all a user writes.
@_exported public import TesseraCompute
@_exported public import TesseraDevices
@_exported public import TesseraFormats
@_exported public import TesseraIndex
@_exported public import TesseraQuantization
