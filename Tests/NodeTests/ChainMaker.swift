import Consensus
import Domain
import Node
import Storage
import TestSupport
import Wire

/// Makes a chain without a node: random blocks over bare cores, signed by a quorum of whatever
/// validators the chain has, in a store that had every block.
struct ChainMaker {
  let test: TestGrid
  let store: Store
  var pipeline: BarePipeline
  /// Of the present validators, in their order.
  private(set) var keys: [SigningKey]
  /// By height less one.
  private(set) var blocks: [DecidedBlock] = []
  private(set) var attestations: [Attestation]
  private var workload: Workload
  private var random: SplitMix64
  private var sequences: [PublicKey: UInt64] = [:]
  /// Height of the newest block that could be kept as a state.
  private var saved: UInt64 = 0
  /// Whether each state is attested by the very next header.
  var attestsEveryState = true

  init(_ test: TestGrid, validators: [SigningKey], seed: UInt64, store name: String) async throws {
    self.test = test
    keys = validators
    store = try Store(path: test.folder + "/" + name, chain: test.genesis.chainID)
    pipeline = try await BarePipeline(genesis: test.genesis)
    workload = Workload(test)
    random = SplitMix64(seed: seed)
    let root = StateRoot.compose(
      accounts: pipeline.ledger.root(), checkpoint: pipeline.checkpoint)
    attestations = [
      Attestation(
        height: 0, stateRoot: root, receiptsRoot: Digest.sha256([]), outboxRoot: Digest.sha256([]))
    ]
  }

  var height: UInt64 { UInt64(blocks.count) }
  var registry: ValidatorRegistry { pipeline.registry }

  /// So many random blocks; with `isSaving`, a snapshot at the last of them that closed an
  /// interval. With several validators, not every block has its own certificate, and headers
  /// attest sometimes one block before the last.
  mutating func grow(_ count: Int, isSaving: Bool = false) async throws {
    var snapshot: StoredSnapshot?
    for step in 1...count {
      let isLast = step == count
      let execution = try await add([], isCertified: isLast || random.below(4) > 0)
      if isSaving, let chunks = execution.chunks {
        snapshot = StoredSnapshot(
          height: height, stateRoot: execution.attestation.stateRoot,
          accountsRoot: execution.ledger.root, chunks: chunks)
      }
    }
    if isSaving { try store.commit(CommitBatch(snapshot: snapshot)) }
  }

  /// Proposes `next`, lets the old and the new validators accept, each in a block of its own, and
  /// goes on with them once the epoch is sealed.
  mutating func change(to next: [SigningKey]) async throws {
    let name = ValidatorSet.digest(
      chain: test.genesis.chainID, epoch: registry.epoch + 1, keys: next.map(\.publicKey))
    let propose = workload.command(
      .proposeValidators(next.map(\.publicKey)), by: test.lead.publicKey)
    _ = try await add([propose], isCertified: true)
    let epoch = registry.epoch
    for key in keys + next where registry.epoch == epoch {
      guard !registry.hasAccepted(key.publicKey) else { continue }
      _ = try await add([try accept(name, by: key)], isCertified: true)
    }
    if registry.validators == next.map(\.publicKey) { keys = next }
  }

  private mutating func accept(_ name: Digest, by key: SigningKey) throws -> VerifiedEntry {
    sequences[key.publicKey, default: 0] += 1
    let signed = test.command(
      .acceptValidators(name), by: key, sequence: sequences[key.publicKey, default: 1])
    return VerifiedEntry(
      verified: .command(try WireCommand.parse(signed.payload)), signed: signed)
  }

  /// Goes on with other signers than the chain has, as somebody who forges it does.
  mutating func forge(by forger: [SigningKey]) { keys = forger }

  /// The next block: random entries and `more`, executed and stored.
  mutating func add(_ more: [VerifiedEntry], isCertified: Bool) async throws -> Execution {
    let block = decide(more, isCertified: isCertified)
    let execution = try await pipeline.execute(block)
    try store.commit(CommitBatch(executed: [ExecutedBlock(block, execution)]))
    blocks.append(block)
    attestations.append(execution.attestation)
    if execution.chunks != nil, attestsEveryState { saved = height }
    return execution
  }

  private mutating func decide(_ more: [VerifiedEntry], isCertified: Bool) -> DecidedBlock {
    var block = workload.block(height: height + 1, &random)
    block.entries = block.entries.map { entry in
      guard case .reading(let reading) = entry.content else { return entry }
      let payload = WireReading.payload(of: reading)
      return VerifiedEntry(
        verified: entry.content, signed: SignedBytes(payload: payload, signature: .zero))
    }
    block.entries += more
    var body = CanonicalWriter()
    for entry in block.entries { BlockBody.append(entry, to: &body) }
    let parent = blocks.last
    // A state that is kept is attested: that is what a node waits for.
    let lag = keys.count > 1 && height > saved && random.below(4) == 0 ? 1 : 0
    let parentView = parent?.header.view ?? 0
    block.header = BlockHeader(
      chain: test.genesis.chainID, epoch: registry.epoch, height: height + 1,
      view: parentView + 1 + UInt64(random.below(2)), parentView: parentView,
      parent: parent?.hash ?? test.genesis.chainID, time: block.header.time,
      body: Digest.sha256(body.bytes), attested: attestations[Int(height) - lag])
    block.body = body.bytes
    block.hash = block.header.hash
    block.finality =
      isCertified || keys.count == 1 ? finality(of: block.header, by: keys) : nil
    return block
  }

  /// What makes the block of `header` final: a quorum of `keys`, the last ones.
  func finality(of header: BlockHeader, by keys: [SigningKey]) -> FinalityProof {
    let subject = Subject.block(.finalize, header, hash: header.hash)
    let payload = subject.payload(chain: header.chain)
    let first = keys.count - Quorum.size(of: keys.count)
    let votes = keys.enumerated().dropFirst(first).map { place, key in
      Vote(
        subject: subject, signer: UInt16(place), signature: key.sign(payload, for: .consensus))
    }
    return FinalityProof(blocks: [], certificate: Certificate(subject: subject, votes: votes))
  }

  var archive: SnapshotArchive { SnapshotArchive(store) }
}
