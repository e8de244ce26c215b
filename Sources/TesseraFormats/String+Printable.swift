extension StringProtocol {
  /// The text with nothing in it that breaks a line or steers a terminal: paths and file contents
  /// go into messages.
  var printable: String {
    var text = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: text.append("?")
      default: text.append(scalar)
      }
    }
    return String(text)
  }
}
