import Domain
import ProcessSupport
import Synchronization
import Wire

/// Transfers between grids, and what became of them. Each is of as many millionths as its number,
/// so that every line of every history tells which transfer it is of.
final class Remittances: Sendable {
  /// Who sends, who gets, what.
  struct Remittance: Sendable {
    var number: Int
    var from: Int
    var to: Int
    var asset: Asset
    /// The last height of the backbone at which it may be executed.
    var deadline: UInt64
    fileprivate(set) var handedIn = ContinuousClock.now
    fileprivate(set) var isTaken = false
    fileprivate(set) var end: End?
    /// From handing it in until a question to the node showed the end.
    fileprivate(set) var took: Duration?
  }

  enum End: Sendable {
    case credited
    case refunded
  }

  /// A deadline that does not come.
  static let never: UInt64 = 1 << 40

  private struct State: Sendable {
    /// By number less 1.
    var all: [Remittance] = []
    var faults: [String] = []
  }

  private let state = Mutex(State())

  /// A new one.
  func draw(from: Int, to: Int, asset: Asset, deadline: UInt64) -> Remittance {
    state.withLock { state in
      let new = Remittance(
        number: state.all.count + 1, from: from, to: to, asset: asset, deadline: deadline)
      state.all.append(new)
      return new
    }
  }

  /// The grid has debited the sender.
  func take(_ number: Int) {
    state.withLock { $0.all[number - 1].isTaken = true }
  }

  func fault(_ text: String) {
    state.withLock { if $0.faults.count < 20 { $0.faults.append(text) } }
  }

  var faults: [String] { state.withLock { $0.faults } }
  var count: Int { state.withLock { $0.all.count } }

  /// Those that have not ended as far as anybody has seen.
  var open: [Remittance] { state.withLock { $0.all.filter { $0.isTaken && $0.end == nil } } }

  /// Notes what a line of the history of `grid`'s saver tells; whether it is news.
  func note(_ line: Intertie_V1_HistoryEntry, in grid: Int) -> Bool {
    guard let end = line.end else { return false }
    let number = line.millionths
    return state.withLock { state in
      guard number > 0, number <= state.all.count else {
        state.faults.append("grid \(grid) has a line of no transfer: \(line)")
        return false
      }
      var remittance = state.all[number - 1]
      if remittance.end == end { return false }
      if let other = remittance.end {
        state.faults.append("transfer \(number) was \(other) and \(end)")
        return false
      }
      remittance.end = end
      remittance.took = .now - remittance.handedIn
      state.all[number - 1] = remittance
      return true
    }
  }

  /// What the savers' whole histories, one for each grid, say: every transfer that was taken was
  /// debited once and ended once, in a credit or in a refund, and nothing else came or went.
  func reckon(_ histories: [[Intertie_V1_HistoryEntry]]) throws -> String {
    var traces: [Int: Trace] = [:]
    for (grid, lines) in histories.enumerated() {
      for line in lines {
        let number = abs(line.millionths)
        guard let step = line.step else { continue }
        let other = traces[number, default: Trace()].steps.updateValue((grid, line), forKey: step)
        try demand(other == nil, "transfer \(number) twice: \(line)")
      }
    }
    let all = state.withLock { $0.all }
    for one in all {
      if let trace = traces.removeValue(forKey: one.number) {
        try trace.check(one)
      } else {
        try demand(!one.isTaken, "\(one) was taken, and nothing was debited")
      }
    }
    try demand(traces.isEmpty, "transfers of nobody: \(traces.keys.sorted())")
    return summary(all)
  }

  fileprivate enum Step: Hashable {
    case debited
    case ended(End)
  }

  /// What histories tell of one transfer.
  private struct Trace {
    var steps: [Step: (grid: Int, line: Intertie_V1_HistoryEntry)] = [:]

    func check(_ one: Remittance) throws {
      guard let debit = steps[.debited] else { throw Fault("\(one) was never debited") }
      let (credit, refund) = (steps[.ended(.credited)], steps[.ended(.refunded)])
      try demand(
        (credit == nil) != (refund == nil), "\(one) ended \(credit == nil ? "never" : "twice")")
      try demand(
        debit.grid == one.from && debit.line.millionths == -one.number
          && steps.values.allSatisfy { $0.line.asset == one.asset }, "\(one) was of something else")
      if let credit {
        try demand(credit.grid == one.to && credit.line.millionths > 0, "another got \(one)")
      }
      if let refund {
        try demand(
          refund.grid == one.from && refund.line.millionths > 0
            && refund.line.reference == debit.line.reference, "another got \(one) back")
        try demand(one.deadline != Remittances.never, "\(one) came back, and had no deadline")
      }
    }
  }

  private func summary(_ all: [Remittance]) -> String {
    let taken = all.filter(\.isTaken)
    func told(_ asset: Asset) -> Int { taken.count { $0.asset == asset } }
    func times(_ end: End) -> String {
      let times = taken.filter { $0.end == end }.compactMap(\.took).sorted()
      guard let longest = times.last else { return "none \(end)" }
      return "\(times.count) \(end) (median \(times[times.count / 2].text), 99 % "
        + "\(times[times.count * 99 / 100].text), longest \(longest.text))"
    }
    return "\(taken.count) transfers (\(told(.money)) of money, \(told(.tsl)) of TSL, "
      + "\(told(.ect)) of ECT): \(times(.credited)), \(times(.refunded))"
  }
}

extension Intertie_V1_HistoryEntry {
  /// How it ends a transfer, if it does.
  fileprivate var end: Remittances.End? {
    switch kind {
    case .receivedFromAbroad: .credited
    case .refunded: .refunded
    default: nil
    }
  }

  /// What it is of a transfer, if it is of one.
  fileprivate var step: Remittances.Step? {
    kind == .sentAbroad ? .debited : end.map { .ended($0) }
  }

  fileprivate var asset: Asset { money != 0 ? .money : tsl != 0 ? .tsl : .ect }
  /// Of the one asset that it moves.
  fileprivate var millionths: Int { Int(money != 0 ? money : tsl != 0 ? tsl : ect) }
}
