import Domain
import Wire

/// Parses and checks what needs no state: form, size, chain, expiry, signature. Signatures, the
/// dearest step by far, are checked in parallel in small pieces, on threads that give way to
/// everything else, so that a block never waits long for a core.
package struct Verifier: Sendable {
  package enum Signatures: Sendable {
    case verified
    /// Of clients' entries every signature passes, of nothing else: for measurements beside stores
    /// that have none. No command offers it.
    case assumed
  }

  private let chain: ChainID
  /// What the chain's blocks carry.
  private let kinds: EntryKinds
  private let signatures: Signatures
  /// Entries one task checks: about two milliseconds of work.
  private static let pieceSize = 32
  /// Entries that are checked where they came in, as a wallet's: they need not wait behind others'.
  private static let few = 4

  package init(
    chain: ChainID, kinds: EntryKinds = .microgrid, signatures: Signatures = .verified
  ) {
    self.chain = chain
    self.kinds = kinds
    self.signatures = signatures
  }

  package func parse(reading signed: SignedBytes) -> Result<Reading, Rejection> {
    Result { () throws(Rejection) in
      let reading = try WireReading.parse(signed.payload)
      guard reading.chain == chain else { throw .wrongChain }
      return reading
    }
  }

  package func parse(command signed: SignedBytes, time: Timestamp) -> Result<Command, Rejection> {
    Result { () throws(Rejection) in
      let command = try WireCommand.parse(signed.payload)
      guard command.chain == chain else { throw .wrongChain }
      guard command.expires >= time else { throw .expired }
      return command
    }
  }

  /// An entry of a block that was decided once; its signature is checked only when asked for.
  package func parse(kind: EntryKind, _ signed: SignedBytes) throws(Rejection) -> VerifiedEntry {
    guard kinds.contains(kind) else { throw .malformed }
    switch kind {
    case .reading:
      return VerifiedEntry(verified: .reading(try parse(reading: signed).get()), signed: signed)
    case .command:
      return VerifiedEntry(
        verified: .command(try parse(command: signed, time: Timestamp(microseconds: .min)).get()),
        signed: signed)
    case .delivery:
      return VerifiedEntry(verified: .delivery(try parse(delivery: signed)), signed: signed)
    case .report:
      // As a delivery: it proves itself, and the place of a signature is empty.
      guard signed.signature == .zero else { throw .malformed }
      return VerifiedEntry(
        verified: .report(try HistoryReport(decoding: signed.payload)), signed: signed)
    }
  }

  /// Packets prove themselves, to the chain that knows who validates their source: nobody signs
  /// the delivery, and the place of a signature is empty.
  package func parse(delivery signed: SignedBytes) throws(Rejection) -> PacketDelivery {
    guard signed.signature == .zero else { throw .malformed }
    let delivery = try PacketDelivery(decoding: signed.payload)
    guard delivery.destination == chain else { throw .wrongChain }
    return delivery
  }

  package static func isSigned(_ content: EntryContent, _ signed: SignedBytes) -> Bool {
    switch content {
    case .reading(let reading):
      reading.meter.verifies(signed.signature, of: signed.payload, for: .reading)
    case .command(let command):
      command.signer.verifies(signed.signature, of: signed.payload, for: .command)
    case .delivery, .report: true
    }
  }

  /// Whether each entry carries its author's signature, in order. `isUrgent`: a block waits for it.
  package func areSigned(
    _ entries: [(content: EntryContent, signed: SignedBytes)], isUrgent: Bool = false
  ) async -> [Bool] {
    if signatures == .assumed { return entries.map { _ in true } }
    if entries.count <= Self.few, !isUrgent {
      return entries.map { Self.isSigned($0.content, $0.signed) }
    }
    return await withTaskGroup(of: (Int, [Bool]).self) { group in
      for start in stride(from: 0, to: entries.count, by: Self.pieceSize) {
        let piece = entries[start..<min(start + Self.pieceSize, entries.count)]
        group.addTask {
          let valid = await VerifierThreads.run(isUrgent: isUrgent) {
            piece.map { Self.isSigned($0.content, $0.signed) }
          }
          return (start, valid)
        }
      }
      var results = [Bool](repeating: false, count: entries.count)
      for await (start, piece) in group {
        results.replaceSubrange(start..<start + piece.count, with: piece)
      }
      return results
    }
  }
}
