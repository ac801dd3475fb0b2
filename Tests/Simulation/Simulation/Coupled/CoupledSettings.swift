import TestSupport

/// One run of four grids and the backbone, wholly determined by these values.
package struct CoupledSettings: Sendable {
  package var seed: UInt64
  /// The node whose backbone validator is Byzantine: two replicas with its key.
  package var byzantineValidator: Int?
  /// The grid that is Byzantine.
  package var byzantineGrid: Int?
  /// The Byzantine grid's node keeps two histories with its key.
  var hasTwinGrid = false
  /// The Byzantine grid's node makes headers and packets of its own.
  var forges = false
  /// Whether these go on, or are silent, after the faults.
  var isByzantineHealed = false
  package var planted: PlantedLaneBug?

  // Network of the backbone.
  var dropPercent = 0
  var duplicatePercent = 0
  var slowPercent = 0
  var delay: ClosedRange<Int64> = 1_000...20_000
  var hasPartitions = false

  // Carrying.
  /// µs between two looks of a node, in each direction.
  var carryPause: ClosedRange<Int64> = 10_000...60_000
  /// Deliveries that begin too early or too late, come twice, or by another node.
  var carryErrors = 0
  /// A node's carrying stops for seconds.
  var hasCuts = false

  // Nodes and disks.
  var crashPermille = 0
  var diskPermille = 0
  var hasNodeFaults = false
  /// Replicas of the backbone lose their disks.
  var losesDisks = false
  /// These take a state from another replica, when there is one, and not all blocks.
  var joinsByState = false
  var sync: ClosedRange<Int64> = 200...2_000
  var snapshotEvery: UInt64 = 12

  // Load.
  var clientPause: Int64 = 200
  /// Chain time that a round stays open after its interval, seconds.
  var roundSeconds: Int64 = 1500

  // Time, virtual seconds.
  var faultSeconds: Int64 = 14
  var healSeconds: Int64 = 180

  /// No faults at all.
  package init(calm seed: UInt64) { self.seed = seed }

  /// Faults drawn from the seed.
  package init(seed: UInt64, planted: PlantedLaneBug? = nil) {
    self.init(calm: seed)
    self.planted = planted
    var random = SplitMix64(seed: seed ^ 0xc0_0b1e_d000)
    if random.chance(60) { byzantineValidator = 3 }
    if random.chance(60) { byzantineGrid = random.element(of: [2, 3]) }
    if byzantineGrid != nil {
      hasTwinGrid = random.chance(50)
      forges = !hasTwinGrid || random.chance(40)
    }
    isByzantineHealed = random.chance(50)
    dropPercent = random.element(of: [0, 5, 20])
    duplicatePercent = random.element(of: [0, 5])
    slowPercent = random.element(of: [0, 3])
    delay = 1_000...random.element(of: [5_000, 20_000, 60_000])
    hasPartitions = random.chance(60)
    carryPause = 10_000...random.element(of: [60_000, 150_000])
    carryErrors = random.element(of: [0, 10, 40])
    hasCuts = random.chance(60)
    crashPermille = random.element(of: [0, 2, 6])
    diskPermille = random.element(of: [0, 0, 2])
    hasNodeFaults = random.chance(60)
    losesDisks = random.chance(40)
    sync = 200...random.element(of: [500, 3_000, 20_000])
    snapshotEvery = random.element(of: [3, 12, 1_000])
    clientPause = random.element(of: [200, 500])
    roundSeconds = random.element(of: [600, 1800, 3600])
    joinsByState = losesDisks && byzantineValidator == nil && random.chance(80)
    if joinsByState {
      // States near the tip, behind packets that were sent while a node was away.
      snapshotEvery = 1
      hasNodeFaults = true
    }
  }
}
