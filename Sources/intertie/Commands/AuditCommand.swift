import ArgumentParser
import Domain
import Foundation
import Node
import Storage

struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Replays chains from their genesis and checks everything.",
    discussion: """
      Hash chain, certificates, every signature, every root, every invariant at every close, and \
      the energy balance of every interval to the milliwatt-hour. Of a grid that is part of a \
      backbone, this node's copy of the backbone's chain, too, and across both: every packet that \
      one has executed is what the other sent, once and in order; supply and packets under way are \
      the reserve; what left a grid came to others.

      Give --genesis and --data again for each further node, or --network with folders that hold \
      genesis.json and data, or such folders. The nodes must not be running.
      """)
  @Option(help: "The genesis file of the chain; again for each node.") var genesis: [String] = []
  @Option(help: "The node's data folder; as many, in the same order.") var data: [String] = []
  @Option(parsing: .upToNextOption, help: "Folders of nodes.") var network: [String] = []
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard genesis.count == data.count else {
      throw ValidationError("each --genesis needs its --data")
    }
    guard !genesis.isEmpty || !network.isEmpty else {
      throw ValidationError("give --genesis and --data, or --network")
    }
  }

  func run() async throws {
    var folders = zip(genesis, data).map { AuditedFolder(genesis: $0, data: $1) }
    for folder in network { folders += try AuditedFolder.all(in: folder) }
    let network = try await Self.replay(folders)
    guard !network.backbones.isEmpty else { return try show(network.grids) }
    let report = try Self.check(network.backbones, network.grids)
    if json { try printJSON(report) } else { Self.show(report) }
  }

  /// What `--network` finds of the nodes in these folders, all of one backbone.
  static func network(_ folders: [AuditedFolder]) async throws -> NetworkReport {
    let network = try await replay(folders)
    return try check(network.backbones, network.grids)
  }

  private static func check(
    _ backbones: [AuditedChain<BackbonePipeline>], _ grids: [AuditedChain<BarePipeline>]
  ) throws -> NetworkReport {
    do throws(NodeFailure) {
      return try NetworkAudit(backbone: backbones, grids: grids).check()
    } catch { throw CommandFailure("audit FAILED: \(error)") }
  }

  private static func replay(_ folders: [AuditedFolder]) async throws -> (
    backbones: [AuditedChain<BackbonePipeline>], grids: [AuditedChain<BarePipeline>]
  ) {
    var backbones: [AuditedChain<BackbonePipeline>] = []
    var grids: [AuditedChain<BarePipeline>] = []
    for folder in folders {
      let genesis = try Files.genesis(folder.genesis)
      grids.append(
        try await folder.replayed(genesis.chainID, in: folder.data) {
          Audit(store: $0, genesis: genesis)
        })
      let path = folder.data + "/backbone"
      guard let backbone = genesis.backbone,
        FileManager.default.fileExists(atPath: path + "/chain.sqlite")
      else { continue }
      backbones.append(
        try await folder.replayed(backbone.chainID, in: path) {
          Audit(store: $0, genesis: backbone)
        })
    }
    return (backbones, grids)
  }

  private func printJSON(_ report: some Encodable) throws {
    print(String(decoding: try Files.json(report), as: UTF8.self), terminator: "")
  }

  /// Chains that nothing holds against each other.
  private func show(_ grids: [AuditedChain<BarePipeline>]) throws {
    if json {
      let reports = grids.map(\.report)
      if let report = reports.first, reports.count == 1 {
        try printJSON(report)
      } else {
        try printJSON(reports)
      }
      return
    }
    for (place, grid) in grids.enumerated() {
      if place > 0 { print() }
      Self.show(grid.report)
      if !grid.state.laneFigures.isEmpty {
        print("  backbone     no copy of its chain is here: the other side was not checked")
      }
    }
  }
}

/// A node's genesis file and data folder.
struct AuditedFolder {
  var genesis: String
  var data: String

  /// The node of this folder, or those of the folders in it, by name.
  static func all(in folder: String) throws -> [AuditedFolder] {
    if let own = AuditedFolder(of: folder) { return [own] }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw CommandFailure("there is no folder \(folder)")
    }
    let found = names.sorted().compactMap { AuditedFolder(of: folder + "/" + $0) }
    guard !found.isEmpty else {
      throw CommandFailure("no node's genesis.json and data are in \(folder), nor one level below")
    }
    return found
  }

  init(genesis: String, data: String) {
    self.genesis = genesis
    self.data = data
  }

  private init?(of folder: String) {
    self.init(genesis: folder + "/genesis.json", data: folder + "/data")
    let manager = FileManager.default
    guard manager.fileExists(atPath: genesis), manager.fileExists(atPath: data) else { return nil }
  }

  /// The chain that is kept in a folder; what fails names it.
  func replayed<State: AuditedState>(
    _ chain: ChainID, in folder: String, _ audit: (Store) -> Audit<State>
  ) async throws -> AuditedChain<State> {
    let path = folder + "/chain.sqlite"
    guard FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure("there is no chain in \(folder)")
    }
    do {
      let store = try Store(path: path, chain: chain)
      defer { try? store.close() }
      let audit = audit(store)
      return try await AuditProgress.shown(folder) { try await audit.replay(progress: $0) }
    } catch let failure as NodeFailure {
      throw CommandFailure("audit of \(folder) FAILED: \(failure)")
    } catch let failure as StorageFailure {
      throw CommandFailure("audit of \(folder) FAILED: \(Self.words(failure))")
    }
  }

  /// Without the advice that a storage failure has for a node.
  private static func words(_ failure: StorageFailure) -> String {
    switch failure {
    case .wrongChain(let expected, let found):
      "it keeps chain \(found), and the genesis is that of \(expected)"
    case .corrupt(let reason): "the store is damaged: \(reason)"
    default: "\(failure)"
    }
  }
}

/// How far an audit has come, on a terminal.
enum AuditProgress {
  /// Of a folder's name, so that the line fits a terminal.
  private static let columns = 40

  static func shown<T: Sendable>(
    _ name: String, _ body: (@Sendable (UInt64, UInt64) -> Void) async throws -> T
  ) async throws -> T {
    guard isatty(STDERR_FILENO) == 1 else { return try await body { _, _ in } }
    defer { FileHandle.standardError.write(Data("\r\u{1b}[K".utf8)) }
    let label = name.count > columns ? "…" + name.suffix(columns) : name
    return try await body { height, end in
      FileHandle.standardError.write(Data("\r\u{1b}[Kaudit \(label) \(height)/\(end)".utf8))
    }
  }
}
