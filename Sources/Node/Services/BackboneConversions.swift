import Backbone
import Consensus
import Domain
import Wire

// Values of the backbone as messages.

extension Intertie_V1_OverviewResponse {
  init(_ view: BackboneView) {
    self.init()
    let (tip, core, registry) = (view.tip, view.core, view.registry)
    chainID = core.chain.data
    height = tip.height
    stateRoot = tip.stateRoot.data
    blockTimeUs = tip.time.microseconds
    epoch = registry.epoch
    validators = registry.validators.map(\.data)
    treasury = core.treasury.raw
    fund = core.fund.raw
    money = Int64(clamping: core.issued - core.withdrawn)
    cleanMwh = core.cleanTotal.raw
    grids = core.gridRecords.map { Intertie_V1_BackboneGrid($0) }
    lines = core.lines.map { Intertie_V1_BackboneLine($0) }
    if let round = view.lastRound { lastRound = Intertie_V1_CouplingRound(round) }
    failure = view.failure?.description ?? ""
    describeValidators(registry, view.standing)
  }

  /// The open proposal, and what a certificate needs.
  private mutating func describeValidators(
    _ registry: ValidatorRegistry, _ standing: ConsensusStanding
  ) {
    self.view = standing.view
    quorum = UInt32(clamping: ValidatorCounts(of: registry.validators.count).quorum)
    proposedValidators = registry.proposal?.map(\.data) ?? []
    accepted = registry.acceptances.map(\.signer.data)
  }
}

extension Intertie_V1_BackboneGrid {
  init(_ record: GridRecord) {
    self.init()
    grid = record.grid.data
    name = record.name
    `operator` = record.operator.data
    epoch = record.epoch
    validators = record.validators.map(\.data)
    if let conflict = record.conflict {
      self.conflict = .with {
        $0.height = conflict.height
        $0.first = conflict.first.data
        $0.second = conflict.second.data
        $0.shownAt = conflict.shownAt
      }
    }
    received = record.received
    sent = record.sent
    reserveMoney = record.reserve.money
    reserveTsl = record.reserve.tsl
    reserveEct = record.reserve.ect
    if let round = record.openRound { openRound = round.index }
    exportedWh = Int64(clamping: record.exported)
    cleanPowerMw = record.cleanPower.raw
    cleanMwh = record.cleanCounted.raw
    if let checkpoint = record.checkpoint {
      self.checkpoint = .with {
        $0.height = checkpoint.height
        $0.hash = checkpoint.hash.data
        $0.interval = checkpoint.interval.index
        $0.heldMwh = checkpoint.energyHeld.raw
      }
    }
  }
}

extension Intertie_V1_GridEnd {
  init(_ lane: GridLane) {
    self.init()
    grid = lane.grid.data
    sent = lane.sent
    received = lane.received
    underWay = UInt32(clamping: lane.underWay.count)
    acknowledged = lane.acknowledged
    isStopped = lane.isStopped
    if let bid = lane.openBid { openRound = bid.round.index }
  }
}

extension Intertie_V1_BackboneLine {
  init(_ line: Interconnector) {
    self.init()
    self.line = line.id
    from = line.from.data
    to = line.to.data
    forthMw = line.forth.raw
    backMw = line.back.raw
    fee = line.fee.raw
    owner = line.owner.data
  }
}

extension Intertie_V1_CouplingRound {
  init(_ record: RoundRecord) {
    self.init()
    round = record.round.index
    height = record.height
    grids = record.grids.map { grid in
      .with {
        $0.grid = grid.grid.data
        if let price = grid.price { $0.price = price.raw }
        $0.boughtWh = grid.bought
        $0.soldWh = grid.sold
        $0.money = grid.money.raw
      }
    }
    lines = record.lines.map { line in
      .with {
        $0.line = line.line
        $0.forthWh = line.forth
        $0.backWh = line.back
        $0.fee = line.fee.raw
        $0.flowWh = line.flow
        $0.wheeling = line.wheeling.raw
        $0.rent = line.rent.raw
      }
    }
    fund = record.fund.raw
    surplus = Int64(clamping: record.surplus / 1000)
  }
}
