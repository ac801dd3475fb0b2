import Domain
import Node
import TestSupport

/// What the backbone's roles want done: each until a block has it, and each list before the next.
struct StandingOrders {
  private var lists: [[VerifiedEntry]]
  /// After the founding, and done in any order.
  private var later: [VerifiedEntry] = []
  private var sequences: [PublicKey: UInt64] = [:]
  private let federation: Federation

  init(_ federation: Federation) {
    self.federation = federation
    lists = []
    for list in federation.founding() {
      var entries: [VerifiedEntry] = []
      for (key, body) in list { entries.append(sign(body, by: key)) }
      lists.append(entries)
    }
  }

  mutating func sign(_ body: BackboneCommandBody, by key: SigningKey) -> VerifiedEntry {
    federation.command(
      .backbone(body), on: federation.backboneID, by: key, sequence: sequence(of: key))
  }

  /// The next one that this key has not used.
  mutating func sequence(of key: SigningKey) -> UInt64 {
    sequences[key.publicKey, default: 0] += 1
    return sequences[key.publicKey] ?? 1
  }

  mutating func add(_ entry: VerifiedEntry) { later.append(entry) }

  /// What no block has so far, of what may be asked for by then.
  func open(_ isDone: (Digest) -> Bool) -> [VerifiedEntry] {
    for list in lists {
      let open = list.filter { !isDone($0.identity) }
      if !open.isEmpty { return open }
    }
    return later.filter { !isDone($0.identity) }
  }

  /// Whether the network is founded.
  func isFounded(_ isDone: (Digest) -> Bool) -> Bool {
    lists.allSatisfy { $0.allSatisfy { isDone($0.identity) } }
  }
}

extension CoupledSimulation {
  /// The operator, the oracle, the gateway, and who owns the lines.
  func callByRoles() {
    let done = oracle.entries
    if orders.isFounded({ done.contains($0) }), !isHealed, random.chance(40) {
      let (key, body) = drawByRole()
      let entry = orders.sign(body, by: key)
      orders.add(entry)
      notary.enter(entry)
    }
    var open = orders.open { done.contains($0) }
    if open.count > 40 { open.removeSubrange(40...) }
    if !open.isEmpty {
      counts.roleCalls += 1
      for entry in open { notary.enter(entry) }
      let running = backbones.filter { $0.isHonest && $0.isRunning }
      if let node = random.pick(from: running) { submit(open, to: node) }
    }
    events.push(.roles, at: time + random.int(150_000...400_000))
  }

  private func drawByRole() -> (SigningKey, BackboneCommandBody) {
    let grid = random.below(Federation.grids)
    let home = random.element(of: federation.keys[grid].homes).publicKey
    let id = federation.ids[grid]
    switch random.int(0...6) {
    case 0, 1:
      return (federation.gateway, .issue(id, to: home, amount: Money(random.int(1...90_000_000))))
    case 2:
      let waiting = oracle.waitingWithdrawals
      let number = random.pick(from: waiting) ?? 1
      return (federation.gateway, .payOut(withdrawal: number))
    case 3:
      return (
        federation.operator, .grant(id, to: home, amount: StorageTokens(random.int(1...9_000_000)))
      )
    case 4:
      return (
        federation.oracle,
        .setFee(line: UInt64(random.int(1...6)), Price(random.int(0...40_000)))
      )
    case 5: return (federation.owner, .pay(id, to: home, amount: Money(random.int(1...200_000))))
    default:
      let power = Power(random.int(0...3_000_000))
      return (
        federation.operator,
        .putLine(
          Interconnector(
            id: 2, from: federation.ids[1], to: federation.ids[2], forth: power, back: power,
            fee: Price(random.int(0...30_000)), owner: federation.owner.publicKey))
      )
    }
  }

  // MARK: members

  /// A grid's members and meters; what they say to a node that is down is lost.
  func callByMembers(of grid: Int) {
    let pause = settings.clientPause * (isHealed ? 3000 : 1000)
    events.push(.members(grid: grid), at: time + random.int(50_000...pause))
    let running = sites[grid].grids.map { grids[$0] }.filter(\.isRunning)
    guard let node = random.pick(from: running) else { return }
    var entries: [VerifiedEntry] = []
    for _ in 0..<random.int(1...5) {
      entries.append(random.chance(40) ? reading(of: grid) : command(on: grid))
    }
    counts.calls += 1
    submit(entries, to: node)
  }

  /// Of the interval that ended last or one before. The first two grids have energy to sell, the
  /// others want some.
  private func reading(of grid: Int) -> VerifiedEntry {
    let calendar = federation.backbone.calendar
    let ended = calendar.interval(at: federation.clock(time)).index - 1
    let interval = Interval(max(calendar.firstInterval.index, ended - random.int(0...1)))
    let isRich = (grid < 2) != random.chance(20)
    return federation.reading(
      random.below(Federation.meters), of: grid, interval,
      exported: random.int(0...(isRich ? 6_000_000 : 1_000_000)),
      imported: random.int(0...(isRich ? 1_000_000 : 6_000_000)),
      version: UInt16(random.element(of: [1, 1, 2])))
  }

  private func command(on grid: Int) -> VerifiedEntry {
    let keys = federation.keys[grid]
    let home = random.element(of: keys.homes)
    let body: CommandBody
    var key = home
    // After the faults nothing more leaves, so that all that is under way can end.
    switch random.int(isHealed ? 7...19 : 0...19) {
    case 0...5: body = abroad(random.chance(8) ? .tsl : random.chance(20) ? .ect : .money)
    case 6: body = .redeem(amount: Money(random.int(1...40_000_000)))
    case 7:
      body = .transfer(
        to: random.element(of: keys.homes).publicKey, asset: .money,
        amount: random.int(1...50_000_000))
    case 8: body = .cancel(OrderID(UInt64(random.int(1...40))))
    case 9:
      body = .setAgent(
        AgentSettings(
          buyPrice: Price(random.int(100_000...300_000)),
          sellPrice: Price(random.int(100_000...300_000)), low: Energy(random.int(0...500_000)),
          high: Energy(random.int(600_000...5_500_000))))
    case 10:
      body = .setUtility(isAvailable: random.chance(70))
      key = keys.lead
    default:
      body = .place(
        OrderRequest(
          side: random.chance(50) ? .buy : .sell, wattHours: random.int(1...2500),
          limit: Price(random.int(90_000...310_000)),
          timeInForce: random.element(of: [.goodTillCancelled, .immediateOrCancel])))
    }
    return federation.command(
      body, on: federation.ids[grid], by: key, sequence: orders.sequence(of: key))
  }

  /// To a member of some grid, to a key that nobody has seen, or to a grid that nobody has; with a
  /// deadline that mostly is far enough.
  private func abroad(_ asset: Asset) -> CommandBody {
    let target = random.below(Federation.grids)
    let isKnown = !random.chance(6)
    var account = random.element(of: federation.keys[target].homes).publicKey
    if random.chance(30) {
      account = AccountID(Digest.sha256(Array("guest \(random.below(60))".utf8)).bytes)
    }
    let height = Int64(oracle.backboneHeight)
    let deadline = random.chance(25) ? height + random.int(-2...6) : height + 100_000
    return .transferAbroad(
      grid: isKnown ? federation.ids[target] : Digest(Bytes32(7, 7, 7, 7)), to: account,
      asset: asset, amount: random.int(1...20_000_000),
      deadline: UInt64(max(0, deadline)))
  }
}
