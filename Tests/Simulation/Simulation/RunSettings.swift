import Consensus
import TestSupport

/// What the Byzantine validators of a run do. Each is two nodes with one key, that share nothing.
struct Mischief: OptionSet, Sendable {
  let rawValue: UInt16

  /// The two talk to different halves of the others.
  static let equivocation = Mischief(rawValue: 1)
  /// Proposals and votes are kept from some.
  static let withholding = Mischief(rawValue: 2)
  /// Whatever passes by is signed, nullify and finalize of one view too.
  static let signingAnything = Mischief(rawValue: 4)
  /// Proposals with lies in the header.
  static let forgedHeaders = Mischief(rawValue: 8)
  /// Proposals with bad entries, or another body than the header's.
  static let forgedBodies = Mischief(rawValue: 16)
  /// Many votes, for views near and far.
  static let floods = Mischief(rawValue: 32)
  /// What was heard long ago is sent again.
  static let replays = Mischief(rawValue: 64)
  /// Wrong answers, heights and standings.
  static let lies = Mischief(rawValue: 128)

  static let all = Mischief(rawValue: 255)
}

/// One run of the simulation, wholly determined by these values.
package struct RunSettings: Sendable {
  package var seed: UInt64
  /// Of the first epoch.
  package var validators: Int
  /// Nodes that only follow at first; a change of validators may take them in.
  package var followers = 0
  /// The last validators of the first epoch are Byzantine.
  package var byzantine = 0
  var mischief: Mischief = .all
  /// Whether Byzantine validators go on, or are silent, after the faults.
  var isByzantineHealed = false
  package var planted: PlantedBugs = []
  /// A message is not sent before what it rests on is durable; false leaves it to the
  /// consequences to tell.
  package var checksDurability = true

  // Network.
  var dropPercent: Int = 0
  var duplicatePercent: Int = 0
  /// Messages that take up to two seconds.
  var slowPercent: Int = 0
  /// Microseconds of a message that is neither lost nor slow.
  var delay: ClosedRange<Int64> = 1_000...20_000
  /// One-way partitions and clogged links come and go.
  var hasPartitions = false

  // Nodes and disks.
  /// Of a thousand commits, how many end in a crash.
  var crashPermille: Int = 0
  /// Of a thousand commits, how many fail.
  var diskPermille: Int = 0
  /// Kills, pauses, lost and damaged disks, at random moments.
  var hasNodeFaults = false
  /// Half of these faults are of disks: lost, or damaged.
  var isDiskHeavy = false
  /// Some nodes start seconds after the others.
  var startsLate = false
  var hasClockFaults = false
  /// Microseconds that a commit takes.
  var sync: ClosedRange<Int64> = 200...2_000
  /// A snapshot at the first close after so many blocks.
  var snapshotEvery: UInt64 = 12

  /// Blocks to keep below the newest snapshot; nil for all.
  var keepBlocks: UInt64?
  /// What the nodes' processors need; nothing unless a run is about that.
  package var service = ServiceTimes.none
  /// Microseconds between two faults of nodes, and between two of the network.
  var faultPause: ClosedRange<Int64> = 150_000...1_800_000
  var networkPause: ClosedRange<Int64> = 200_000...2_500_000

  // Load.
  /// What large communities' clients offer, in place of the few calls of others; nil for those.
  var load: LoadSettings?
  var hasClients = true
  /// Milliseconds between two calls of clients, at most.
  var clientPause: Int64 = 400
  var changesValidators = false

  // Time, virtual seconds.
  package var faultSeconds: Int64 = 10
  /// Within which, after the faults, every node has to grow and every call to be answered.
  package var healSeconds: Int64 = 120
  /// A run that never ends is a fault.
  var eventLimit = 5_000_000

  /// No faults at all.
  package init(calm validators: Int, seed: UInt64) {
    self.seed = seed
    self.validators = validators
  }

  /// Faults drawn from the seed.
  package init(
    validators: Int, seed: UInt64, planted: PlantedBugs = [], isCrashHeavy: Bool = false
  ) {
    self.init(calm: validators, seed: seed)
    self.planted = planted
    var random = SplitMix64(seed: seed ^ 0x5e77_1265)
    byzantine = random.chance(60) ? Quorum.faults(of: validators) : 0
    if random.chance(50) { mischief = Mischief(rawValue: UInt16(random.next() & 255)) }
    isByzantineHealed = random.chance(50)
    dropPercent = random.element(of: [0, 5, 25])
    duplicatePercent = random.element(of: [0, 5])
    slowPercent = random.element(of: [0, 3])
    delay = 1_000...random.element(of: [5_000, 20_000, 80_000])
    hasPartitions = random.chance(60)
    crashPermille = isCrashHeavy ? 15 : random.element(of: [0, 1, 4])
    diskPermille = random.element(of: [0, 0, 2])
    hasNodeFaults = random.chance(60)
    isDiskHeavy = random.chance(25)
    startsLate = random.chance(25)
    hasClockFaults = random.chance(30)
    sync = 200...random.element(of: [500, 3_000, 30_000])
    snapshotEvery = random.element(of: [3, 12, 1_000])
    clientPause = random.element(of: [150, 400, 1_500])
    changesValidators = random.chance(25)
    if changesValidators {
      followers = validators == 1 ? random.element(of: [1, 3]) : 1
    } else {
      followers = random.chance(10) ? 1 : 0
    }
  }
}
