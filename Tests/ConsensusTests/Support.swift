import Consensus
import Domain
import Testing

/// Keys that are the same in every run.
func key(_ number: Int) -> SigningKey {
  var seed = [UInt8](repeating: 0x5a, count: 32)
  seed[0] = UInt8(number & 255)
  seed[1] = UInt8(number >> 8)
  return SigningKey(seed: seed).unsafelyUnwrapped
}

let chain = Digest.sha256(Array("a chain".utf8))
let origin = Timestamp(seconds: 1_700_000_000)

func attestation(_ height: UInt64, _ state: Digest = .sha256([0])) -> Attestation {
  Attestation(
    height: height, stateRoot: state, receiptsRoot: .sha256([]), outboxRoot: .sha256([]))
}

/// All others have witnessed that this node begins.
let resolved = JournalRecord.abstention(epoch: 1, through: 0)

/// A chain that has only its genesis.
func fresh(journal: [JournalRecord] = [resolved]) -> RecoveredConsensus {
  RecoveredConsensus(
    floor: ChainPoint(height: 0, view: 0, hash: chain, time: origin),
    attestation: attestation(0), journal: journal)
}

func configuration(_ n: Int, own: Int?) -> ConsensusConfiguration {
  ConsensusConfiguration(
    chain: chain, validators: (0..<n).map { key($0).publicKey }, own: own.map { key($0) })
}

func vote(_ subject: Subject, by signer: Int, on chain: ChainID = chain) -> Vote {
  Vote(
    subject: subject, signer: UInt16(signer),
    signature: key(signer).sign(subject.payload(chain: chain), for: .consensus))
}

func beginning(of signer: Int, life: UInt64, epoch: UInt64 = 1) -> Beginning {
  let payload = Beginning.payload(chain: chain, epoch: epoch, life: life)
  return Beginning(
    epoch: epoch, signer: UInt16(signer), life: life,
    signature: key(signer).sign(payload, for: .consensus))
}

/// A quorum's certificate: of validators 1, 2 and 3 of four.
func certificate(_ subject: Subject) -> Certificate {
  Certificate(subject: subject, votes: [1, 2, 3].map { vote(subject, by: $0) })
}

func block(
  view: UInt64, on parent: ChainPoint, body: [UInt8] = [], after microseconds: Int64 = 1,
  attesting attested: Attestation = attestation(0)
) -> Block {
  Block(
    header: BlockHeader(
      chain: chain, epoch: 1, height: parent.height + 1, view: view, parentView: parent.view,
      parent: parent.hash,
      time: Timestamp(microseconds: parent.time.microseconds + microseconds),
      body: .sha256(body), attested: attested),
    body: body)
}

/// What a step asked for, in words that tests can compare.
extension Effect {
  var name: String {
    switch self {
    case .persist(.vote(let vote)): "persist \(vote.subject.kind)"
    case .persist(.certificate(let certificate)): "persist \(certificate.subject.kind) certificate"
    case .persist(.certified): "persist certified"
    case .persist(.block): "persist block"
    case .persist(.beginning(let beginning)): "persist beginning of \(beginning.signer)"
    case .persist(.abstention(_, let view)): "persist abstention \(view)"
    case .broadcast(.proposal): "broadcast proposal"
    case .broadcast(.vote(let vote)): "broadcast \(vote.subject.kind)"
    case .broadcast(.certificate(let certificate)):
      "broadcast \(certificate.subject.kind) certificate"
    case .broadcast: "broadcast other"
    case .send(.certificate(let certificate), _): "send \(certificate.subject.kind) certificate"
    case .send(.standing, _): "send standing"
    case .send(.fetch, _): "send fetch"
    case .send: "send"
    case .build(let view, _): "build \(view)"
    case .deliver(let block): "deliver \(block.block.header.height)"
    case .schedule: "schedule"
    case .validate: "validate"
    case .serve: "serve"
    case .accuse: "accuse"
    case .abandon: "abandon"
    case .halt: "halt"
    }
  }
}

extension ConsensusCore {
  /// Steps, and gives what the step asked for; the core's invariants hold after it.
  mutating func effects(_ input: Input, at now: Timestamp) throws -> [Effect] {
    var effects: [Effect] = []
    step(input, now: now, into: &effects)
    try checkInvariants()
    return effects
  }

  mutating func names(_ input: Input, at now: Timestamp) throws -> [String] {
    try effects(input, at: now).map(\.name)
  }
}

func later(_ microseconds: Int64) -> Timestamp {
  Timestamp(microseconds: origin.microseconds + microseconds)
}
