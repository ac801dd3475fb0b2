import Domain
import Wire

/// A command ready to be sent.
package struct PreparedCommand: Sendable {
  package var kind: ItemKind
  package var signed: SignedBytes
  /// Place of its member among those of the connection.
  package var member: Int
  package var sequence: UInt64
  /// Whether it places an order, of which some may rest afterwards.
  package var isPlacing = false
  package var isCancelling = false
  /// The grid that it sends money to, for a transfer abroad.
  package var grid: Int?
}

/// Other grids, which members send money to.
package struct Abroad: Sendable {
  package var grid: Int
  package var chain: ChainID
  /// Receivers there.
  package var members: [PublicKey]

  package init(grid: Int, chain: ChainID, members: [PublicKey]) {
    self.grid = grid
    self.chain = chain
    self.members = members
  }
}

/// The members of one connection: what they ask for, with sequences of their own. Those of even
/// numbers, whose meters export, sell; the others buy; each has a few orders in the book at most.
package struct CommandBook: Sendable {
  private struct Member {
    var sequence: UInt64
    /// Orders that were resting when they were placed, oldest first.
    var orders: [OrderID] = []
    /// Sequences under way, ascending.
    var open: [UInt64] = []

    /// Whether the next sequence is near enough to the oldest that is under way: one that waits to
    /// be sent again would come too late behind many later ones.
    var hasRoom: Bool {
      open.first.map { sequence - $0 < UInt64(LoadLimits.commandsOfMember) } ?? true
    }
  }

  private let chain: ChainID
  private let numbers: [Int]
  private let keys: [SigningKey]
  /// All members of the grid, whom money is sent to.
  private let everybody: [PublicKey]
  private let abroad: [Abroad]
  private let expires: Timestamp
  private var members: [Member]
  private var draws: LoadDraws
  private var turns: KindTurns
  /// The kind whose turn it was and that no member had room for.
  private var wanted: ItemKind?

  /// `sequence` is one that none of the members has used, nor any above it.
  package init(
    chain: ChainID, numbers: [Int], keys: [SigningKey], everybody: [PublicKey], abroad: [Abroad],
    mix: LoadMix, expires: Timestamp, sequence: UInt64, draws: LoadDraws
  ) {
    self.chain = chain
    self.numbers = numbers
    self.keys = keys
    self.everybody = everybody
    self.abroad = abroad
    self.expires = expires
    self.draws = draws
    turns = KindTurns(mix, from: self.draws.fraction())
    members = Array(repeating: Member(sequence: sequence), count: numbers.count)
  }

  /// Members that send abroad: the connection's first ones, so that not too many histories have to
  /// be read at the end.
  package static func travellers(_ count: Int, connections: Int) -> Int {
    min(count, max(1, LoadLimits.travellers / max(1, connections)))
  }

  /// The next command; nil while as many are under way as sequences may overtake each other.
  /// `travellers` of the connection's members, 1 or more, send abroad.
  package mutating func next(travellers: Int) -> PreparedCommand? {
    let kind = wanted ?? turns.next()
    guard let index = pick(kind == .cross ? travellers : members.count) else {
      wanted = kind
      return nil
    }
    wanted = nil
    switch kind {
    case .order, .reading: return order(by: index)
    case .transfer: return transfer(by: index)
    case .cross: return cross(by: index)
    }
  }

  /// A member with room for one more command under way: the one drawn, or the next that has.
  private mutating func pick(_ count: Int) -> Int? {
    let drawn = draws.below(count)
    return (0..<count).lazy.map { (drawn + $0) % count }
      .first { members[$0].hasRoom }
  }

  private mutating func order(by index: Int) -> PreparedCommand {
    if members[index].orders.count >= LoadLimits.ordersOfMember {
      let oldest = members[index].orders.removeFirst()
      var command = sign(.cancel(oldest), .order, by: index)
      command.isCancelling = true
      return command
    }
    let isSeller = numbers[index].isMultiple(of: 2)
    let request = OrderRequest(
      side: isSeller ? .sell : .buy, wattHours: draws.int(1...100),
      limit: Price(isSeller ? draws.int(110_000...230_000) : draws.int(170_000...290_000)),
      timeInForce: draws.below(5) == 0 ? .immediateOrCancel : .goodTillCancelled)
    var command = sign(.place(request), .order, by: index)
    command.isPlacing = true
    return command
  }

  private mutating func transfer(by index: Int) -> PreparedCommand {
    var to = everybody[draws.below(everybody.count)]
    // A transfer to oneself is malformed; a grid of one member pays a fund of the system instead.
    if to == keys[index].publicKey {
      to =
        everybody.count > 1
        ? everybody[(numbers[index] + 1) % everybody.count] : SystemAccount.networkFund.id
    }
    let body = CommandBody.transfer(to: to, asset: .money, amount: draws.int(1...1000))
    return sign(body, .transfer, by: index)
  }

  private mutating func cross(by index: Int) -> PreparedCommand {
    let place = abroad[draws.below(abroad.count)]
    let to = place.members[draws.below(place.members.count)]
    let body = CommandBody.transferAbroad(
      grid: place.chain, to: to, asset: .money, amount: draws.int(1...1000),
      deadline: UInt64(Int64.max))
    var command = sign(body, .cross, by: index)
    command.grid = place.grid
    return command
  }

  private mutating func sign(_ body: CommandBody, _ kind: ItemKind, by index: Int)
    -> PreparedCommand
  {
    let sequence = members[index].sequence
    members[index].sequence += 1
    members[index].open.append(sequence)
    let payload = WireCommand.payload(
      of: Command(
        chain: chain, signer: keys[index].publicKey, sequence: sequence, expires: expires,
        body: body))
    return PreparedCommand(
      kind: kind,
      signed: SignedBytes(payload: payload, signature: keys[index].sign(payload, for: .command)),
      member: index, sequence: sequence)
  }

  /// What became of a command; nil: nobody knows, or it was given up.
  package mutating func finish(_ command: PreparedCommand, _ receipt: Receipt?) {
    members[command.member].open.removeAll { $0 == command.sequence }
    guard command.isPlacing, let receipt, receipt.rejection == nil, receipt.resting > 0,
      let order = receipt.order
    else { return }
    members[command.member].orders.append(order)
  }
}
