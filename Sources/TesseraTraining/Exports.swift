@_exported public import TesseraCompute
@_exported public import TesseraFormats
