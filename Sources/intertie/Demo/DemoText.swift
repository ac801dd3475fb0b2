import Domain
import Foundation

/// Figures and times as the demonstration prints them.
enum DemoText {
  /// mWh as kWh with a decimal, rounded to the nearest.
  static func kWh(_ milliwattHours: Int64, decimals: Int = 1) -> String {
    decimal(milliwattHours, decimals)
  }

  /// µ¤ as ¤.
  static func money(_ micro: Int64) -> String { decimal(micro, 2) }

  /// µ¤ per kWh as ¤ per kWh.
  static func price(_ micro: Int64) -> String { decimal(micro, 3) }

  /// Micro-tokens.
  static func tokens(_ micro: Int64) -> String { decimal(micro, 3) }

  /// Millionths as a decimal number, rounded to the nearest, with spaces between thousands.
  static func decimal(_ micro: Int64, _ decimals: Int) -> String {
    let unit = (0..<(6 - decimals)).reduce(UInt64(1)) { unit, _ in unit * 10 }
    let rounded = (micro.magnitude + unit / 2) / unit
    let text = Amounts.text(micro: Int64(rounded * unit), decimals: decimals)
    let parts = text.split(separator: ".", maxSplits: 1)
    let sign = micro < 0 && rounded > 0 ? "-" : ""
    return sign + grouped(String(parts[0])) + (parts.count == 2 ? "." + parts[1] : "")
  }

  static func count(_ number: some BinaryInteger) -> String { grouped(String(number)) }

  private static func grouped(_ digits: String) -> String {
    var text = ""
    for (place, digit) in digits.enumerated() {
      if place > 0, (digits.count - place).isMultiple(of: 3) { text += " " }
      text.append(digit)
    }
    return text
  }

  /// `part` of `whole`, "71.3 %"; a dash of nothing.
  static func percent(_ part: Int64, of whole: Int64) -> String {
    guard whole != 0 else { return "–" }
    return String(format: "%.1f %%", 100 * Double(part) / Double(whole))
  }

  /// Chain time as the civil time that it stands for, "Mon 14:30".
  static func moment(_ time: Timestamp) -> String { format(time, "EEE HH:mm") }

  /// "Mon 17 Apr".
  static func day(_ time: Timestamp) -> String { format(time, "EEE d MMM") }

  static func format(_ time: Timestamp, _ pattern: String) -> String {
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = TimeZone(secondsFromGMT: 0)
    format.dateFormat = pattern
    return format.string(from: Date(timeIntervalSince1970: TimeInterval(time.seconds)))
  }

  static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
