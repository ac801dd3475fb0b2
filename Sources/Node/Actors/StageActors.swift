import Domain
import Fees
import Ledger
import Market
import Metering

package typealias NodePipeline = Pipeline<MeterActor, BookActor, LedgerActor, FeeActor>

extension Pipeline
where Meter == MeterActor, Book == BookActor, Books == LedgerActor, Fee == FeeActor {
  /// As `bare`, whose cores these actors own.
  package init(
    _ bare: BarePipeline, meter: MeterActor, book: BookActor, ledger: LedgerActor, fee: FeeActor
  ) {
    self.init(
      calendar: bare.calendar, meter: meter, book: book, ledger: ledger, fee: fee,
      registry: bare.registry, nextClose: bare.nextClose, checkpoint: bare.checkpoint,
      sinceClose: bare.sinceClose, totals: bare.totals, lane: bare.lane, outbox: bare.outbox,
      receipts: bare.receipts, open: bare.open)
  }
}

/// Owns the meters. `admit` refuses early what no block should carry; everything else is called
/// by the pipeline alone, once a block.
package actor MeterActor: MeterStage, OnChainThread {
  private var core: MeteringCore
  package nonisolated let thread: ChainThread

  package init(_ core: MeteringCore, on thread: ChainThread) {
    self.core = core
    self.thread = thread
  }

  /// The reason against each reading, as of now; nil for those that may go into a block.
  package func admit(_ readings: [Reading], time: Timestamp) -> [Rejection?] {
    readings.map { core.admit($0, time: time) }
  }

  /// A meter and its number, under which storage keeps its figures.
  package func find(_ id: MeterID) -> (number: UInt32, meter: Meter)? {
    core.meterIndex(id).map { ($0, core.meter($0)) }
  }

  package var count: Int { core.meterCount }

  package func apply(_ instructions: [MeterInstruction], time: Timestamp) -> [PlacedReceipt] {
    core.apply(instructions, time: time)
  }

  package func close(_ interval: Interval) throws(InvariantViolation) -> MeterClose {
    try core.close(interval)
  }

  package func chunks() -> [StateChunk] { core.chunks() }
  package func checkInvariants() throws(InvariantViolation) { try core.checkInvariants() }
}

/// Owns the order book.
package actor BookActor: BookStage, OnChainThread {
  private var core: BookCore
  package nonisolated let thread: ChainThread

  package init(_ core: BookCore, on thread: ChainThread) {
    self.core = core
    self.thread = thread
  }

  /// The open orders of one account: bounded by Limits.ordersPerAccount, read between blocks.
  package func openOrders(of account: AccountIndex) -> [OpenOrder] {
    core.openOrders(of: account)
  }

  package func agent(of account: AccountIndex) -> AgentSettings? { core.agent(of: account) }

  package var restingOrders: Int { core.restingOrders }

  package func depth(levels: Int) -> BookDepth { core.depth(levels: levels) }

  package func match(_ instructions: [BookInstruction], energy: [EnergyBalance]) -> MatchOutcome {
    core.match(instructions, energy: energy)
  }

  package func auction(_ input: AuctionInput) throws(InvariantViolation) -> AuctionOutcome {
    try core.auction(input)
  }

  package func settleRound(_ interval: Interval, _ fill: RoundFill?)
    throws(InvariantViolation) -> RoundResult
  {
    try core.settleRound(interval, fill)
  }

  package var automaticAccounts: [AccountIndex] { core.automaticAccounts }
  package func energies(of accounts: [AccountIndex]) -> [Energy] { core.energies(of: accounts) }
  package func chunks() -> [StateChunk] { core.chunks() }
  package func checkInvariants() throws(InvariantViolation) { try core.checkInvariants() }
}

/// Owns accounts, holds and the state's Merkle tree.
package actor LedgerActor: LedgerStage, OnChainThread {
  private var core: LedgerCore
  package nonisolated let thread: ChainThread

  package init(_ core: LedgerCore, on thread: ChainThread) {
    self.core = core
    self.thread = thread
  }

  /// An account's leaf and its path to the accounts' root, as of the newest executed block.
  package func prove(_ account: AccountIndex) -> (leaf: [UInt8], proof: MerkleProof, root: Digest) {
    let proof = core.proof(of: account)
    return (proof.leaf, proof.proof, core.root())
  }

  package func hold(
    _ commands: [(entry: Int, command: Command)], time: Timestamp, room: LaneRoom?
  ) -> HoldOutcome {
    core.hold(commands, time: time, room: room)
  }

  package func receive(_ arrivals: [Arrival]) throws(InvariantViolation) {
    try core.receive(arrivals)
  }

  package func settle(_ trades: [PricedTrade], releases: [Release]) throws(InvariantViolation) {
    try core.settle(trades, releases: releases)
  }

  package func post(_ close: MeterClose) throws(InvariantViolation) -> PostedClose {
    try core.post(close)
  }

  package func collect(_ assessment: CloseAssessment) throws(InvariantViolation) {
    try core.collect(assessment)
  }

  package func reserve(_ accounts: [AccountIndex]) -> [Budget] { core.reserve(accounts) }

  package func settle(_ utility: UtilitySettlement, close: MeterClose) throws(InvariantViolation)
    -> EnergyBalanceSheet
  {
    try core.settle(utility, close: close)
  }

  package func suspend(_ offer: RoundOffer, overflows: [AccountEnergy], interval: Interval)
    throws(InvariantViolation) -> Energy
  {
    try core.suspend(offer, overflows: overflows, interval: interval)
  }

  package func settleRound(_ round: RoundSettlement) throws(InvariantViolation)
    -> EnergyBalanceSheet
  {
    try core.settleRound(round)
  }

  package func reward(_ shares: [TokenShare], interval: Interval) throws(InvariantViolation) {
    try core.reward(shares, interval: interval)
  }

  /// What an open coupling round holds of an account's energy.
  package func escrow(
    of account: AccountIndex
  ) -> (orders: Energy, overflow: Energy, headroom: Energy) {
    core.escrow(of: account)
  }

  package func finish() -> LedgerFinish { core.finish() }
  package func totals() -> (held: Energy, arrears: Money) { core.totals() }
  package func supplies() -> (held: Energy, travelling: TravellingAssets<Int64>) {
    core.supplies()
  }
  package func energies(of accounts: [AccountIndex]) -> [Energy] { core.energies(of: accounts) }
  package func chunks() -> [StateChunk] { core.chunks() }
  package func checkInvariants() throws(InvariantViolation) { try core.checkInvariants() }
}

/// Owns tariffs, storage units, commission and the reward counter.
package actor FeeActor: FeeStage, OnChainThread {
  private var core: FeesCore
  package nonisolated let thread: ChainThread

  package init(_ core: FeesCore, on thread: ChainThread) {
    self.core = core
    self.thread = thread
  }

  package func tariff(at interval: Interval) -> (retail: Price, feedIn: Price) {
    core.tariff(at: interval)
  }

  package func apply(_ instructions: [FeeInstruction], time: Timestamp) -> [PlacedReceipt] {
    core.apply(instructions, time: time)
  }

  package func assess(_ trades: [Trade]) throws(InvariantViolation) -> [PricedTrade] {
    try core.assess(trades)
  }

  package func price(
    _ trades: [RoundTrade]
  ) throws(InvariantViolation) -> [PricedRoundTrade] {
    try core.price(trades)
  }

  package func assess(close interval: Interval, holdings: [Holding], inEscrow: Energy)
    throws(InvariantViolation) -> CloseAssessment
  {
    try core.assess(close: interval, holdings: holdings, inEscrow: inEscrow)
  }

  package func settle(
    _ assessment: CloseAssessment, unfilled: [AccountEnergy], unsold: [AccountEnergy]
  ) throws(InvariantViolation) -> UtilitySettlement {
    try core.settle(assessment, unfilled: unfilled, unsold: unsold)
  }

  package func reward(clean stored: Energy) throws(InvariantViolation) -> [TokenShare] {
    try core.reward(clean: stored)
  }

  package func countClean(_ stored: Energy) throws(InvariantViolation) {
    try core.countClean(stored)
  }

  package var cleanStored: Energy { core.cleanStored }

  package func share(_ amount: RewardTokens) throws(InvariantViolation) -> [TokenShare] {
    try core.share(amount)
  }

  package func chunks() -> [StateChunk] { core.chunks() }
  package func checkInvariants() throws(InvariantViolation) { try core.checkInvariants() }
}
