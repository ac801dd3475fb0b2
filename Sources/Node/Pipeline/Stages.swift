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
  var automaticAccounts: [AccountIndex] { get async }
  func energies(of accounts: [AccountIndex]) async -> [Energy]
  mutating func chunks() async -> [StateChunk]
  func checkInvariants() async throws(InvariantViolation)
}

package protocol LedgerStage {
  mutating func hold(_ commands: [(entry: Int, command: Command)], time: Timestamp) async
    -> HoldOutcome
  mutating func settle(_ trades: [PricedTrade], releases: [Release])
    async
    throws(InvariantViolation)
  mutating func post(_ close: MeterClose) async throws(InvariantViolation) -> PostedClose
  mutating func collect(_ assessment: CloseAssessment) async throws(InvariantViolation)
  mutating func reserve(_ accounts: [AccountIndex]) async -> [Budget]
  mutating func settle(_ utility: UtilitySettlement, close: MeterClose)
    async
    throws(InvariantViolation) -> EnergyBalanceSheet
  mutating func reward(_ shares: [TokenShare], interval: Interval) async throws(InvariantViolation)
  mutating func finish() async -> LedgerFinish
  func energies(of accounts: [AccountIndex]) async -> [Energy]
  /// WATT held, and arrears owed, by all accounts.
  func totals() async -> (held: Energy, arrears: Money)
  mutating func chunks() async -> [StateChunk]
  func checkInvariants() async throws(InvariantViolation)
}

package protocol FeeStage {
  mutating func apply(_ instructions: [FeeInstruction], time: Timestamp) async -> [PlacedReceipt]
  func assess(_ trades: [Trade]) async throws(InvariantViolation) -> [PricedTrade]
  mutating func assess(close interval: Interval, holdings: [Holding])
    async
    throws(InvariantViolation) -> CloseAssessment
  func settle(_ assessment: CloseAssessment, unfilled: [AccountEnergy], unsold: [AccountEnergy])
    async throws(InvariantViolation) -> UtilitySettlement
  mutating func reward(clean stored: Energy) async throws(InvariantViolation) -> [TokenShare]
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

  package func energies(of accounts: [AccountIndex]) -> [Energy] {
    accounts.map { account($0).watt }
  }

  package func totals() -> (held: Energy, arrears: Money) {
    let arrears = (0..<accountCount).reduce(Money.zero) { $0 + account(AccountIndex($1)).arrears }
    return (Energy(supply(of: .watt)), arrears)
  }
}
