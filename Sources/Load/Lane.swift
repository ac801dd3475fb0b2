import Domain
import GRPCCore
import Synchronization

/// What the lanes of one connection share.
package struct LaneContext: Sendable {
  package var connection: LoadConnection
  package var plan: LoadPlan
  package var tally: Tally
  package var acknowledged: Acknowledged
  /// For a closed loop.
  package var gate: BalanceGate?
}

/// Keeps the two lanes of a connection in the mix's proportion.
package final class BalanceGate: Sendable {
  private let balance: Mutex<Balance>
  private let readings: Chime
  private let commands: Chime

  /// The chimes wake the lanes when the other one has sent something.
  package init(_ plan: LoadPlan, readings: Chime, commands: Chime) {
    balance = Mutex(Balance(mix: plan.mix, batch: plan.batch))
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
