import Backbone
import Domain
import Market
import Node

/// Watches four grids and the backbone and knows what may not happen between them. It has the
/// chains' blocks and what their states say, and reckons everything else for itself: it shares
/// values with the modules under test and none of their predicates.
///
/// - No packet is executed twice or skipped, and each that is executed was sent: by a durable block
///   of its source.
/// - For each grid and asset: its supply and the packets under way are its reserve.
/// - A round has at most one result for each grid, a bid is filled at most once, a hold ends once.
/// - Net positions add up to zero, no line is above its capacity, no price outside accepted steps.
/// - Equal blocks and roots at equal heights.
/// - Every transfer ends in a credit or in a refund, once.
struct Settlement {
  /// The first thing that was wrong.
  private(set) var violation: String?
  let federation: Federation
  let settings: CoupledSettings
  var lanes: [LaneBooks]
  /// The backbone's blocks, the first one's first.
  var blocks: [SettledBlock] = []
  /// The backbone's state behind the newest of them.
  var core: BackboneCore?
  /// Entries of the backbone's blocks, by identity.
  var entries: Set<Digest> = []
  /// Deliveries and reports that prove nothing.
  private var poisoned: Set<Digest> = []
  var lines: [UInt64: Interconnector] = [:]
  var journeys: [JourneyName: Journey] = [:]
  /// By what carries them to their destination.
  var moved: [JourneyName: JourneyName] = [:]
  /// Withdrawals that wait, by the backbone's number.
  var waiting: [UInt64: JourneyName] = [:]
  var withdrawals: UInt64 = 0
  var rounds: [Interval: RoundRecord] = [:]
  /// Money that came in and went out by the gateway.
  var issued: Int64 = 0
  var paidOut: Int64 = 0
  var granted: Int64 = 0
  var figures = SettlementFigures()

  init(_ federation: Federation, _ settings: CoupledSettings) {
    self.federation = federation
    self.settings = settings
    lanes = federation.ids.enumerated().map { number, id in
      LaneBooks(id: id, isHonest: settings.byzantineGrid != number)
    }
  }

  mutating func fail(_ what: String) {
    if violation == nil { violation = what }
  }

  var backboneHeight: UInt64 { UInt64(blocks.count) }
  var waitingWithdrawals: [UInt64] { waiting.keys.sorted() }

  mutating func poison(_ payload: [UInt8]) { poisoned.insert(Digest.sha256(payload)) }

  func isPoisoned(_ entry: VerifiedEntry) -> Bool { poisoned.contains(entry.identity) }

  // MARK: the end

  mutating func beginHealing() {
    for place in lanes.indices {
      let lane = lanes[place]
      lanes[place].healing = (lane.closed, lane.filled, lane.ended.count)
    }
  }

  /// What is still to come before all is well: in words; empty when nothing is.
  func missing(_ orders: StandingOrders) -> [String] {
    var missing: [String] = []
    let open = orders.open { entries.contains($0) }
    if !open.isEmpty { missing.append("\(open.count) commands for the backbone") }
    for (number, lane) in lanes.enumerated() where lane.isHonest {
      if lane.closed < lane.healing.closed + 2 {
        missing.append("intervals of grid \(number) after \(lane.closed)")
      }
      // Where rounds end right after the closes, bids may always come too late.
      let isLate = settings.roundSeconds < 1000
      let (now, before) =
        isLate
        ? (lane.ended.count, lane.healing.ended) : (lane.filled, lane.healing.filled)
      if now <= before { missing.append("a round with grid \(number)") }
    }
    let away = journeys.values.count { isOpen($0) }
    if away > 0 { missing.append("\(away) transfers under way") }
    return missing
  }

  /// How far each lane is, for people.
  var lanesText: String {
    lanes.enumerated().map { number, lane in
      "grid \(number)\(lane.isFrozen ? " frozen" : lane.isHonest ? "" : " liar"): "
        + "\(lane.executed.count) of \(lane.sent.count) out, \(lane.received) of "
        + "\(lane.fromBackbone.count) in, bid \(lane.openBid?.index ?? 0), \(lane.filled) filled"
    }.joined(separator: "; ")
  }

  /// What a grid that lies does with what it got is its members' concern.
  private func isOpen(_ journey: Journey) -> Bool {
    switch journey.state {
    case .sent: lanes[journey.from].isHonest
    case .moved(let target, _): lanes[target].isHonest
    case .voided: lanes[journey.from].isHonest
    case .waiting, .paid, .credited, .refunded: false
    }
  }

  /// The end: every honest grid's ledger has what the transfers to guests have left there.
  mutating func finish(grids: [ChainNode<GridState>]) {
    guard violation == nil else { return }
    for (number, lane) in lanes.enumerated() where lane.isHonest {
      guard let ledger = grids[number].settled?.inner.ledger else { continue }
      for (guest, expected) in lane.guests {
        let account = ledger.index(of: guest).map { ledger.account($0) }
        let found = TravellingAssets<Int64>(
          money: account?.money.raw ?? 0, tsl: account?.tsl.raw ?? 0, ect: account?.ect.raw ?? 0)
        if found != expected { fail("a guest of grid \(number) has \(found), not \(expected)") }
      }
    }
  }
}

/// A block of the backbone as the first replica that executed it had it.
struct SettledBlock {
  var hash: Digest
  var stateRoot: Digest
  var outboxRoot: Digest
  var receipts: [Receipt]
}

/// What the oracle knows of one grid and its lane.
struct LaneBooks {
  let id: ChainID
  let isHonest: Bool
  var isFrozen = false

  /// Packets that the grid has sent, durably; of a Byzantine grid nothing.
  var sent: [Packet] = []
  /// Packets of the grid that the backbone has executed.
  var executed: [Packet] = []
  /// Packets that the backbone has sent, and the last one that the grid has executed.
  var fromBackbone: [Packet] = []
  var received: UInt64 = 0

  /// Reckoned from packets alone.
  var reserve = TravellingAssets<Int64>()
  var supply = TravellingAssets<Int64>()
  /// Headers of the grid by which packets were proven, and those of its checkpoints, by height: the
  /// newest, as the rules say.
  private(set) var proven: [UInt64: Digest] = [:]

  /// Bids that the backbone has executed and that wait for their result; and rounds with one.
  var openBid: Interval?
  /// Its result is in the block that is looked at.
  var ending: Interval?
  var results: Set<Interval> = []
  /// Bids as the backbone has them, by round.
  var bids: [Interval: CouplingBid] = [:]

  // Of an honest grid.
  /// Of its blocks.
  var hashes: [Digest] = []
  /// Bids that it has sent, and results that it has executed.
  var offered: Set<Interval> = []
  /// Those of them that offer nothing: their intervals wait for nothing.
  var empty: Set<Interval> = []
  var ended: Set<Interval> = []
  /// Intervals that are final.
  var final: Set<Interval> = []
  var closed: Int { final.count }
  /// Rounds that it had a part in.
  var filled = 0
  var healing = (closed: 0, filled: 0, ended: 0)
  /// What came for keys that nobody holds.
  var guests: [AccountID: TravellingAssets<Int64>] = [:]
}

extension LaneBooks {
  private static let remembered = 32

  /// Takes a final block of the grid. False when another is known at its height: the grid has
  /// signed two histories, and nothing more of it may be executed.
  mutating func prove(_ height: UInt64, _ hash: Digest) -> Bool {
    if let known = proven[height] {
      if known != hash { isFrozen = true }
      return known == hash
    }
    proven[height] = hash
    if proven.count > Self.remembered, let lowest = proven.keys.min() { proven[lowest] = nil }
    return true
  }
}

struct JourneyName: Hashable {
  var grid: Int
  var sequence: UInt64
}

/// A transfer or a withdrawal, from the packet that carries it to its one end.
struct Journey {
  enum State: Equatable {
    /// → moved, waiting, voided
    case sent
    /// In the reserve of that grid, and in the packet of that number to it. → credited
    case moved(to: Int, packet: UInt64)
    /// For the gateway. → paid
    case waiting
    /// The `void` of that number is on its way back. → refunded
    case voided(packet: UInt64)
    case credited
    case refunded
    case paid
  }

  let from: Int
  let asset: Asset
  let amount: Int64
  var state = State.sent
}

/// What happened, so that one can see that it did.
package struct SettlementFigures: Sendable {
  package var rounds = 0
  package var cleared = 0
  package var wattHours: Int64 = 0
  package var delivered = 0
  package var refused = 0
  package var credits = 0
  package var refunds = 0
  package var withdrawals = 0
  package var frozen = 0
  package var rewards = 0
  package var fills = 0
}

extension PacketContent {
  /// What it takes from the supply of the grid that sends it.
  var cargo: (asset: Asset, amount: Int64)? {
    switch self {
    case .transferOut(let transfer): (transfer.asset, transfer.amount)
    case .withdrawal(_, let amount): (.money, amount.raw)
    default: nil
    }
  }

  /// What it brings to the supply of the grid that it is for, refunds aside.
  var gift: (asset: Asset, amount: Int64)? {
    switch self {
    case .transferIn(let transfer): (transfer.asset, transfer.amount)
    case .issue(_, let asset, let amount): (asset, amount)
    case .reward(_, _, let amount): (.ect, amount.raw)
    case .result(_, .cleared(_, _, _, let money)): (.money, money.raw)
    default: nil
    }
  }
}
