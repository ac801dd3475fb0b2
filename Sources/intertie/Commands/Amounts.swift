import ArgumentParser
import Domain

/// Decimal figures as people write them, in millionths, exactly.
enum Amounts {
  private enum Fault {
    case notANumber
    case tooManyDecimals
    case tooLarge

    var text: String {
      switch self {
      case .notANumber: "is not a number: digits, with a point before decimals"
      case .tooManyDecimals: "has more than six decimals"
      case .tooLarge: "is too large: at most \(Amounts.text(micro: Limits.amount, decimals: 0))"
      }
    }
  }

  /// "1.25" → 1,250,000. At most six decimals, at most Limits.amount either way; no exponent.
  static func micro(_ text: String, _ what: String) throws -> Int64 {
    switch parse(text) {
    case .success(let value): return value
    case .failure(let fault): throw CommandFailure("'\(text)' for \(what) \(fault.text)")
    }
  }

  /// The same of an argument, 0 or more.
  static func argument(_ text: String, _ what: String) throws -> Int64 {
    switch parse(text) {
    case .success(let value) where !text.hasPrefix("-"): return value
    case .success: throw ValidationError("\(what) must not be negative, as '\(text)' is")
    case .failure(let fault): throw ValidationError("'\(text)' for \(what) \(fault.text)")
    }
  }

  private static func parse(_ text: String) -> Parsed {
    let unsigned = text.hasPrefix("-") ? text.dropFirst() : text[...]
    let parts = unsigned.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let (whole, fraction) = (parts[0], parts.count == 2 ? parts[1] : "")
    guard !(whole + fraction).isEmpty,
      (whole + fraction).utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return .failure(.notANumber) }
    guard fraction.utf8.count <= 6 else { return .failure(.tooManyDecimals) }
    let padding = String(repeating: "0", count: 6 - fraction.utf8.count)
    guard let value = Int64(whole + fraction + padding), value <= Limits.amount else {
      return .failure(.tooLarge)
    }
    return .success(text.hasPrefix("-") ? -value : value)
  }

  private enum Parsed {
    case success(Int64)
    case failure(Fault)
  }

  /// The first of a command's words that is a negative figure, which no option and no argument
  /// takes, and the option before it; the parser would take it for an option that it does not know.
  static func negative(among words: some Sequence<String>) -> String? {
    var option = ""
    for word in words {
      if word == "--" { return nil }
      let rest = word.utf8.dropFirst()
      if word.hasPrefix("-"), let first = rest.first(where: { $0 != UInt8(ascii: ".") }),
        (0x30...0x39).contains(first)
      {
        return "'\(word)'" + option
      }
      option = word.hasPrefix("--") ? " for \(word)" : ""
    }
    return nil
  }

  /// 1,250,000 → "1.250000", cut to `decimals` towards zero.
  static func text(micro: Int64, decimals: Int = 6) -> String {
    let sign = micro < 0 ? "-" : ""
    let magnitude = micro.magnitude
    let fraction = String(String(magnitude % 1_000_000 + 1_000_000).dropFirst().prefix(decimals))
    return "\(sign)\(magnitude / 1_000_000)" + (decimals > 0 ? ".\(fraction)" : "")
  }
}
