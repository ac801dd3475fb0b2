import CoreMetrics
import Dashboard
import Logging
import Node
import Synchronization

/// What `intertie node` shows of itself over HTTP: metrics, and whether it lives and is ready. It
/// is there before the chain is open, which can take a while.
final class NodeDisplay: Sendable {
  private let registry = MetricsRegistry(MetricTable.rows)
  private let grid = Mutex<Microgrid?>(nil)
  private let server = Mutex<DashboardServer?>(nil)

  private init() {}

  /// Serves at `address`, HOST:PORT; nil without one. The process's metrics are kept here from then
  /// on, so this is done once.
  static func open(_ address: String?, portFile: String?, _ log: Logger) async throws
    -> NodeDisplay?
  {
    guard let address else { return nil }
    let (host, port) = try NodeCommand.listenAddress(address, "--metrics-listen")
    let display = NodeDisplay()
    let pages = Pages(
      metrics: { display.metrics() }, live: { display.live }, ready: { display.ready })
    let server: DashboardServer
    do {
      server = try await DashboardServer.start(host: host, port: port, pages: pages)
    } catch {
      throw CommandFailure(
        "the node cannot start: " + cannotListen(host, port, option: "--metrics-listen", error))
    }
    MetricsSystem.bootstrap(display.registry)
    display.server.withLock { $0 = server }
    log.notice("serving metrics", metadata: ["address": "\(host):\(server.port)"])
    NodeCommand.write(server.port, to: portFile, log)
    return display
  }

  /// For the node's own metrics, and those of the libraries that it uses.
  var factory: any MetricsFactory { MetricsSystem.factory }

  /// The chain is open.
  func show(_ grid: Microgrid) { self.grid.withLock { $0 = grid } }

  func close() { server.withLock { $0.take() }?.close() }

  private var shown: Microgrid? { grid.withLock { $0 } }

  private func metrics() -> [UInt8] {
    shown?.refreshMetrics()
    return registry.exposition()
  }

  private var live: Verdict {
    let health = shown?.health
    return Verdict(isGood: health?.isLive ?? true, text: health?.liveText ?? "ok")
  }

  private var ready: Verdict {
    guard let health = shown?.health else {
      return Verdict(isGood: false, text: "not ready: the chain is being opened")
    }
    return Verdict(isGood: health.isReady, text: health.readyText)
  }
}
