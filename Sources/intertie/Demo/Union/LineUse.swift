import Domain
import Foundation
import Wire

/// How a line was used in some rounds, and whether each of them kept the rule: energy flows towards
/// the higher price; while a line is partly used its two prices differ by exactly its fee; they
/// differ by more only when it is full. Energies in Wh, prices in µ¤ per kWh.
package struct LineUse: Encodable, Sendable {
  package var line: UInt64
  package var from: String
  package var to: String
  /// mW, either way.
  package var power: Int64
  package var fee: Int64
  /// Rounds in which nothing flowed, less than the line carries, and all that it carries.
  package var idle = 0
  package var partly = 0
  package var full = 0
  /// Partly used rounds in which the prices differed by exactly the fee.
  package var exact = 0
  /// Rounds in which they differed by more, and those of them in which the line was full.
  package var beyond = 0
  package var beyondAndFull = 0
  package var forth: Int64 = 0
  package var back: Int64 = 0
  /// What its owner got, µ¤.
  package var wheeling: Int64 = 0
  package var rent: Int64 = 0
  /// What broke the rule.
  package var faults: [String] = []

  package init(_ line: UnionLine, names: [String]) {
    self.line = line.number
    from = names[line.from]
    to = names[line.to]
    power = line.power.raw
    fee = line.fee.raw
  }

  /// Takes a round in which the two grids had these prices; nil: none.
  package mutating func take(_ round: Intertie_V1_RoundLine, at: Int64, from: Int64?, to: Int64?) {
    let flow = round.flowWh
    let size = Int64(clamping: flow.magnitude)
    let room = flow < 0 ? round.backWh : round.forthWh
    let isFull = flow != 0 && size == room
    func require(_ condition: Bool, _ fault: String) {
      if !condition { faults.append("round \(at), line \(line): \(fault)") }
    }
    if flow == 0 { idle += 1 } else if isFull { full += 1 } else { partly += 1 }
    forth += max(flow, 0)
    back += max(-flow, 0)
    wheeling += round.wheeling
    rent += round.rent
    require(size <= room, "\(flow) Wh flow, it carries \(room)")
    require(isFull || round.rent == 0, "a rent of \(round.rent) µ¤ without being full")
    guard let from, let to else {
      require(flow == 0, "\(flow) Wh flow to a grid without a price")
      return
    }
    let gain = flow < 0 ? from - to : to - from
    let gap = Int64(clamping: (to - from).magnitude)
    if flow != 0 { require(gain >= round.fee, "\(flow) Wh flow for a gain of \(gain)") }
    if flow != 0, !isFull {
      if gain == round.fee { exact += 1 }
      require(gain == round.fee, "partly used, and the prices differ by \(gain)")
    }
    if gap > round.fee {
      beyond += 1
      if isFull { beyondAndFull += 1 }
      require(isFull, "the prices differ by \(gap), and it is not full")
    }
  }
}

/// Whether a round conserves what it moves.
package enum RoundCheck {
  /// What it makes of nothing, if anything.
  package static func faults(_ round: Intertie_V1_CouplingRound) -> [String] {
    var faults: [String] = []
    let energy = round.grids.reduce(Int64(0)) { $0 + $1.soldWh - $1.boughtWh }
    let money =
      round.grids.reduce(round.fund) { $0 + $1.money }
      + round.lines.reduce(0) { $0 + $1.wheeling + $1.rent }
    if energy != 0 { faults.append("round \(round.round) makes \(energy) Wh of nothing") }
    if money != 0 { faults.append("round \(round.round) makes \(money) µ¤ of nothing") }
    return faults
  }
}
