import Domain
import GRPCCore
import Synchronization

/// What the lanes of one connection share.
package struct LaneContext: Sendable {
  package var connection: LoadConnection
  package var plan: LoadPlan
  package var figures: GridFigures
  package var acknowledged: Acknowledged
  /// For a closed loop.
  package var gate: BalanceGate?

  package init(
    connection: LoadConnection, plan: LoadPlan, figures: GridFigures, acknowledged: Acknowledged,
    gate: BalanceGate? = nil
  ) {
    self.connection = connection
    self.plan = plan
    self.figures = figures
    self.acknowledged = acknowledged
    self.gate = gate
  }
}

/// Keeps the two lanes of a connection in the mix's proportion.
package final class BalanceGate: Sendable {
  private let balance: Mutex<Balance>
  private let readings: Chime
  private let commands: Chime

  /// For a connection with so many meters. The chimes wake the lanes when the other one has sent
  /// something.
  package init(_ plan: LoadPlan, meters: Int, readings: Chime, commands: Chime) {
    balance = Mutex(
      Balance(mix: plan.mix, batch: ReadingLane.largestBatch(plan, meters: meters)))
    self.readings = readings
    self.commands = commands
  }

  package var readingsRoom: Int { balance.withLock { $0.readingsRoom } }
  package var commandsRoom: Int { balance.withLock { $0.commandsRoom } }

  package func issue(readings count: Int) {
    balance.withLock { $0.issue(readings: count) }
    commands.ring()
  }

  package func issue(commands count: Int) {
    balance.withLock { $0.issue(commands: count) }
    readings.ring()
  }
}

extension RPCError {
  /// Refused before anything was done: it may be sent again without a doubt.
  var isBusy: Bool { code == .resourceExhausted }
}
