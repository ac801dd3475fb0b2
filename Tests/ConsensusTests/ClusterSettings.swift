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
  /// Partitions come and go.
  var hasPartitions = true

  /// Faults drawn from the seed.
  init(validators: Int, seed: UInt64, planted: PlantedBugs = [], isCrashHeavy: Bool = false) {
    self.validators = validators
    self.seed = seed
    self.planted = planted
    var random = SplitMix64(seed ^ 0x5e771265)
    byzantine = random.chance(70) ? Quorum.faults(of: validators) : 0
    crashPermille = isCrashHeavy ? 12 : [0, 1, 4][Int(random.int(0...2))]
    dropPercent = [0, 5, 25][Int(random.int(0...2))]
    isByzantineHealed = random.chance(50)
    hasPartitions = random.chance(60)
    executionDelay = [0, 0, 20_000, 300_000][Int(random.int(0...3))]
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
  }
}

/// What happens at an instant.
enum ClusterEvent {
  case arrival(Message, from: UInt16, to: Int, life: Int)
  case input(Input, to: Int, life: Int)
  case wake(Int, life: Int)
  case restart(Int)
  case work
  case partition
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
