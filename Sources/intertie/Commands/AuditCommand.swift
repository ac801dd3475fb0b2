import ArgumentParser
import Domain
import Foundation
import Node
import Storage

struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Replays a chain from its genesis and checks everything.",
    discussion: """
      Hash chain, certificates, every signature, every root, every invariant at every close, and \
      the energy balance of every interval to the milliwatt-hour. The node of that folder must not \
      be running.
      """)
  @Option(help: "The genesis file of the chain.") var genesis: String
  @Option(help: "The node's data folder.") var data: String
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let genesis = try Files.genesis(self.genesis)
    let report: AuditReport
    do {
      let path = data + "/chain.sqlite"
      guard FileManager.default.fileExists(atPath: path) else {
        throw CommandFailure("there is no chain in \(data)")
      }
      let store = try Store(path: path, chain: genesis.chainID)
      defer { try? store.close() }
      let showsProgress = isatty(STDERR_FILENO) == 1
      report = try await Audit(store: store, genesis: genesis).run { height, end in
        if showsProgress {
          FileHandle.standardError.write(Data("\raudit \(height)/\(end)".utf8))
        }
      }
      if showsProgress { FileHandle.standardError.write(Data("\r\u{1b}[K".utf8)) }
    } catch let failure as NodeFailure {
      throw CommandFailure("audit FAILED: \(failure)")
    } catch let failure as StorageFailure {
      throw CommandFailure("cannot audit: \(failure)")
    }
    if json {
      print(String(decoding: try Files.json(report), as: UTF8.self), terminator: "")
    } else {
      Self.show(report)
    }
  }

  static func show(_ report: AuditReport) {
    func kWh(_ milliwattHours: Int64) -> String { Amounts.text(micro: milliwattHours) + " kWh" }
    print("audit passed")
    print("  chain        \(report.chain)")
    print("  blocks       \(report.blocks), intervals \(report.intervals)")
    print(
      "  entries      \(report.readings) readings, \(report.commands) commands, "
        + "\(report.rejected) rejected, \(report.signatures) signatures verified")
    print("  trades       \(report.trades)")
    print(
      "  energy in    generation \(kWh(report.generation)), utility \(kWh(report.utilityImport)), "
        + "unserved \(kWh(report.unserved))")
    print(
      "  energy out   consumption \(kWh(report.consumption)), utility "
        + "\(kWh(report.utilityExport)), curtailed \(kWh(report.curtailed)), held "
        + kWh(report.held))
    print("  state root   \(report.stateRoot)")
  }
}
