import Domain

@testable import Ledger

/// A ledger that keeps nothing but a list of all postings, debts in order of age, and the numbers
/// that were used. It sums the list for each question.
struct NaiveLedger {
  enum Purse: Hashable { case watt, free, held, tsl, ect }
  enum Holder: Hashable {
    case account(AccountID)
    case outside(Counter)
  }

  struct Posting {
    var holder: Holder
    var purse: Purse
    var amount: Int64
  }

  struct Debt {
    var debtor: AccountID
    var creditor: AccountID
    var amount: Int64
  }

  let genesis: Genesis
  let maximumHeld: Int64
  var postings: [Posting] = []
  var debts: [Debt] = []
  var keys: [AccountID] = []
  var members: Set<AccountID> = []
  var used: [AccountID: Set<UInt64>] = [:]
  /// Packets that this block can still send.
  var room = 0

  var utility: AccountID { genesis.roles.utility }
  var fund: AccountID { SystemAccount.educationFund.id }
  var network: AccountID { SystemAccount.networkFund.id }

  init(_ genesis: Genesis, maximumHeld: Energy) {
    self.genesis = genesis
    self.maximumHeld = maximumHeld.raw
    keys = genesis.accountOrder
    move(.tsl, genesis.parameters.educationFund.raw, .outside(.genesisTokens), .account(fund))
    for line in genesis.accounts {
      move(.tsl, line.tsl.raw, .outside(.genesisTokens), .account(line.id))
      move(.free, line.money.raw, .outside(.genesisMoney), .account(line.id))
    }
    for line in genesis.accounts where line.isMember { admit(line.id) }
  }

  // MARK: Questions

  func sum(_ id: AccountID, _ purse: Purse) -> Int64 {
    var sum: Int64 = 0
    for posting in postings where posting.purse == purse {
      if case .account(id) = posting.holder { sum += posting.amount }
    }
    return sum
  }

  func owed(by id: AccountID) -> Int64 {
    debts.filter { $0.debtor == id }.reduce(0) { $0 + $1.amount }
  }

  /// Everything at once: what each holder has in each purse.
  func balances() -> [Holder: [Purse: Int64]] {
    var balances: [Holder: [Purse: Int64]] = [:]
    for posting in postings {
      balances[posting.holder, default: [:]][posting.purse, default: 0] += posting.amount
    }
    return balances
  }

  // MARK: Postings

  mutating func move(
    _ purse: Purse, _ amount: Int64, _ from: Holder, _ to: Holder, into other: Purse? = nil
  ) {
    postings.append(Posting(holder: from, purse: purse, amount: -amount))
    postings.append(Posting(holder: to, purse: other ?? purse, amount: amount))
  }

  mutating func open(_ id: AccountID) {
    if !keys.contains(id) { keys.append(id) }
  }

  mutating func admit(_ id: AccountID) {
    open(id)
    members.insert(id)
    let grant = genesis.parameters.educationGrant.raw
    if sum(fund, .tsl) >= grant { move(.tsl, grant, .account(fund), .account(id)) }
  }

  /// Money to an account, which then pays whom it owes; they pay whom they owe.
  mutating func credit(_ amount: Int64, from: Holder, purse: Purse = .free, to id: AccountID) {
    move(purse, amount, from, .account(id), into: .free)
    payDebts(id)
  }

  private mutating func payDebts(_ id: AccountID) {
    while let place = debts.firstIndex(where: { $0.debtor == id }) {
      let paid = min(sum(id, .free), debts[place].amount)
      guard paid > 0 else { return }
      let creditor = debts[place].creditor
      reduceDebt(place, by: paid)
      move(.free, paid, .account(id), .account(creditor))
      payDebts(creditor)
    }
  }

  private mutating func reduceDebt(_ place: Int, by amount: Int64) {
    debts[place].amount -= amount
    if debts[place].amount == 0 { debts.remove(at: place) }
  }

  /// What `debtor` owes to `creditor` falls by up to `limit`, oldest first.
  mutating func setOff(_ debtor: AccountID, _ creditor: AccountID, upTo limit: Int64) -> Int64 {
    var rest = limit
    while rest > 0,
      let place = debts.firstIndex(where: { $0.debtor == debtor && $0.creditor == creditor })
    {
      let part = min(rest, debts[place].amount)
      reduceDebt(place, by: part)
      rest -= part
    }
    return limit - rest
  }

  mutating func pay(_ amount: Int64, from debtor: AccountID, to creditor: AccountID) {
    let paid = min(amount, sum(debtor, .free))
    credit(paid, from: .account(debtor), to: creditor)
    if paid < amount {
      debts.append(Debt(debtor: debtor, creditor: creditor, amount: amount - paid))
    }
  }
}

// MARK: Commands

extension NaiveLedger {
  /// The reason, or nil; and what is held for the book, if it is for the book.
  mutating func run(_ command: Command, time: Timestamp) -> (Rejection?, held: Int64) {
    do throws(Rejection) {
      try check(command, time)
      used[command.signer, default: []].insert(command.sequence)
      return (nil, try apply(command.body, command.signer))
    } catch {
      return (error, 0)
    }
  }

  private func check(_ command: Command, _ time: Timestamp) throws(Rejection) {
    guard command.chain == genesis.chainID else { throw .wrongChain }
    guard command.expires >= time else { throw .expired }
    guard keys.contains(command.signer), command.signer != fund, command.signer != network else {
      throw .unknownSigner
    }
    let numbers = used[command.signer] ?? []
    let highest = numbers.max() ?? 0
    guard !numbers.contains(command.sequence), command.sequence + 64 > highest else {
      throw .replayed
    }
  }

  private mutating func apply(_ body: CommandBody, _ signer: AccountID)
    throws(Rejection) -> Int64
  {
    switch body {
    case .transfer(let to, let asset, let amount):
      if asset == .watt {
        guard to != fund, to != network, sum(to, .watt) + amount <= maximumHeld else {
          throw .limitExceeded
        }
      }
      let purse: Purse = [Asset.watt: .watt, .money: .free, .tsl: .tsl, .ect: .ect][asset]!
      guard sum(signer, purse) >= amount else { throw .insufficientFunds }
      open(to)
      if purse == .free {
        credit(amount, from: .account(signer), to: to)
      } else {
        move(purse, amount, .account(signer), .account(to))
      }
      return 0
    case .place(let request):
      guard request.side == .buy else { return 0 }
      let perWattHour = (request.limit.raw + 999) / 1000
      let fee = (perWattHour * genesis.parameters.feePermille + 999) / 1000
      let amount = (perWattHour + fee) * request.wattHours
      guard sum(signer, .free) >= amount else { throw .insufficientFunds }
      guard owed(by: signer) == 0 else { throw .arrears }
      move(.free, amount, .account(signer), .account(signer), into: .held)
      return amount
    case .replace(_, let wattHours, let limit):
      guard owed(by: signer) == 0 else { return 0 }
      let perWattHour = (limit.raw + 999) / 1000
      let fee = (perWattHour * genesis.parameters.feePermille + 999) / 1000
      let amount = min(sum(signer, .free), (perWattHour + fee) * wattHours)
      move(.free, amount, .account(signer), .account(signer), into: .held)
      return amount
    case .admitMember(let id):
      guard signer == genesis.roles.operator else { throw .wrongRole }
      guard !members.contains(id) else { throw .duplicate }
      admit(id)
      return 0
    case .issue(let to, let amount):
      guard signer == genesis.roles.gateway, !hasBackbone else { throw .wrongRole }
      open(to)
      credit(amount.raw, from: .outside(.gateway), to: to)
      return 0
    case .transferAbroad(_, _, let asset, let amount, _):
      return try send(asset, amount, signer)
    case .redeem(let amount):
      if hasBackbone { return try send(.money, amount.raw, signer) }
      guard sum(signer, .free) >= amount.raw else { throw .insufficientFunds }
      move(.free, amount.raw, .account(signer), .outside(.gateway))
      return 0
    case .proposeValidators(let keys):
      guard signer == genesis.roles.operator else { throw .wrongRole }
      for id in genesis.validators + keys { open(id) }
      return 0
    default:
      return 0
    }
  }
}
