@_exported public import TesseraTraining
