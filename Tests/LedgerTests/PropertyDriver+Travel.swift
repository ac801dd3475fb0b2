import Domain
import TestSupport
import Testing

@testable import Ledger

extension PropertyDriver {
  /// What the accounts of a grid with a backbone begin with, which the backbone brings.
  mutating func opening() throws {
    let isPoor = random.chance(50)
    let tsl = random.int(1...3000)
    var arrivals: [Arrival] = []
    for number in 1...4 as ClosedRange<UInt64> {
      arrivals.append(
        credit(World.key(number), .money, isPoor ? 20_000 : 2_000_000, .receivedFromAbroad))
      arrivals.append(credit(World.key(number), .tsl, tsl, .issued))
    }
    arrivals.append(credit(SystemAccount.educationFund.id, .tsl, 3000, .issued))
    if random.chance(50) { arrivals.append(credit(World.utilityKey, .money, 500_000, .issued)) }
    try ledger.receive(arrivals)
    try compare("opening")
  }

  /// Credits from elsewhere, to old and new keys, refunds, and a reward now and then.
  mutating func arrivals(_ label: String) throws {
    var arrivals: [Arrival] = []
    for _ in 0..<random.int(1...5) {
      if !underWay.isEmpty, random.chance(40) {
        let taken = underWay.remove(at: random.below(underWay.count))
        switch taken.cargo {
        case .transfer(let out):
          arrivals.append(credit(out.sender, out.asset, out.amount, .refunded))
        case .withdrawal(let account, let amount):
          arrivals.append(credit(account, .money, amount.raw, .refunded))
        }
        continue
      }
      let asset = Asset.allCases[Int(random.int(1...3))]
      let account =
        random.chance(20)
        ? World.key(UInt64(random.int(210...214))) : random.element(of: naive.keys)
      let kind: HistoryKind = random.chance(50) ? .issued : .receivedFromAbroad
      arrivals.append(credit(account, asset, random.int(1...60_000), kind))
    }
    try ledger.receive(arrivals)
    try compare(label)
  }

  private mutating func credit(
    _ account: AccountID, _ asset: Asset, _ amount: Int64, _ kind: HistoryKind
  ) -> Arrival {
    naive.receive(asset, amount, account)
    return .credit(
      TravelCredit(account: account, asset: asset, amount: amount, kind: kind, packet: 7))
  }
}

extension NaiveLedger {
  var hasBackbone: Bool { genesis.backbone != nil }

  static func purse(of asset: Asset) -> Purse {
    switch asset {
    case .watt: .watt
    case .money: .free
    case .tsl: .tsl
    case .ect: .ect
    }
  }

  static func counter(of asset: Asset) -> Counter {
    switch asset {
    case .money: .travelledMoney
    case .tsl: .travelledTokens
    default: .travelledRewards
    }
  }

  mutating func drawRoom(_ random: inout SplitMix64) -> Int {
    room = Int(random.int(0...5))
    return room
  }

  /// Nothing of it is held.
  mutating func send(_ asset: Asset, _ amount: Int64, _ signer: AccountID) throws(Rejection)
    -> Int64
  {
    guard hasBackbone else { throw .unknownObject }
    guard room > 0 else { throw .limitExceeded }
    let purse = Self.purse(of: asset)
    guard sum(signer, purse) >= amount else { throw .insufficientFunds }
    room -= 1
    move(purse, amount, .account(signer), .outside(Self.counter(of: asset)))
    return 0
  }

  mutating func receive(_ asset: Asset, _ amount: Int64, _ account: AccountID) {
    open(account)
    let from = Holder.outside(Self.counter(of: asset))
    if asset == .money {
      credit(amount, from: from, to: account)
    } else {
      move(Self.purse(of: asset), amount, from, .account(account))
    }
  }
}
