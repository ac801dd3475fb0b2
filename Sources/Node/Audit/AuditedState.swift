import Backbone
import Domain
import Fees
import Ledger
import Market
import Metering

/// A lane as one of its two chains has it in its state, for an audit to compare with the packets.
package struct LaneFigures: Hashable, Sendable {
  /// The chain at the other end.
  package var peer: ChainID
  /// The last packet sent, and the last one executed; 0 for none.
  package var sent: UInt64
  package var executed: UInt64
  /// Of a grid what all its accounts have, of the backbone what it keeps for the grid.
  package var value: TravellingAssets<Int128>
}

/// What an audit asks of a chain's state between two blocks.
package protocol AuditedState: RestorableState {
  /// WATT that all accounts hold.
  var heldEnergy: Energy { get }
  /// What the close of an interval that is not final has stored so far.
  var storedSoFar: Energy { get }
  /// One for each chain that packets go to and come from.
  var laneFigures: [LaneFigures] { get }
  /// Lines between grids, by number, ascending.
  var lines: [Interconnector] { get }

  func checkInvariants() throws(InvariantViolation)
}

extension Pipeline: AuditedState
where Meter == MeteringCore, Book == BookCore, Books == LedgerCore, Fee == FeesCore {
  package var heldEnergy: Energy { Energy(ledger.supply(of: .watt)) }
  package var storedSoFar: Energy { open?.stored ?? .zero }

  package var laneFigures: [LaneFigures] {
    guard let lane else { return [] }
    var supplies = TravellingAssets<Int128>()
    for asset in TravellingAssets<Int128>.assets {
      supplies[asset] = Int128(ledger.supply(of: asset))
    }
    return [
      LaneFigures(
        peer: lane.backbone, sent: lane.sent, executed: lane.received, value: supplies)
    ]
  }

  package var lines: [Interconnector] { [] }

  /// Of the cores, every close checks them; here only what is cheap.
  package func checkInvariants() throws(InvariantViolation) { try lane?.checkInvariants() }
}

extension BackbonePipeline: AuditedState {
  package var heldEnergy: Energy { .zero }
  package var storedSoFar: Energy { .zero }

  package var laneFigures: [LaneFigures] {
    core.gridRecords.map { record in
      var reserve = TravellingAssets<Int128>()
      for asset in TravellingAssets<Int128>.assets {
        reserve[asset] = Int128(record.reserve[asset])
      }
      return LaneFigures(
        peer: record.grid, sent: record.sent, executed: record.received, value: reserve)
    }
  }

  package var lines: [Interconnector] { core.lines }

  package func checkInvariants() throws(InvariantViolation) { try core.checkInvariants() }
}
