import Consensus
import Domain

/// One run of the simulation, wholly determined by these values.
struct ClusterSettings {
  var validators: Int
  var seed: UInt64
  var planted: PlantedBugs = []
  /// The last validators are Byzantine: each is two cores with one key, that moreover sign what
  /// passes by.
  var byzantine: Int
  /// Of a thousand steps, how many end in a crash.
  var crashPermille: Int64
  var dropPercent: Int64
  var duplicatePercent: Int64 = 5
  /// Messages that take up to two seconds.
  var slowPercent: Int64 = 3
  /// From a block's commit to `executed`, µs.
  var executionDelay: Int64 = 0
  /// Seconds of virtual time with faults, then at most this long until the chain has grown.
  var faultSeconds: Int64 = 12
  var healSeconds: Int64 = 180
  /// Whether Byzantine validators go on, or are silent, after the faults.
  var isByzantineHealed = false
  /// Without work and faults: an idle chain.
  var hasWork = true
  /// From one arrival of work to the next, µs.
  var workPause: ClosedRange<Int64> = 50_000...900_000
  /// A message's usual way, µs.
  var delay: ClosedRange<Int64> = 2000...80_000
  /// From one end to the other of the line on which the validators stand, in some order, µs.
  var distance: Int64 = 0
  /// How far clocks differ from the true one, µs.
  var skew: Int64 = 100_000
  /// Whether messages are counted and weighed.
  var isWeighed = false
  /// Whether every command reaches all nodes.
  var isWorkForAll = false
  /// Partitions come and go.
  var hasPartitions = true
  /// Of a hundred crashes of a validator, how many take its disk with them, as far as f bears it.
  var wipePercent: Int64 = 0
  /// Whether the validators have still to tell each other that they begin.
  var isNew = true
  /// Whether nodes are told of links that come up.
  var tellsLinks = true
  /// Height of the block that seals the first epoch; 0 if none does. In the second, validator
  /// `dropped` is none any more, and a new one comes behind the others.
  var sealHeight = 0
  var dropped = 0
  /// Nodes that only follow.
  var observers = 0
  /// One honest clock at a time is hours wrong for a while.
  var hasJumps = false
  /// Validator 0 executes this much later, µs.
  var slowness: Int64 = 0

  /// Faults drawn from the seed.
  init(validators: Int, seed: UInt64, planted: PlantedBugs = [], isCrashHeavy: Bool = false) {
    self.validators = validators
    self.seed = seed
    self.planted = planted
    var random = SplitMix64(seed ^ 0x5e771265)
    let faults = Int64(Quorum.faults(of: validators))
    byzantine = Int(random.chance(60) ? faults : random.int(0...faults))
    crashPermille = isCrashHeavy ? 12 : [0, 1, 4][Int(random.int(0...2))]
    dropPercent = [0, 5, 25][Int(random.int(0...2))]
    isByzantineHealed = random.chance(50)
    hasPartitions = random.chance(60)
    executionDelay = [0, 0, 20_000, 300_000, 2_000_000][Int(random.int(0...4))]
    wipePercent = [0, 40, 80][Int(random.int(0...2))]
    tellsLinks = random.chance(70)
    if random.chance(40) { sealHeight = Int(random.int(3...25)) }
    dropped = Int(random.int(0...Int64(validators - 1)))
    observers = random.chance(30) ? 1 : 0
    hasJumps = random.chance(25)
    if random.chance(15) { slowness = 3_000_000 }
  }

  /// No faults at all.
  init(calm validators: Int, seed: UInt64) {
    self.validators = validators
    self.seed = seed
    byzantine = 0
    crashPermille = 0
    dropPercent = 0
    duplicatePercent = 0
    slowPercent = 0
    hasPartitions = false
    isNew = false
  }
}

/// Who is who. An identity is a key; in an epoch it has a place among the validators, or it
/// follows under a number behind theirs.
extension ClusterSettings {
  var identities: Int { validators + (sealHeight > 0 ? 1 : 0) + observers }

  func members(of epoch: UInt64) -> [UInt16] {
    let first = (0..<UInt16(validators)).map { $0 }
    return epoch == 1 ? first : first.filter { $0 != dropped } + [UInt16(validators)]
  }

  /// Whether it is one in some epoch.
  func isValidator(_ identity: UInt16) -> Bool {
    Int(identity) < validators || (sealHeight > 0 && Int(identity) == validators)
  }

  func number(of identity: UInt16, in epoch: UInt64) -> UInt16 {
    let members = members(of: epoch)
    return members.firstIndex(of: identity).map { UInt16($0) } ?? UInt16(members.count) + identity
  }

  func identity(numbered number: UInt16, in epoch: UInt64) -> UInt16 {
    let members = members(of: epoch)
    return Int(number) < members.count ? members[Int(number)] : number - UInt16(members.count)
  }
}

/// What happens at an instant.
enum ClusterEvent {
  case arrival(Message, from: UInt16, to: Int, life: Int)
  case input(Input, to: Int, term: Int)
  case link(Int, Int)
  case wake(Int, term: Int)
  case restart(Int)
  case work
  case partition
  case jump
  case heal
}

/// Events by time, then by order of scheduling: a binary heap.
struct EventHeap {
  private struct Entry {
    var time: Int64
    var order: UInt64
    var event: ClusterEvent

    func isBefore(_ other: Entry) -> Bool { (time, order) < (other.time, other.order) }
  }

  private var entries: [Entry] = []
  private var order: UInt64 = 0

  var isEmpty: Bool { entries.isEmpty }

  mutating func push(_ event: ClusterEvent, at time: Int64) {
    order += 1
    entries.append(Entry(time: time, order: order, event: event))
    var child = entries.count - 1
    while child > 0, entries[child].isBefore(entries[(child - 1) / 2]) {
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> (time: Int64, event: ClusterEvent)? {
    guard let first = entries.first else { return nil }
    let last = entries.removeLast()
    guard !entries.isEmpty else { return (first.time, first.event) }
    entries[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
        if entries[child].isBefore(entries[least]) { least = child }
      }
      guard least != parent else { break }
      entries.swapAt(least, parent)
      parent = least
    }
    return (first.time, first.event)
  }
}
