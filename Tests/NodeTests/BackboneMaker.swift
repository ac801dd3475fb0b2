import Backbone
import Consensus
import Domain
import Foundation
import Node
import Storage
import Wire

/// Makes a backbone's chain without a node: blocks over its pipeline, signed by its only validator,
/// in a store that had every block.
struct BackboneMaker {
  static let origin: Int64 = 1_700_000_100
  static let lead = SigningKey(seed: [UInt8](repeating: 1, count: 32))!
  static let validator = SigningKey(seed: [UInt8](repeating: 2, count: 32))!
  static let genesis = BackboneGenesis(
    name: "between", calendar: Calendar(origin: origin, wallOrigin: origin),
    roles: BackboneRoles(
      operator: lead.publicKey, oracle: lead.publicKey, gateway: lead.publicKey),
    validators: [validator.publicKey])
  static let id = genesis.chainID

  let store: Store
  var pipeline: BackbonePipeline
  private(set) var blocks: [DecidedBlock] = []
  private var attestations: [Attestation]
  private var sequence: UInt64 = 0

  init(store path: String) throws {
    store = try Store(path: path, chain: Self.id)
    pipeline = try BackbonePipeline(genesis: Self.genesis)
    let roots = pipeline.roots()
    attestations = [
      Attestation(
        height: 0, stateRoot: roots.state, receiptsRoot: Digest.sha256([]),
        outboxRoot: roots.outbox)
    ]
  }

  var height: UInt64 { UInt64(blocks.count) }
  var core: BackboneCore { pipeline.core }
  var registry: ValidatorRegistry { pipeline.registry }
  var archive: SnapshotArchive { SnapshotArchive(store) }

  func source(over store: Store) -> PacketSource {
    let registry = self.registry
    return PacketSource(chain: Self.id, store: store, registry: { registry })
  }

  /// A command of the operator, oracle and gateway, who are one.
  mutating func command(_ body: BackboneCommandBody) -> VerifiedEntry {
    sequence += 1
    let command = Command(
      chain: Self.id, signer: Self.lead.publicKey, sequence: sequence,
      expires: Timestamp(seconds: 1 << 40), body: .backbone(body))
    let payload = WireCommand.payload(of: command)
    return VerifiedEntry(
      verified: .command(command),
      signed: SignedBytes(payload: payload, signature: Self.lead.sign(payload, for: .command)))
  }

  /// The next block; its header attests the block so many before the last. With `isSaving` its
  /// state is kept.
  @discardableResult
  mutating func block(
    _ entries: [VerifiedEntry] = [], lag: Int = 0, isSaving: Bool = false, isCertified: Bool = true
  ) throws -> Execution {
    let next = self.next(entries, lag: lag, isCertified: isCertified)
    let execution = try pipeline.execute(next)
    try store.commit(CommitBatch(executed: [ExecutedBlock(next, execution)]))
    if isSaving, let chunks = execution.chunks {
      try store.commit(
        CommitBatch(
          snapshot: StoredSnapshot(
            height: next.header.height, stateRoot: execution.attestation.stateRoot,
            accountsRoot: execution.ledger.root, chunks: chunks)))
    }
    blocks.append(next)
    attestations.append(execution.attestation)
    return execution
  }

  private func next(_ entries: [VerifiedEntry], lag: Int, isCertified: Bool) -> DecidedBlock {
    var body = CanonicalWriter()
    for entry in entries { BlockBody.append(entry, to: &body) }
    let parent = blocks.last?.header
    let header = BlockHeader(
      chain: Self.id, epoch: registry.epoch, height: height + 1, view: height + 1,
      parentView: height, parent: parent?.hash ?? Self.id,
      time: Timestamp(seconds: Self.origin + Int64(height) + 1),
      body: Digest.sha256(body.bytes), attested: attestations[max(0, Int(height) - lag)])
    return DecidedBlock(
      header: header, hash: header.hash, body: body.bytes, entries: entries,
      finality: isCertified ? Self.finality(of: header, by: Self.validator) : nil)
  }

  /// What makes a block final that one validator alone decides.
  static func finality(of header: BlockHeader, by key: SigningKey) -> FinalityProof {
    let subject = Subject.block(.finalize, header, hash: header.hash)
    let vote = Vote(
      subject: subject, signer: 0,
      signature: key.sign(subject.payload(chain: header.chain), for: .consensus))
    return FinalityProof(blocks: [], certificate: Certificate(subject: subject, votes: [vote]))
  }
}

/// A grid of one validator that is registered with a `BackboneMaker`'s chain, and what it signs.
struct SigningGrid {
  let key: SigningKey
  let genesis: Genesis

  init(_ number: UInt8, key: SigningKey? = nil) {
    let key = key ?? SigningKey(seed: [UInt8](repeating: 50 + number, count: 32))!
    self.key = key
    let id = BackboneMaker.lead.publicKey
    var parameters = Parameters()
    parameters.educationFund = .zero
    genesis = Genesis(
      name: "grid \(number)", calendar: BackboneMaker.genesis.calendar, parameters: parameters,
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: [key.publicKey],
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: [], meters: [], storage: [], backbone: BackboneMaker.genesis)
  }

  var id: ChainID { genesis.chainID }

  /// A header of the grid, which attests these packets; `salt` makes it another one.
  func header(_ height: UInt64, salt: UInt64 = 0, epoch: UInt64 = 1, _ packets: [Packet] = [])
    -> BlockHeader
  {
    var outbox = Outbox(packets)
    return BlockHeader(
      chain: id, epoch: epoch, height: height, view: height, parentView: height - 1,
      parent: Digest(Bytes32(salt, height, 3, 3)),
      time: Timestamp(seconds: BackboneMaker.origin + Int64(height)), body: Digest.sha256([]),
      attested: Attestation(
        height: height - 1, stateRoot: .zero, receiptsRoot: .zero, outboxRoot: outbox.root()))
  }

  /// Withdrawals of one micro-unit, numbered from `first`.
  func packets(_ first: UInt64, _ count: UInt64) -> [Packet] {
    (first..<first + count).map { sequence in
      Packet(
        source: id, destination: BackboneMaker.id, sequence: sequence, acknowledged: 0,
        content: .withdrawal(from: key.publicKey, amount: Money(1)))
    }
  }

  func delivery(_ packets: [Packet], height: UInt64, salt: UInt64 = 0) -> VerifiedEntry {
    var outbox = Outbox(packets)
    let header = header(height, salt: salt, packets)
    let delivery = PacketDelivery(
      source: id, destination: BackboneMaker.id, epochs: [], header: header,
      finality: BackboneMaker.finality(of: header, by: key).headers.encoded,
      packets: packets.indices.map { outbox.proof(of: $0) })
    return VerifiedEntry(
      verified: .delivery(delivery),
      signed: SignedBytes(payload: delivery.encoded, signature: .zero))
  }

  func side(_ header: BlockHeader, by signer: SigningKey? = nil) -> HistoryReport.Side {
    HistoryReport.Side(
      epochs: [], header: header,
      finality: BackboneMaker.finality(of: header, by: signer ?? key).headers.encoded)
  }

  func report(_ first: HistoryReport.Side, _ second: HistoryReport.Side) -> VerifiedEntry {
    let report = HistoryReport(grid: id, first: first, second: second)
    return VerifiedEntry(
      verified: .report(report), signed: SignedBytes(payload: report.encoded, signature: .zero))
  }
}
