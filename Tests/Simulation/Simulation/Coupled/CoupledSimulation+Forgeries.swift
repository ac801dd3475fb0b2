import Domain
import Node
import TestSupport

// What the Byzantine grid's node hands in, and what strangers do to the packets of others.
extension CoupledSimulation {
  func forge() {
    events.push(.forgery, at: time + random.int(100_000...900_000))
    guard let forger, !isHealed || settings.isByzantineHealed else { return }
    let site = random.below(sites.count)
    switch random.int(0...6) {
    case 0,
      1 where settings.forges:
      askForAnything(site)
    case 2: tamper(site)
    case 3: forgeFromBackbone(forger)
    case 4: forgeInAnothersName(forger, site)
    case 5: report(forger, site)
    default:
      // What another node carried long ago.
      guard let old = archive.any(&random) else { return }
      counts.replays += 1
      submit(old, by: site)
    }
  }

  /// Packets of the Byzantine grid, well signed: the next, an old one again with other contents, or
  /// one behind a gap. In one of seven the header is of a height that it has signed before.
  private func askForAnything(_ site: Int) {
    guard var forger, let core = oracle.core else { return }
    let id = federation.ids[forger.grid]
    let received = core.grid(id)?.received ?? 0
    let shift = random.element(of: [0, 0, 0, 0, 0, -2, 2])
    let first = UInt64(max(1, Int64(received) + 1 + Int64(shift)))
    let isOld = random.isOne(in: 7)
    if !isOld { forger.height += 1 }
    self.forger = forger
    let round = federation.backbone.calendar.interval(at: federation.clock(time))
    let contents = forger.requests(
      random.next(), round: Interval(round.index - random.int(-1...1)),
      to: federation.keys[forger.grid].homes[0].publicKey, height: forger.height)
    let proof: Forger.Proof =
      random.chance(75)
      ? .finalized : random.element(of: [.notarized, .stranger, .repeated, .other])
    let delivery = forger.delivery(
      contents, from: id, to: federation.backboneID, first: first, height: forger.height,
      salt: random.next() % 4, proof)
    counts.forgeries += 1
    note(forger.grid, "forges", height: forger.height, other: contents.count)
    if proof != .finalized { oracle.poison(delivery.encoded) }
    submit(delivery, by: site)
  }

  /// A delivery of somebody else, with one bit changed, one packet changed, or its last one gone.
  private func tamper(_ site: Int) {
    guard var delivery = archive.any(&random) else { return }
    switch random.int(0...3) {
    case 0:
      guard var body = random.pick(from: delivery.packets)?.packet.body, !body.isEmpty else {
        return
      }
      let place = random.below(delivery.packets.count)
      body[random.below(body.count)] ^= 1
      guard body != delivery.packets[place].packet.body else { return }
      delivery.packets[place].packet.body = body
    case 1:
      delivery.header.attested.outboxRoot.bytes.w3 ^= 4
    case 2:
      guard !delivery.finality.isEmpty else { return }
      let place = random.below(delivery.finality.count)
      delivery.finality[place] ^= 1 << UInt8(random.int(0...7))
    default:
      delivery.packets[0].packet.sequence += 1
      delivery.packets.removeLast(delivery.packets.count - 1)
    }
    counts.forgeries += 1
    oracle.poison(delivery.encoded)
    submit(delivery, by: site)
  }

  /// Money for a grid, signed by one validator of the backbone, once or as often as it takes.
  private func forgeFromBackbone(_ forger: Forger) {
    let target = random.below(sites.count)
    let received = oracle.lanes[target].received
    let account = federation.keys[target].homes[0].publicKey
    let delivery = forger.delivery(
      [.issue(to: account, asset: .money, amount: 1_000_000)], from: federation.backboneID,
      to: federation.ids[target], first: received + 1, height: random.chance(50) ? 2 : 900_000,
      salt: 9, random.element(of: Forger.Proof.allCases))
    counts.forgeries += 1
    oracle.poison(delivery.encoded)
    submit(delivery, by: target)
  }

  /// Two histories of some grid: in one of eight those of the liar, as whoever has seen them both
  /// can show; else of any grid, by signatures that prove nothing.
  private func report(_ forger: Forger, _ site: Int) {
    let isTrue = random.isOne(in: 8)
    let grid = isTrue ? forger.grid : random.below(Federation.grids)
    let proof: Forger.Proof =
      isTrue
      ? .finalized
      : grid == forger.grid
        ? random.element(of: [.notarized, .stranger, .repeated, .other])
        : random.element(of: Forger.Proof.allCases)
    let height = UInt64(random.int(1...2_000_000))
    let report = forger.report(of: federation.ids[grid], height: height, proof)
    counts.forgeries += 1
    if !isTrue { oracle.poison(report.encoded) }
    submit(report.encoded, .report, by: site)
  }

  /// The other grids' packets, signed by the Byzantine grid.
  private func forgeInAnothersName(_ forger: Forger, _ site: Int) {
    let victim = (forger.grid + 1 + random.below(3)) % Federation.grids
    let account = federation.keys[forger.grid].homes[0].publicKey
    let delivery = forger.delivery(
      [
        .transferOut(
          TransferOut(
            grid: federation.ids[forger.grid], account: account, asset: .money,
            amount: 50_000_000, deadline: .max, sender: account))
      ], from: federation.ids[victim], to: federation.backboneID,
      first: UInt64(oracle.lanes[victim].executed.count) + 1, height: 900_000,
      salt: 9, random.element(of: Forger.Proof.allCases))
    counts.forgeries += 1
    oracle.poison(delivery.encoded)
    submit(delivery, by: site)
  }
}
