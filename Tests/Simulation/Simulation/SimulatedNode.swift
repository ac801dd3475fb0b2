import Consensus
import Domain
import Node
import Synchronization

typealias BareReplica = Replica<BarePipeline>

/// One process with its disk. A Byzantine validator is two of these with one key.
final class SimulatedNode {
  /// What it is doing.
  enum State {
    /// Not started so far, or between a crash and the restart. → running
    case down
    /// → committing, down
    case running
    /// A step waits for its commit; what comes meanwhile waits for the next. → running, down
    case committing(Step)
  }

  let index: Int
  let key: SigningKey
  let isHonest: Bool
  var disk: SimulatedDisk
  var state = State.down
  var replica: BareReplica?
  /// Of the running life: what tells which votes are worth a check.
  var sieve: VoteSieve?
  /// Of the epoch that its replica is in.
  var epoch: UInt64 = 0
  var validators: [PublicKey] = []
  /// Lives so far: what was scheduled for an earlier one is void.
  var life = 0
  /// What waits for the next step.
  var inbox: [ReplicaInput] = []
  var isStepDue = false
  var pausedUntil: Int64 = 0
  /// Its clock minus the virtual one, µs.
  var offset: Int64 = 0
  /// Its clock has been ahead by more than a block may be.
  var hasBeenAhead = false
  /// When it is to be woken, virtual time.
  var wake: Int64?
  /// What its one core has to do.
  var processor = SimulatedProcessor()
  /// What it lets in of its clients' entries, as the node does.
  var gate: Inbox
  /// Height below which bodies are gone.
  var oldestKept: UInt64 = 0
  /// A planted mistake: what it keeps of each step for ever; nil in a node without it.
  var hoard: [UInt64]?
  /// Of the running life, what clients' calls came to.
  var answers = AnswerBox()
  /// Its disk was lost, and it has not passed all views in which it may have signed: as a validator
  /// it counts among the faulty.
  var mayHaveForgotten = false
  /// It takes part from some moment on.
  var hasJoined: Bool

  // For the oracle.
  /// Of the last final block, while the disk was not lost.
  var floor: (view: UInt64, height: UInt64) = (0, 0)

  private let firstSize: InboxSize

  init(
    index: Int, key: SigningKey, isHonest: Bool, hasJoined: Bool, disk: SimulatedDisk,
    validators: Int
  ) {
    firstSize = InboxSize(validators: validators)
    gate = Inbox(size: firstSize)
    self.index = index
    self.key = key
    self.isHonest = isHonest
    self.hasJoined = hasJoined
    self.disk = disk
  }

  var isRunning: Bool { replica != nil }
  var id: PublicKey { key.publicKey }

  /// Its process ends: everything that is not on the disk is gone.
  func stop() {
    state = .down
    replica = nil
    sieve = nil
    life += 1
    inbox = []
    isStepDue = false
    wake = nil
    processor = SimulatedProcessor()
    gate = Inbox(size: firstSize)
    answers = AnswerBox()
  }
}

/// Collects what a node answers to its clients' calls, by their numbers.
final class AnswerBox: Sendable {
  typealias Item = (call: Int, outcome: SubmissionAnswer.Outcome)
  private let items = Mutex<[Item]>([])

  func answer(to call: Int) -> SubmissionAnswer {
    SubmissionAnswer { [self] outcome in items.withLock { $0.append((call, outcome)) } }
  }

  func take() -> [Item] {
    items.withLock { items in
      defer { items = [] }
      return items
    }
  }
}
