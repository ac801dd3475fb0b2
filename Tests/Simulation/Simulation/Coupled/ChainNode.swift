import Backbone
import Consensus
import Domain
import Node
import Storage

/// Where something happens: at a replica of a grid's chain or of the backbone, by its number.
enum Place: Hashable {
  case grid(Int)
  case backbone(Int)
}

/// A state that the simulation of several chains runs, and what it tells the oracle.
protocol SimulatedState: RestorableState {
  static func tell(_ step: Step, of node: ChainNode<Self>, to oracle: inout Settlement)
}

/// One replica of one chain with its disk. A Byzantine one is two of these with one key.
final class ChainNode<State: SimulatedState> {
  enum Stage {
    /// Not started, or between a crash and the restart. → running
    case down
    /// → committing, down
    case running
    /// A step waits for its commit. → running, down
    case committing(Step)
  }

  let place: Place
  /// Its number in traces.
  let number: Int
  /// The node that it is a part of.
  let process: Int
  let key: SigningKey
  let genesis: State.Genesis
  let isHonest: Bool
  var disk: SimulatedDisk
  var stage = Stage.down
  var replica: Replica<State>?
  /// Of the running life: what tells which votes are worth a check.
  var sieve: VoteSieve?
  /// Lives so far: what was scheduled for an earlier one is void.
  var life = 0
  var inbox: [ReplicaInput] = []
  var isStepDue = false
  /// When it is to be woken, virtual time.
  var wake: Int64?
  /// Its disk was lost, and it has not passed all views in which it may have signed.
  var mayHaveForgotten = false
  /// It begins with a state of another's when it starts next.
  var takesState = false
  /// Of the newest durable block, while the disk was not lost.
  var floor: (view: UInt64, height: UInt64) = (0, 0)

  init(
    place: Place, number: Int, process: Int, key: SigningKey, genesis: State.Genesis,
    isHonest: Bool
  ) {
    self.place = place
    self.number = number
    self.process = process
    self.key = key
    self.genesis = genesis
    self.isHonest = isHonest
    disk = SimulatedDisk(chain: genesis.chainID)
  }

  var isRunning: Bool { replica != nil }
  var id: PublicKey { key.publicKey }

  /// Its state as of what is durable; nil while it is down or a commit is under way.
  var settled: State? {
    guard case .running = stage else { return nil }
    return replica?.pipeline
  }

  /// Everything that is not on the disk is gone.
  func stop() {
    stage = .down
    replica = nil
    sieve = nil
    life += 1
    inbox = []
    isStepDue = false
    wake = nil
  }
}

/// One process: a grid's node, which keeps its grid's chain and a replica of the backbone.
struct Site {
  /// Numbers of its replicas: two where it is Byzantine.
  var grids: [Int] = []
  var backbones: [Int] = []
  /// Its clock minus the virtual one, µs.
  var offset: Int64 = 0
  /// Until when it carries nothing, to the backbone and from it.
  var cutUntil: [Int64] = [0, 0]
  /// It does not start again before.
  var awayUntil: Int64 = 0
  /// What it carried last in each direction, and when: it waits for an answer for a while.
  var carried: [(received: UInt64, at: Int64)?] = [nil, nil]
}
