import Domain
import Wire

/// What the histories of accounts tell of transfers between grids.
///
/// The two ends number a packet differently, so that a transfer is known there by what it says:
/// its grids, its sender, its receiver, its amount. As many of a kind have to arrive as left, less
/// those that came back; a refund names the packet that had left.
package struct TravelBook: Sendable {
  private struct Packet: Hashable {
    var grid: ChainID
    var number: UInt64
  }

  private struct Transfer: Hashable {
    var from: ChainID
    var sender: PublicKey
    var to: ChainID
    var receiver: PublicKey
    /// Millionths.
    var amount: Int64
  }

  private var sent: [Packet: Transfer] = [:]
  private var refunded: [Packet: Int] = [:]
  private var arrived: [Transfer: Int] = [:]
  /// Lines of a packet that had left already.
  private var sentAgain = 0
  /// Lines that do not tell the other end.
  private var unnamed = 0

  package init() {}

  /// Takes a line of an account's history, each once.
  package mutating func note(
    _ line: Intertie_V1_HistoryEntry, of account: PublicKey, on grid: ChainID
  ) {
    let packet = Packet(grid: grid, number: line.reference)
    if line.kind == .refunded {
      refunded[packet, default: 0] += 1
      return
    }
    guard line.kind == .sentAbroad || line.kind == .receivedFromAbroad else { return }
    guard let other = ChainID(line.otherGrid), let partner = PublicKey(line.otherAccount) else {
      unnamed += 1
      return
    }
    if line.kind == .receivedFromAbroad {
      let transfer = Transfer(
        from: other, sender: partner, to: grid, receiver: account, amount: line.money)
      arrived[transfer, default: 0] += 1
    } else if sent[packet] == nil {
      sent[packet] = Transfer(
        from: grid, sender: account, to: other, receiver: partner, amount: 0 &- line.money)
    } else {
      sentAgain += 1
    }
  }

  /// Transfers that neither arrived nor came back, and those that did and should not have: nobody
  /// had sent them, or they had ended already.
  private var ends: (missing: Int, surplus: Int) {
    var open: [Transfer: Int] = [:]
    for transfer in sent.values { open[transfer, default: 0] += 1 }
    var strangers = 0
    for (packet, count) in refunded {
      if let transfer = sent[packet] {
        open[transfer, default: 0] -= 1
        strangers += count - 1
      } else {
        strangers += count
      }
    }
    for (transfer, count) in arrived { open[transfer, default: 0] -= count }
    return open.values.reduce(into: (missing: 0, surplus: strangers)) { sum, count in
      sum.missing += max(0, count)
      sum.surplus += max(0, 0 - count)
    }
  }

  /// Whether at least so many have left, and all that left has come to its end.
  package func isSettled(acknowledged: Int) -> Bool {
    sent.count >= acknowledged && ends.missing == 0
  }

  /// Holds it against what was acknowledged and what was perhaps sent.
  package func judge(acknowledged: Int, perhaps: Int) -> CheckFindings {
    var findings = CheckFindings()
    (findings.departed, findings.arrived) = (sent.count, arrived.values.reduce(0, +))
    findings.refunded = refunded.values.reduce(0, +)
    guard unnamed == 0 else {
      findings.unchecked.append(
        .init(
          subject: "transfers to other grids", acknowledged: acknowledged,
          reason: "\(unnamed) lines of history do not name the other grid: the node began with a "
            + "state, and has not the packets before it"))
      return findings
    }
    func fault(_ count: Int, _ text: String) {
      if count > 0 { findings.fault("\(count) transfers to other grids \(text)") }
    }
    let (missing, surplus) = ends
    fault(acknowledged - sent.count, "were acknowledged and stand in no sender's history")
    fault(sent.count - acknowledged - perhaps, "left though nobody had sent them")
    fault(sentAgain, "left a second time")
    fault(missing, "neither arrived nor came back")
    fault(surplus, "arrived or came back though nobody had sent them, or a second time")
    return findings
  }
}
