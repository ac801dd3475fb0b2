/// A chain's name, which stands in lists and figures for people to read.
package enum ChainName {
  /// Bytes of its UTF-8.
  package static let size = 1...64

  /// Whether `name` has 1...64 bytes, no blank at either end, and no character that could disturb
  /// what it is shown in: controls, separators of lines, marks without a width or that turn the
  /// direction of writing, and tags. By ranges of Unicode, so that every replica finds the same.
  package static func isPrintable(_ name: String) -> Bool {
    let scalars = name.unicodeScalars
    return size.contains(name.utf8.count) && scalars.first != " " && scalars.last != " "
      && scalars.allSatisfy { scalar in !disturbing.contains { $0.contains(scalar.value) } }
  }

  private static let disturbing: [ClosedRange<UInt32>] = [
    0x00...0x1f, 0x7f...0xa0, 0xad...0xad, 0x061c...0x061c, 0x180e...0x180e, 0x200b...0x200f,
    0x2028...0x202f, 0x2060...0x206f, 0xfeff...0xfeff, 0xfff0...0xffff, 0xe0000...0xe0fff,
  ]
}
