import TestSupport

extension SplitMix64 {
  mutating func permille(_ share: Int) -> Bool { below(1000) < share }

  /// One of the choices; nil when there is none.
  mutating func pick<T>(from choices: [T]) -> T? {
    choices.isEmpty ? nil : element(of: choices)
  }
}
