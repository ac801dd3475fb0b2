/// Which of an account's sequence numbers were used: the anti-replay window of RFC 4303, section
/// 3.4.3, 64 numbers wide.
///
/// A number is fresh when it is above the highest used, or among the 63 below that and not used.
package struct SequenceWindow: Hashable, Sendable {
  /// The highest number used; 0 before the first.
  package private(set) var highest: UInt64 = 0
  /// Bit k is set when `highest − k` was used.
  package private(set) var bits: UInt64 = 0

  package static let width: UInt64 = 64

  package init() {}

  /// Nil when no series of uses leads to these figures.
  package init?(highest: UInt64, bits: UInt64) {
    self.highest = highest
    self.bits = bits
    guard isPossible else { return nil }
  }

  /// Uses `sequence`, 1 or more; false when it was used already or lies below the window.
  package mutating func use(_ sequence: UInt64) -> Bool {
    if sequence > highest {
      let shift = sequence - highest
      bits = shift < Self.width ? bits << shift | 1 : 1
      highest = sequence
      return true
    }
    let age = highest - sequence
    guard age < Self.width, bits & (1 << age) == 0 else { return false }
    bits |= 1 << age
    return true
  }

  /// The highest number is used, and nothing below 1 ever is.
  package var isPossible: Bool {
    if highest == 0 { return bits == 0 }
    guard bits & 1 == 1 else { return false }
    return highest >= Self.width || bits >> highest == 0
  }
}
