import Domain
import Foundation

/// Where a node listens for its peers. The text is HOST:PORT, an IPv6 address in brackets.
package struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
  /// A name, or an address without brackets.
  package let host: String
  /// 1...65,535.
  package let port: Int

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// Nil unless it is HOST:PORT.
  package init?(_ text: some StringProtocol) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard (1...5).contains(digits.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = Int(digits), (1...65_535).contains(port)
    else { return nil }
    var host = text[..<colon]
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    let isWellFormed = host.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
        UInt8(ascii: "_"):
        true
      case UInt8(ascii: ":"), UInt8(ascii: "%"): isBracketed
      default: false
      }
    }
    guard isWellFormed, (1...253).contains(host.utf8.count), isBracketed == host.contains(":")
    else { return nil }
    self.init(host: String(host), port: port)
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The other nodes that a node speaks with. A line is a node's key and address,
/// `tienode1… HOST:PORT`; `#` begins a comment.
package struct PeersFile: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package let key: PublicKey
    package let address: PeerAddress

    package init(key: PublicKey, address: PeerAddress) {
      self.key = key
      self.address = address
    }
  }

  /// In the order of the file.
  package let entries: [Entry]

  /// Reads the file. Throws `invalid` with its line when anything in it is wrong, `own` being the
  /// key of the node that reads it.
  package static func read(_ path: String, own: PublicKey) throws(NodeFailure) -> PeersFile {
    guard let bytes = bytes(of: path) else { throw .invalid("cannot read the peers file \(path)") }
    return try PeersFile(bytes, name: path, own: own)
  }

  /// At most one byte more than a peers file may have; nil if it cannot be read.
  static func bytes(of path: String) -> [UInt8]? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? file.close() }
    guard let data = try? file.read(upToCount: PeerLimits.peersFileBytes + 1) else { return [] }
    return Array(data)
  }

  package init(_ bytes: [UInt8], name: String, own: PublicKey) throws(NodeFailure) {
    guard bytes.count <= PeerLimits.peersFileBytes else {
      throw .invalid("\(name) has more than \(PeerLimits.peersFileBytes) bytes")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .invalid("\(name) is not UTF-8 text")
    }
    var entries: [Entry] = []
    var lines: [PublicKey: Int] = [:]
    var addresses: [PeerAddress: Int] = [:]
    let all = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    for (index, line) in all.enumerated() {
      let content = line.prefix { $0 != "#" }
      let fields = content.split { $0 == " " || $0 == "\t" }
      guard !fields.isEmpty else { continue }
      let place = "\(name) line \(index + 1)"
      let entry = try Self.entry(fields, place)
      guard entry.key != own else { throw .invalid("\(place): this is the node's own key") }
      if let other = lines.updateValue(index + 1, forKey: entry.key) {
        throw .invalid("\(place): the key stands in line \(other) already")
      }
      if let other = addresses.updateValue(index + 1, forKey: entry.address) {
        throw .invalid("\(place): the address stands in line \(other) already")
      }
      guard entries.count < PeerLimits.peers else {
        throw .invalid("\(place): more than \(PeerLimits.peers) peers")
      }
      entries.append(entry)
    }
    self.entries = entries
  }

  private static func entry(_ fields: [Substring], _ place: String) throws(NodeFailure) -> Entry {
    guard fields.count == 2 else {
      throw .invalid("\(place): expected 'tienode1… HOST:PORT', found \(fields.count) words")
    }
    guard let key = PublicKey(text: String(fields[0]), as: .node), !key.hasSmallOrder else {
      throw .invalid("\(place): '\(fields[0])' is not a node's key (tienode1…)")
    }
    guard let address = PeerAddress(fields[1]) else {
      throw .invalid("\(place): '\(fields[1])' is not HOST:PORT with a port of 1 to 65535")
    }
    return Entry(key: key, address: address)
  }
}
