import Domain

/// What a block holds so far.
struct BlockRoom {
  private let limit: Int
  private var entries = 0
  private var bytes = 0

  /// `limit`: entries at most.
  init(limit: Int = Limits.blockEntries) { self.limit = limit }

  /// The part of it that commands may fill while readings wait.
  static func forCommands(of whole: Int) -> Int { whole - whole / Limits.blockEntriesPerReading }

  /// `sparing`: only as far as it leaves the readings' part.
  mutating func takes(_ entry: VerifiedEntry, sparing: Bool = false) -> Bool {
    let (most, mostBytes) =
      sparing
      ? (Self.forCommands(of: limit), Self.forCommands(of: Limits.blockBytes))
      : (limit, Limits.blockBytes)
    guard entries < most, bytes + entry.encodedSize <= mostBytes else { return false }
    entries += 1
    bytes += entry.encodedSize
    return true
  }
}

/// Identities in order of arrival. Those that wait no longer are passed over and dropped, from the
/// front or, when they are most, from all over.
struct EntryLane: Sendable {
  private var identities: [Digest] = []
  private var offered = 0
  /// As many as waited when the lane was last cleared.
  private var kept = 0
  /// The first place that may wait.
  private(set) var first = 0

  var waiting: ArraySlice<Digest> { identities[first...] }
  var length: Int { identities.count }
  /// Places that are passed over before they are dropped.
  static let slack = 4096

  /// From `place` on, the first that may wait; nil behind the last.
  subscript(place: Int) -> Digest? { place < identities.count ? identities[place] : nil }

  mutating func append(_ identity: Digest) { identities.append(identity) }

  /// In front again, in their order.
  mutating func restore(_ back: [Digest]) {
    guard !back.isEmpty else { return }
    identities.replaceSubrange(..<first, with: back)
    first = 0
    offered = 0
  }

  var nextToOffer: Digest? { self[max(offered, first)] }

  mutating func offer() { offered = max(offered, first) + 1 }
  mutating func withdrawOffers() { offered = first }

  /// Drops what does not wait any more.
  mutating func compact(_ isWaiting: (Digest) -> Bool) {
    while first < identities.count, !isWaiting(identities[first]) { first += 1 }
    if first == identities.count {
      identities.removeAll(keepingCapacity: true)
      (first, offered, kept) = (0, 0, 0)
    } else if first > Self.slack || identities.count > 2 * kept + Self.slack {
      let behind = identities[max(offered, first)...].filter(isWaiting)
      identities = identities[first..<max(offered, first)].filter(isWaiting)
      (first, offered) = (0, identities.count)
      identities += behind
      kept = identities.count
    }
  }
}
