import Consensus
import Domain
import Node
import Storage
import Wire

/// A chain made without a node, block by block over bare cores, and signed by a quorum of its
/// validators, in a store that had every block.
struct StoredChain<State: RestorableState> {
  let genesis: State.Genesis
  let store: Store
  private(set) var state: State
  /// Of the present validators, in their order.
  var keys: [SigningKey]
  /// By height less one.
  private(set) var blocks: [DecidedBlock] = []
  private(set) var sent: [[Packet]] = []
  private var attestations: [Attestation]
  private var sequences: [PublicKey: UInt64] = [:]
  /// What is stored of a block, when it is not what its execution gave.
  var falsify: (inout ExecutedBlock) -> Void = { _ in }

  init(_ genesis: State.Genesis, keys: [SigningKey], path: String) async throws {
    self.genesis = genesis
    self.keys = keys
    store = try Store(path: path, chain: genesis.chainID)
    var state = try await State(genesis: genesis)
    let roots = state.roots()
    attestations = [
      Attestation(
        height: 0, stateRoot: roots.state, receiptsRoot: Digest.sha256([]),
        outboxRoot: roots.outbox)
    ]
    self.state = state
  }

  var chain: ChainID { genesis.chainID }
  var height: UInt64 { UInt64(blocks.count) }
  /// Unix seconds of the newest block.
  var time: Int64 { blocks.last?.header.time.seconds ?? genesis.calendar.origin }

  /// The next block, a second after the last one unless told; its header attests the block `lag`
  /// before the last.
  @discardableResult
  mutating func add(
    _ entries: [VerifiedEntry] = [], at second: Int64? = nil, lag: Int = 0,
    isCertified: Bool = true
  ) async throws -> Execution {
    var body = CanonicalWriter()
    for entry in entries { BlockBody.append(entry, to: &body) }
    let parent = blocks.last
    let view = parent?.header.view ?? 0
    let header = BlockHeader(
      chain: chain, epoch: state.registry.epoch, height: height + 1, view: view + 1,
      parentView: view, parent: parent?.hash ?? chain,
      time: Timestamp(seconds: max(second ?? 0, time + 1)), body: Digest.sha256(body.bytes),
      attested: attestations[Int(height) - lag])
    let block = DecidedBlock(
      header: header, hash: header.hash, body: body.bytes, entries: entries,
      finality: isCertified ? finality(of: header) : nil)
    let execution = try await state.execute(block)
    var executed = ExecutedBlock(block, execution)
    falsify(&executed)
    try store.commit(CommitBatch(executed: [executed]))
    blocks.append(block)
    sent.append(execution.packets)
    attestations.append(execution.attestation)
    return execution
  }

  /// What makes the block of `header` final: the signatures of the last validators.
  func finality(
    of header: BlockHeader, by keys: [SigningKey]? = nil, _ kind: VoteKind = .finalize
  ) -> FinalityProof {
    let keys = keys ?? self.keys
    let subject = Subject.block(kind, header, hash: header.hash)
    let payload = subject.payload(chain: header.chain)
    let first = keys.count - Quorum.size(of: keys.count)
    let votes = keys.enumerated().dropFirst(first).map { place, key in
      Vote(
        subject: subject, signer: UInt16(place), signature: key.sign(payload, for: .consensus))
    }
    return FinalityProof(blocks: [], certificate: Certificate(subject: subject, votes: votes))
  }

  /// A command with the signer's next sequence.
  mutating func command(_ body: CommandBody, by key: SigningKey) throws -> VerifiedEntry {
    sequences[key.publicKey, default: 0] += 1
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: key.publicKey, sequence: sequences[key.publicKey, default: 1],
        expires: Timestamp(seconds: 1 << 40), body: body))
    return VerifiedEntry(
      verified: .command(try WireCommand.parse(payload)),
      signed: SignedBytes(payload: payload, signature: key.sign(payload, for: .command)))
  }

  func reading(
    _ meter: SigningKey, _ interval: Interval, exported: Int64 = 0, imported: Int64 = 0
  ) -> VerifiedEntry {
    let reading = Reading(
      chain: chain, meter: meter.publicKey, interval: interval, exported: Energy(exported),
      imported: Energy(imported), version: 1)
    let payload = WireReading.payload(of: reading)
    return VerifiedEntry(
      verified: .reading(reading),
      signed: SignedBytes(payload: payload, signature: meter.sign(payload, for: .reading)))
  }

  /// Goes over to other validators: proposed by `lead`, accepted by the present ones and the next.
  mutating func change(to next: [SigningKey], lead: SigningKey) async throws {
    let name = ValidatorSet.digest(
      chain: chain, epoch: state.registry.epoch + 1, keys: next.map(\.publicKey))
    try await add([try command(.proposeValidators(next.map(\.publicKey)), by: lead)])
    let epoch = state.registry.epoch
    for key in keys + next
    where state.registry.epoch == epoch && !state.registry.hasAccepted(key.publicKey) {
      try await add([try command(.acceptValidators(name), by: key)])
    }
    keys = next
  }

  // MARK: Packets

  /// Deliveries of all packets for `destination` behind the first `executed` that headers attest.
  func deliveries(to destination: ChainID, behind executed: UInt64) throws -> [VerifiedEntry] {
    var deliveries: [VerifiedEntry] = []
    for (place, packets) in sent.enumerated().dropLast() {
      var outbox = Outbox(packets)
      let proofs = packets.indices
        .filter { packets[$0].destination == destination && packets[$0].sequence > executed }
        .map { outbox.proof(of: $0) }
      guard !proofs.isEmpty else { continue }
      deliveries.append(try delivery(of: proofs, under: blocks[place + 1].header))
    }
    return deliveries
  }

  /// A packet that this chain's validators have signed and that is in none of its blocks.
  func forged(_ content: PacketContent, to destination: ChainID, sequence: UInt64) throws
    -> VerifiedEntry
  {
    var outbox = Outbox([
      Packet(
        source: chain, destination: destination, sequence: sequence, acknowledged: 0,
        content: content)
    ])
    var header = blocks[Int(height) - 1].header
    header.attested.outboxRoot = outbox.root()
    return try delivery(of: [outbox.proof(of: 0)], under: header)
  }

  private func delivery(
    of packets: [PacketProof], under header: BlockHeader
  ) throws -> VerifiedEntry {
    let delivery = PacketDelivery(
      source: chain, destination: packets[0].packet.destination, epochs: [], header: header,
      finality: finality(of: header).headers.encoded, packets: packets)
    return VerifiedEntry(
      verified: .delivery(try PacketDelivery(decoding: delivery.encoded)),
      signed: SignedBytes(payload: delivery.encoded, signature: .zero))
  }
}
