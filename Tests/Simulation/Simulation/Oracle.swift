import Consensus
import Domain
import Node
import Storage

/// Watches a run and knows what may not happen. Written apart from the modules under test: it
/// shares their values, and none of their predicates.
struct Oracle {
  /// The first thing that was wrong.
  private(set) var violation: String?
  private(set) var electorate: Electorate
  let community: Community
  let settings: RunSettings

  // What was signed and certified, by epoch and view.
  var ballots: [BallotName: Ballot] = [:]
  var notarized: [ViewName: Digest] = [:]
  var nullified: Set<ViewName> = []
  var finalized: [ViewName: Digest] = [:]
  /// Final blocks whose notarization is still to be looked up.
  var unproven: [ViewName: Digest] = [:]
  var accused: Set<PublicKey> = []

  var chain = ChainMemory()
  /// Where each command and reading was applied.
  var applied: [Digest: ReceiptPosition] = [:]
  var acknowledged: [Acknowledgement] = []
  var books: Books

  init(_ community: Community, _ settings: RunSettings) {
    self.community = community
    self.settings = settings
    electorate = Electorate(community)
    books = Books(community)
  }

  /// The run is too long to remember every entry: `Load` counts them, and what all nodes have
  /// behind them is forgotten.
  var isLong: Bool { settings.load != nil }
  /// In a long run one step in so many has its tables checked whole.
  private static let checkedStep = 256
  private var steps = 0

  mutating func fail(_ what: String) {
    if violation == nil { violation = what }
  }

  // MARK: epochs

  /// Validators by epoch, the first one's first, as the chain's commands have it.
  var epochs: [[PublicKey]] { electorate.epochs }

  /// Behind a block a node is in the epoch that the chain's commands up to there give, with that
  /// epoch's validators: it enters none too early or too late, and no other.
  private mutating func checkEpoch(
    _ epoch: UInt64, _ validators: [PublicKey], behind height: UInt64, name: String
  ) {
    let due = electorate.epoch(behind: height)
    if epoch != UInt64(due) {
      fail("\(name) is in epoch \(epoch) behind block \(height), and not in \(due)")
    } else if validators != epochs[due - 1] {
      fail("\(name) is in epoch \(epoch) with other validators")
    }
  }

  func validators(of epoch: UInt64) -> [PublicKey]? {
    epoch > 0 && epoch <= UInt64(epochs.count) ? epochs[Int(epoch) - 1] : nil
  }

  // MARK: nodes

  /// 9: what is final stays final, across restarts. 13: memory is bounded.
  mutating func stepped(_ node: SimulatedNode, _ step: Step, name: String) {
    guard let replica = node.replica else { return }
    steps += 1
    if !isLong || steps.isMultiple(of: Self.checkedStep) {
      do throws(InvariantViolation) { try replica.checkInvariants() } catch {
        fail("\(name): \(error)")
      }
    }
    let core = replica.core
    // With blocks the commit tells.
    if step.decided.isEmpty {
      checkEpoch(
        core.configuration.epoch, core.configuration.validators, behind: node.floor.height,
        name: name)
    }
    if core.floor.view < node.floor.view || core.floor.height < node.floor.height {
      fail("\(name) goes back from height \(node.floor.height) to \(core.floor.height)")
    }
  }

  mutating func started(_ node: SimulatedNode, _ recovered: RecoveredState<BarePipeline>) {
    let floor = recovered.consensus.floor
    if floor.view < node.floor.view || floor.height < node.floor.height {
      fail("node \(node.index) starts at height \(floor.height), below \(node.floor.height)")
    }
    let registry = recovered.pipeline.registry
    checkEpoch(
      registry.epoch, registry.validators, behind: floor.height,
      name: "node \(node.index), which starts,")
  }

  mutating func halted(_ node: SimulatedNode, _ failure: NodeFailure, name: String) {
    if node.isHonest { fail("\(name) halts: \(failure)") }
  }

  /// What has become durable.
  mutating func committed(_ step: Step, by node: SimulatedNode, name: String) {
    // First, since the records behind a block that seals its epoch are of the next.
    for decided in step.decided {
      if let fault = electorate.take(decided) { fail(fault) }
    }
    for stored in step.batch.journal {
      guard let record = try? JournalRecord(decoding: stored.bytes) else {
        return fail("\(name) writes a journal record that cannot be read")
      }
      if case .certificate(let certificate) = record { held(certificate, name: name) }
      if case .vote(let vote) = record { signed(vote.subject, by: node, name: name) }
    }
    for evidence in step.batch.evidence { accused(evidence, name: name) }
    for decided in step.decided {
      execute(decided, by: node, name: name)
      node.floor = (decided.block.header.view, decided.block.header.height)
    }
    guard let replica = node.replica, !step.decided.isEmpty else { return }
    let configuration = replica.core.configuration
    checkEpoch(
      configuration.epoch, configuration.validators, behind: node.floor.height, name: name)
    let isDue = !isLong || step.decided.contains { !$0.execution.closes.isEmpty }
    if isDue, node.floor.height == chain.height { audit(replica, name: name) }
  }

  private mutating func accused(_ stored: StoredEvidence, name: String) {
    guard let validators = validators(of: stored.epoch), Int(stored.signer) < validators.count
    else { return fail("\(name) accuses a stranger") }
    let key = validators[Int(stored.signer)]
    accused.insert(key)
    let place = community.nodes.firstIndex { $0.publicKey == key } ?? 0
    if !isByzantine(key) { fail("\(name) accuses the honest N\(place)") }
  }

  func isByzantine(_ key: PublicKey) -> Bool {
    let first = settings.validators - settings.byzantine
    return community.nodes[first..<settings.validators].contains { $0.publicKey == key }
  }
}
