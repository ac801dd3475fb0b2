import Domain
import Foundation
import Market

/// Clears the rounds that it reads, for tests in other languages: one round a line, in whole
/// numbers with spaces between them.
///
///     round, grids, and for each grid: buys, price and Wh of each, sells, price and Wh of each;
///     lines, and for each line: from, to, capacity forth, capacity back, fee
///
/// Grids are called 0, 1, 2, …, lines come in the order of their ids. For each it writes a line:
///
///     surplus, and for each grid: price or -, bought, sold; and for each line: flow
///
/// The outcome has passed `Coupling.verify` and its invariants. Ends with 2 and the place of the
/// first round that is none.
@main
struct CouplingProbe {
  static func main() {
    var number = 0
    while let text = readLine() {
      number += 1
      do { print(try answer(text)) } catch {
        FileHandle.standardError.write(Data("round \(number): \(error)\n".utf8))
        exit(2)
      }
    }
  }

  private static func answer(_ text: String) throws -> String {
    var numbers = Numbers(text)
    let problem = try numbers.problem()
    let outcome = try Coupling.clear(problem)
    try Coupling.verify(outcome, of: problem)
    try outcome.checkInvariants(problem, CouplingSettlement(outcome, of: problem))
    var words = [String(outcome.surplus(in: problem))]
    for share in outcome.shares {
      words += [
        share.price.map { String($0.raw) } ?? "-", String(share.bought), String(share.sold),
      ]
    }
    return (words + outcome.flows.map { String($0) }).joined(separator: " ")
  }
}

/// The numbers of a line, one after the other.
private struct Numbers {
  private let values: [Int64?]
  private var next = 0

  init(_ text: String) {
    values = text.split(separator: " ").map { Int64($0) }
  }

  mutating func problem() throws(Rejection) -> CouplingProblem {
    let round = Interval(try read())
    var bids: [CouplingBid] = []
    for place in 0..<(try count()) {
      bids.append(CouplingBid(grid: grid(place), buys: try steps(), sells: try steps()))
    }
    var lines: [CouplingLine] = []
    for id in 0..<(try count()) {
      lines.append(
        CouplingLine(
          id: UInt64(id), from: grid(try count()), to: grid(try count()), forth: try read(),
          back: try read(), fee: Price(try read())))
    }
    guard next == values.count else { throw .malformed }
    return try CouplingProblem(round: round, bids: bids, lines: lines)
  }

  private func grid(_ place: Int) -> ChainID { ChainID(Bytes32(UInt64(place), 0, 0, 0)) }

  private mutating func steps() throws(Rejection) -> [PriceStep] {
    var steps: [PriceStep] = []
    for _ in 0..<(try count()) {
      steps.append(PriceStep(price: try read(), wattHours: try read()))
    }
    return steps
  }

  private mutating func count() throws(Rejection) -> Int {
    let value = try read()
    guard (0...Int64(values.count)).contains(value) else { throw .malformed }
    return Int(value)
  }

  private mutating func read() throws(Rejection) -> Int64 {
    guard next < values.count, let value = values[next] else { throw .malformed }
    next += 1
    return value
  }
}
