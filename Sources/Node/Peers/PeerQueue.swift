import NIOCore

/// Where a connection comes from: an IPv4 address, or the network of an IPv6 address (its first 64
/// bits, RFC 4291 section 2.5.4), since whoever has one address there has them all.
package struct PeerSource: Hashable, Sendable {
  private let bits: UInt64
  private let isIPv4: Bool

  /// Of another family, and of none, all are one source.
  package init(_ address: SocketAddress?) {
    let bytes: [UInt8] =
      switch address {
      case .v4(let address): withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
      case .v6(let address): withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
      default: []
      }
    // RFC 4291 section 2.5.5.2: an IPv4 address in the form of an IPv6 address.
    let isMapped =
      bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 255
      && bytes[11] == 255
    isIPv4 = isMapped || bytes.count == 4
    bits = (isMapped ? bytes[12...] : bytes.prefix(8)).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Of an address as the peers file has it; nil for a name.
  package init?(_ address: PeerAddress) {
    let host = address.host == "localhost" ? "127.0.0.1" : address.host
    guard let address = try? SocketAddress(ipAddress: host, port: address.port) else { return nil }
    self.init(address)
  }
}

/// The connections that have not shown a key yet, in order of arrival, and which of them goes when
/// there are too many. A newcomer finds room, so that whoever keeps a peer out must fill all places
/// anew within the time that the peer's handshake takes.
///
/// The source that has the most beyond the places of its own, `PeerLimits.handshakesPerPeer` for
/// each peer that the file has there, loses its oldest connection that has not said a word or, if
/// all have, its oldest. So strangers give way before peers elsewhere, and the silent, who cost
/// nothing to send, before those who have begun a handshake.
package struct PeerQueue<ID: Hashable & Sendable>: Sendable {
  private struct Place {
    var id: ID
    var source: PeerSource
    var hasSpoken = false
  }

  private let limit: Int
  private var places: [Place] = []
  private var counts: [PeerSource: Int] = [:]
  private var own: [PeerSource: Int] = [:]

  package init(limit: Int = PeerLimits.handshakes) { self.limit = limit }

  package var count: Int { places.count }
  package func contains(_ id: ID) -> Bool { places.contains { $0.id == id } }

  /// The addresses of the peers file as it stands now.
  package mutating func know(_ addresses: [PeerAddress]) {
    own = [:]
    for source in addresses.compactMap({ PeerSource($0) }) {
      own[source, default: 0] += PeerLimits.handshakesPerPeer
    }
  }

  /// Takes a connection that has just come; the one that must go for it, perhaps itself.
  package mutating func admit(_ id: ID, from source: PeerSource) -> ID? {
    places.append(Place(id: id, source: source))
    counts[source, default: 0] += 1
    guard places.count > limit else { return nil }
    var most: (source: PeerSource, excess: Int)?
    for place in places {
      let excess = counts[place.source, default: 0] - own[place.source, default: 0]
      if excess > most?.excess ?? .min { most = (place.source, excess) }
    }
    let crowd = places.filter { $0.source == most?.source }
    // The newcomer has had no time to speak.
    let silent = crowd.first { !$0.hasSpoken && $0.id != id }
    guard let victim = silent ?? crowd.first else { return nil }
    remove(victim.id)
    return victim.id
  }

  /// Bytes came from it.
  package mutating func spoke(_ id: ID) {
    guard let index = places.firstIndex(where: { $0.id == id }) else { return }
    places[index].hasSpoken = true
  }

  /// It has shown its key, or is gone; false when it was not here.
  @discardableResult
  package mutating func remove(_ id: ID) -> Bool {
    guard let index = places.firstIndex(where: { $0.id == id }) else { return false }
    let source = places.remove(at: index).source
    counts[source, default: 0] -= 1
    if counts[source] == 0 { counts[source] = nil }
    return true
  }
}
