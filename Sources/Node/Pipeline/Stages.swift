import Domain
import Fees
import Ledger
import Market
import Metering

// A stage is one core's part of a block's way. A bare core is a stage, and so is the actor that
// owns one: the node runs the line over actors, recovery, audit and simulation over cores.

package protocol MeterStage {
  mutating func apply(_ instructions: [MeterInstruction], time: Timestamp) async -> [PlacedReceipt]
  mutating func close(_ interval: Interval) async throws(InvariantViolation) -> MeterClose
  mutating func chunks() async -> [StateChunk]
  func checkInvariants() async throws(InvariantViolation)
}

package protocol BookStage {
  mutating func match(_ instructions: [BookInstruction], energy: [EnergyBalance]) async
    -> MatchOutcome
  mutating func auction(_ input: AuctionInput) async throws(InvariantViolation) -> AuctionOutcome
  mutating func settleRound(_ interval: Interval, _ fill: RoundFill?)
    async throws(InvariantViolation) -> RoundResult
  var automaticAccounts: [AccountIndex] { get async }
  func energies(of accounts: [AccountIndex]) async -> [Energy]
  mutating func chunks() async -> [StateChunk]
  func checkInvariants() async throws(InvariantViolation)
}

package protocol LedgerStage {
  mutating func hold(
    _ commands: [(entry: Int, command: Command)], time: Timestamp, room: LaneRoom?
  ) async -> HoldOutcome
  mutating func receive(_ arrivals: [Arrival]) async throws(InvariantViolation)
  mutating func settle(_ trades: [PricedTrade], releases: [Release])
    async
    throws(InvariantViolation)
  mutating func post(_ close: MeterClose) async throws(InvariantViolation) -> PostedClose
  mutating func collect(_ assessment: CloseAssessment) async throws(InvariantViolation)
  mutating func reserve(_ accounts: [AccountIndex]) async -> [Budget]
  mutating func settle(_ utility: UtilitySettlement, close: MeterClose)
    async
    throws(InvariantViolation) -> EnergyBalanceSheet
  mutating func suspend(_ offer: RoundOffer, overflows: [AccountEnergy], interval: Interval)
    async throws(InvariantViolation) -> Energy
  mutating func settleRound(_ round: RoundSettlement)
    async throws(InvariantViolation) -> EnergyBalanceSheet
  mutating func reward(_ shares: [TokenShare], interval: Interval) async throws(InvariantViolation)
  mutating func finish() async -> LedgerFinish
  func energies(of accounts: [AccountIndex]) async -> [Energy]
  /// An account's leaf and its path to the accounts' root, as of the newest executed block.
  func prove(_ account: AccountIndex) async -> (leaf: [UInt8], proof: MerkleProof, root: Digest)
  /// WATT held, and arrears owed, by all accounts.
  func totals() async -> (held: Energy, arrears: Money)
  /// What all accounts have, held parts included.
  func supplies() async -> (held: Energy, travelling: TravellingAssets<Int64>)
  mutating func chunks() async -> [StateChunk]
  func checkInvariants() async throws(InvariantViolation)
}

package protocol FeeStage {
  mutating func apply(_ instructions: [FeeInstruction], time: Timestamp) async -> [PlacedReceipt]
  func assess(_ trades: [Trade]) async throws(InvariantViolation) -> [PricedTrade]
  func price(_ trades: [RoundTrade]) async throws(InvariantViolation) -> [PricedRoundTrade]
  mutating func assess(close interval: Interval, holdings: [Holding], inEscrow: Energy)
    async
    throws(InvariantViolation) -> CloseAssessment
  func settle(_ assessment: CloseAssessment, unfilled: [AccountEnergy], unsold: [AccountEnergy])
    async throws(InvariantViolation) -> UtilitySettlement
  mutating func reward(clean stored: Energy) async throws(InvariantViolation) -> [TokenShare]
  mutating func countClean(_ stored: Energy) async throws(InvariantViolation)
  /// Clean energy that has counted since genesis.
  var cleanStored: Energy { get async }
  func share(_ amount: RewardTokens) async throws(InvariantViolation) -> [TokenShare]
  mutating func chunks() async -> [StateChunk]
  func checkInvariants() async throws(InvariantViolation)
}

/// What the ledger says at a block's end: its root, and what readers and history need.
package struct LedgerFinish: Sendable {
  package var root: Digest
  package var changed: [(index: AccountIndex, account: Account)]
  package var history: [HistoryLine]
}

extension MeteringCore: MeterStage {}
extension FeesCore: FeeStage {}

extension BookCore: BookStage {
  package func energies(of accounts: [AccountIndex]) -> [Energy] {
    accounts.map { energy(of: $0) }
  }
}

extension LedgerCore: LedgerStage {
  package mutating func finish() -> LedgerFinish {
    let changed = takeChanges().sorted().map { (index: $0, account: account($0)) }
    return LedgerFinish(root: root(), changed: changed, history: takeHistory())
  }

  package func prove(_ account: AccountIndex) -> (
    leaf: [UInt8], proof: MerkleProof, root: Digest
  ) {
    var core = self
    let proof = core.proof(of: account)
    return (proof.leaf, proof.proof, core.root())
  }

  package func energies(of accounts: [AccountIndex]) -> [Energy] {
    accounts.map { account($0).watt }
  }

  package func totals() -> (held: Energy, arrears: Money) {
    let arrears = (0..<accountCount).reduce(Money.zero) { $0 + account(AccountIndex($1)).arrears }
    return (Energy(supply(of: .watt)), arrears)
  }

  package func supplies() -> (held: Energy, travelling: TravellingAssets<Int64>) {
    let travelling = TravellingAssets(
      money: supply(of: .money), tsl: supply(of: .tsl), ect: supply(of: .ect))
    return (Energy(supply(of: .watt)), travelling)
  }
}
