@_exported public import TesseraCompute
