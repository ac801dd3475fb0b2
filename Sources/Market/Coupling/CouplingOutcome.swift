import Domain

/// What a round comes to: the block that closes the round carries it, and every validator verifies
/// it.
package struct CouplingOutcome: Hashable, Sendable {
  package var round: Interval
  /// In the order of the problem's bids.
  package var shares: [CouplingShare]
  /// In the order of the problem's lines: Wh from the line's `from` to its `to`, below zero the
  /// other way. One number, so that a line never carries energy both ways.
  package var flows: [Int64]

  package init(round: Interval, shares: [CouplingShare], flows: [Int64]) {
    self.round = round
    self.shares = shares
    self.flows = flows
  }

  /// Surplus of the accepted steps less wheeling fees, in µ¤/kWh × Wh, which is µ¤ × 1000.
  /// `problem` is the one of this outcome.
  package func surplus(in problem: CouplingProblem) -> Int128 {
    var surplus: Int128 = 0
    for (bid, share) in zip(problem.bids, shares) {
      let accepted = bid.accepted(share)
      for (step, wattHours) in zip(bid.buys, accepted.buys) {
        surplus += Int128(step.price) * Int128(wattHours)
      }
      for (step, wattHours) in zip(bid.sells, accepted.sells) {
        surplus -= Int128(step.price) * Int128(wattHours)
      }
    }
    for (line, flow) in zip(problem.lines, flows) {
      surplus -= Int128(line.fee.raw) * Int128(flow.magnitude)
    }
    return surplus
  }
}

// MARK: Canonical encoding

extension CouplingOutcome {
  /// Round; count and shares, each with whether it has a price, the price if so, bought and sold;
  /// count and flows.
  package var encoded: [UInt8] {
    var writer = CanonicalWriter(capacity: 32 + shares.count * 25 + flows.count * 8)
    writer.write(round)
    writer.write(UInt32(shares.count))
    for share in shares { share.encode(into: &writer) }
    writer.write(UInt32(flows.count))
    for flow in flows { writer.write(flow) }
    return writer.bytes
  }

  /// Throws `limitExceeded` for more shares or flows than a problem can have, and `malformed` for
  /// anything that is not an encoding of an outcome. `verify` looks at the figures.
  package init(decoding bytes: [UInt8]) throws(Rejection) {
    var reader = CanonicalReader(bytes)
    let round = try reader.readInterval()
    let shareCount = try reader.readCount(elementSize: 17)
    guard shareCount <= CouplingLimits.grids else { throw .limitExceeded }
    var shares: [CouplingShare] = []
    for _ in 0..<shareCount { shares.append(try CouplingShare(from: &reader)) }
    let flowCount = try reader.readCount(elementSize: 8)
    guard flowCount <= CouplingLimits.lines else { throw .limitExceeded }
    var flows: [Int64] = []
    for _ in 0..<flowCount { flows.append(try reader.read(Int64.self)) }
    try reader.finish()
    self.init(round: round, shares: shares, flows: flows)
  }
}

extension CouplingShare {
  package func encode(into writer: inout CanonicalWriter) {
    writer.write(price != nil)
    if let price { writer.write(price) }
    writer.write(bought)
    writer.write(sold)
  }

  /// Throws `malformed`.
  package init(from reader: inout CanonicalReader) throws(Rejection) {
    let price: Price? = try reader.readBool() ? try reader.read(Price.self) : nil
    self.init(
      price: price, bought: try reader.read(Int64.self), sold: try reader.read(Int64.self))
  }
}
