import Domain
import Wire

/// Holds a chain's blocks, one after the other, against what was acknowledged.
package struct ChainScan: Sendable {
  /// Where a doubtful item stands.
  package struct Places: Hashable, Sendable {
    package var count = 0
    /// The first ones.
    package var positions: [ReceiptPosition] = []
    /// Whether an answer says that it was applied.
    package var isApplied = false
    /// The place in the block that an answer named.
    package var told: ReceiptPosition?
  }

  /// A block with more entries than were acknowledged in it: where several nodes make blocks, one
  /// may bring again what another's has, to be refused in its second place.
  package struct Crowd: Sendable {
    package var height: UInt64
    package var told: AcknowledgedItems.Sum
    /// Its entries that were never in doubt, by their places in the block.
    package var entries: [(index: UInt32, mark: UInt64)]

    /// What is left without the entries at these places.
    package func sum(without copies: Set<UInt32>) -> AcknowledgedItems.Sum {
      var sum = AcknowledgedItems.Sum()
      for (index, mark) in entries where !copies.contains(index) { sum.add(mark) }
      return sum
    }
  }

  private let items: AcknowledgedItems
  private let meters: Set<PublicKey>
  private let members: Set<PublicKey>
  private let before: Set<UInt64>
  private let samples: [UInt64: AcknowledgedItems.Sample]
  private var unseen: Set<UInt64>
  package private(set) var blocks = 0
  /// Entries of the simulated meters and members.
  package private(set) var entries = 0
  package private(set) var doubtful: [UInt64: Places] = [:]
  /// Sampled items and where they stand: in the order of the blocks, then those that were in doubt.
  package private(set) var sampled: [(AcknowledgedItems.Sample, ReceiptPosition)] = []
  package private(set) var crowds: [Crowd] = []
  private var crowded = 0
  package private(set) var faults: LoadFaults

  /// `before`: marks of what these meters sent before the load, which is passed over.
  package init(
    _ items: AcknowledgedItems, meters: Set<PublicKey>, members: Set<PublicKey>,
    before: Set<UInt64> = []
  ) {
    self.items = items
    self.meters = meters
    self.members = members
    self.before = before
    samples = Dictionary(items.samples.map { ($0.mark, $0) }, uniquingKeysWith: { $1 })
    unseen = Set(items.blocks.keys)
    faults = items.faults
  }

  /// Takes the next block. Throws `malformed` when its body is none.
  package mutating func add(height: UInt64, body: [UInt8]) throws(Rejection) {
    blocks += 1
    var sum = AcknowledgedItems.Sum()
    var seen: [(index: UInt32, mark: UInt64)] = []
    for (index, (kind, signed)) in try BlockBody.split(body).enumerated() {
      let mark = AcknowledgedItems.mark(signed.payload)
      guard isOurs(kind, signed.payload), !before.contains(mark) else { continue }
      entries += 1
      let position = ReceiptPosition(height: height, index: UInt32(index))
      if let doubt = items.doubts[mark] {
        var places = doubtful[mark] ?? Places()
        places.count += 1
        places.isApplied = doubt.isApplied
        if doubt.height == height { places.told = position }
        if places.positions.count < LoadLimits.copies { places.positions.append(position) }
        doubtful[mark] = places
        continue
      }
      sum.add(mark)
      seen.append((position.index, mark))
      if let sample = samples[mark], sample.height == height {
        sampled.append((sample, position))
      }
    }
    unseen.remove(height)
    let told = items.blocks[height] ?? AcknowledgedItems.Sum()
    guard sum != told else { return }
    if sum.count > told.count, crowded + seen.count <= LoadLimits.crowded {
      crowded += seen.count
      crowds.append(Crowd(height: height, told: told, entries: seen))
      return
    }
    fault(height, told, found: sum)
  }

  /// The block does not have what was acknowledged in it.
  package mutating func fault(
    _ height: UInt64, _ told: AcknowledgedItems.Sum, found sum: AcknowledgedItems.Sum
  ) {
    guard sum.count != told.count else {
      return faults.add(
        "block \(height): other entries than the \(told.count) that were acknowledged")
    }
    faults.add(
      "block \(height): \(told.count) entries were acknowledged, \(sum.count) are there"
        + (sum.count > told.count ? "; does another run send with this seed?" : ""))
  }

  private func isOurs(_ kind: EntryKind, _ payload: [UInt8]) -> Bool {
    switch kind {
    case .reading:
      guard let reading = try? WireReading.parse(payload) else { return false }
      return meters.contains(reading.meter)
    case .command:
      guard let command = try? WireCommand.parse(payload) else { return false }
      return members.contains(command.signer)
    case .delivery, .report: return false
    }
  }

  /// When all blocks were taken: what was acknowledged and is nowhere, and what may be there twice,
  /// whose receipts have to tell how often it was applied.
  package mutating func finish() -> [Places] {
    for height in unseen.sorted() {
      faults.add("block \(height): entries were acknowledged in it, and it was not found")
    }
    unseen = []
    if items.forgotten > 0 {
      faults.add(
        "\(items.forgotten) items were in doubt beyond the limit of \(LoadLimits.doubtful): "
          + "nothing can be said about them")
    }
    let missing = items.doubts.filter { mark, doubt in
      (doubt.isThere || doubt.isApplied) && doubtful[mark] == nil
    }
    for mark in missing.keys.sorted() {
      faults.add("lost: \(Self.name(mark))")
    }
    if sampled.count < samples.count {
      faults.add("\(samples.count - sampled.count) of \(samples.count) samples were not found")
    }
    settled()
    return doubtful.sorted { $0.key < $1.key }.map(\.value).filter { $0.count > 1 }
  }

  /// What was in doubt until an answer named its block must stand in that one. Of what stands
  /// nowhere else some receipts are asked for, too: marks are hashes, so the smallest are any.
  private mutating func settled() {
    var left = LoadLimits.samples
    for (mark, places) in doubtful.sorted(by: { $0.key < $1.key }) {
      guard let doubt = items.doubts[mark], doubt.height > 0 else { continue }
      guard let told = places.told else {
        faults.add(
          "\(Self.name(mark)) was acknowledged in block \(doubt.height), it stands elsewhere")
        continue
      }
      guard places.count == 1, left > 0 else { continue }
      left -= 1
      sampled.append(
        (.init(mark: mark, height: doubt.height, rejection: doubt.rejection), told))
    }
  }

  private static func name(_ mark: UInt64) -> String {
    "the item \(Hex.encode(withUnsafeBytes(of: mark.bigEndian, Array.init)))"
  }

  package mutating func fault(_ text: String) { faults.add(text) }
}
