import Foundation
import Node

// What an audit found, in words.

extension AuditCommand {
  private static func kWh(_ milliwattHours: Int64) -> String {
    Amounts.text(micro: milliwattHours) + " kWh"
  }

  private static func text(_ micro: Int64) -> String { Amounts.text(micro: micro) }

  static func show(_ report: AuditReport) {
    print("audit passed")
    show(lines: report)
  }

  private static func show(lines report: AuditReport) {
    print("  chain        \(report.chain)")
    print("  blocks       \(report.blocks), intervals \(report.intervals)")
    print(
      "  entries      \(report.readings) readings, \(report.commands) commands, "
        + "\(report.rejected) rejected, \(report.signatures) signatures verified")
    if report.packetsSent > 0 || report.deliveries > 0 {
      print(
        "  packets      \(report.packetsSent) sent, \(report.packetsExecuted) executed, in "
          + "\(report.deliveries) deliveries")
    }
    print("  trades       \(report.trades)")
    print(
      "  energy in    generation \(kWh(report.generation)), utility \(kWh(report.utilityImport)), "
        + "tie lines \(kWh(report.tieImport)), unserved \(kWh(report.unserved))")
    print(
      "  energy out   consumption \(kWh(report.consumption)), utility "
        + "\(kWh(report.utilityExport)), tie lines \(kWh(report.tieExport)), curtailed "
        + "\(kWh(report.curtailed)), held \(kWh(report.held))")
    print("  state root   \(report.stateRoot)")
  }

  static func show(_ report: NetworkReport) {
    let backbone = report.backbone
    print("audit passed: the backbone and \(report.grids.count) of its grids")
    print("  backbone     \(backbone.chain)")
    print(
      "  blocks       \(backbone.blocks), in \(report.replicas) "
        + "\(report.replicas == 1 ? "copy" : "copies of one history"), epoch \(backbone.epoch)")
    print(
      "  entries      \(backbone.commands) commands, \(backbone.deliveries) deliveries, "
        + "\(backbone.rejected) rejected, \(backbone.signatures) signatures verified")
    print(
      "  packets      \(backbone.packetsSent) sent to grids, \(backbone.packetsExecuted) of grids "
        + "executed")
    print(
      "  rounds       \(backbone.rounds), \(kWh(report.exchanged)) between grids, wheeling "
        + "\(text(report.wheeling)) ¤, rent \(text(report.rent)) ¤, fund \(text(report.fund)) ¤")
    print(
      "  TSL          \(text(report.storageTokens)) in all, \(text(report.treasury)) of them with "
        + "the backbone")
    print("  state root   \(backbone.stateRoot)")
    for grid in report.grids {
      print("\ngrid \(grid.name)\(grid.isFrozen ? " (frozen: it signed two histories)" : "")")
      show(lines: grid.audit)
      print(
        "  to backbone  \(grid.toBackbone.sent) packets sent, \(grid.toBackbone.executed) executed")
      print("  to the grid  \(grid.toGrid.sent) packets sent, \(grid.toGrid.executed) executed")
      for (name, backing) in [("money", grid.money), ("TSL", grid.tsl), ("ECT", grid.ect)] {
        let label = name.padding(toLength: 12, withPad: " ", startingAt: 0)
        print(
          "  \(label) \(text(backing.supply)) here, \(text(backing.toBackbone)) under way from it, "
            + "\(text(backing.toGrid)) to it: reserve \(text(backing.reserve))")
      }
    }
    for chain in report.gridsNotGiven {
      print("\ngrid \(chain): no chain of it was given")
    }
  }
}
