/// Bech32m (BIP-350): text for keys that a person can copy, with a checksum that finds every
/// error of up to four characters.
package enum Bech32m {
  private static let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
  private static let generators: [UInt32] = [
    0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3,
  ]
  private static let constant: UInt32 = 0x2bc8_30a3

  package static func encode(prefix: String, _ bytes: [UInt8]) -> String {
    let data = regroup(bytes, from: 8, to: 5, pad: true)!
    let sum = checksum(Array(prefix.utf8), data + [0, 0, 0, 0, 0, 0]) ^ constant
    let tail = (0..<6).map { UInt8(sum >> UInt32(5 * (5 - $0)) & 31) }
    return prefix + "1" + String(decoding: (data + tail).map { alphabet[Int($0)] }, as: UTF8.self)
  }

  /// The bytes of `text`; nil if the prefix, the alphabet, the case or the checksum is wrong.
  package static func decode(prefix: String, _ text: String) -> [UInt8]? {
    let utf8 = Array(text.utf8)
    let isLower = !utf8.contains { (0x41...0x5a).contains($0) }
    let isUpper = !utf8.contains { (0x61...0x7a).contains($0) }
    guard isLower || isUpper, utf8.count <= 120 else { return nil }
    let lower = utf8.map { (0x41...0x5a).contains($0) ? $0 + 32 : $0 }
    guard lower.starts(with: Array((prefix + "1").utf8)) else { return nil }
    let values = lower.dropFirst(prefix.utf8.count + 1).map { alphabet.firstIndex(of: $0) }
    guard values.count >= 6, !values.contains(nil) else { return nil }
    let data = values.map { UInt8($0!) }
    guard checksum(Array(prefix.utf8), data) == constant else { return nil }
    return regroup(Array(data.dropLast(6)), from: 5, to: 8, pad: false)
  }

  private static func checksum(_ prefix: [UInt8], _ data: [UInt8]) -> UInt32 {
    let expanded = prefix.map { $0 >> 5 } + [0] + prefix.map { $0 & 31 } + data
    var sum: UInt32 = 1
    for value in expanded {
      let top = sum >> 25
      sum = (sum & 0x1ff_ffff) << 5 ^ UInt32(value)
      for bit in 0..<5 where top >> UInt32(bit) & 1 == 1 { sum ^= generators[bit] }
    }
    return sum
  }

  private static func regroup(_ values: [UInt8], from: Int, to: Int, pad: Bool) -> [UInt8]? {
    var accumulator = 0
    var bits = 0
    var result: [UInt8] = []
    for value in values {
      accumulator = (accumulator << from | Int(value)) & 0xfff
      bits += from
      while bits >= to {
        bits -= to
        result.append(UInt8(accumulator >> bits & ((1 << to) - 1)))
      }
    }
    let rest = accumulator << (to - bits) & ((1 << to) - 1)
    if pad {
      if bits > 0 { result.append(UInt8(rest)) }
    } else if bits >= from || rest != 0 {
      return nil
    }
    return result
  }
}

extension PublicKey {
  /// What a key stands for; the human-readable part of its text.
  package enum Kind: String, Sendable {
    case account = "tie"
    case meter = "tiemeter"
    case node = "tienode"
  }

  package func text(as kind: Kind) -> String { Bech32m.encode(prefix: kind.rawValue, array) }

  package init?(text: String, as kind: Kind) {
    guard let bytes = Bech32m.decode(prefix: kind.rawValue, text) else { return nil }
    self.init(bytes)
  }
}
