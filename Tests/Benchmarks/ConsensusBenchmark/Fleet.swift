import Domain
import Foundation
import ProcessSupport

/// The validators of one chain, each a process of its own on 127.0.0.1, and the meters' keys.
struct Fleet {
  /// The most clients that a point has.
  static let clients = 256

  let genesis: Genesis
  /// Its nodes verify the signatures of clients' entries.
  let isSigned: Bool
  let processes: [NodeProcess]
  let places: [NodePlace]
  var quills: [Quill]

  /// Runs `body` beside `count` validators whose files are under `path`. Their processes have
  /// ended when it returns or throws.
  static func run(
    _ count: Int, isSigned: Bool, at path: String, _ body: (inout Fleet) async throws -> Void
  ) async throws {
    let validators = (0..<count).map { _ in SigningKey.generate() }
    let meters = (0..<clients * Quill.meters).map { _ in SigningKey.generate() }
    let genesis = Self.genesis(validators: validators, meters: meters)
    let folders = try validators.enumerated().map { number, key in
      try NodeFolder(
        genesis: genesis, at: "\(path)/\(count)\(isSigned ? "" : "-unsigned")-\(number)", key: key,
        hasPeers: count > 1)
    }
    if !isSigned {
      for (folder, key) in zip(folders, validators) {
        try Data(Hex.encode(key.seed).utf8).write(
          to: URL(fileURLWithPath: UnsignedNode.seedFile(folder.key)))
      }
    }
    let program = isSigned ? nil : CommandLine.arguments[0]
    if count > 1 { for folder in folders { try folder.write(peers: []) } }
    let processes = try folders.map { try NodeProcess($0, program: program) }
    do {
      var ports: [Int] = []
      if count > 1 { for process in processes { ports.append(try await process.peerPort()) } }
      for (own, folder) in folders.enumerated() where count > 1 {
        try folder.write(
          peers: validators.indices.filter { $0 != own }.map {
            "\(validators[$0].publicKey.text(as: .node)) 127.0.0.1:\(ports[$0])"
          })
      }
      var places: [NodePlace] = []
      for (number, process) in processes.enumerated() {
        places.append(
          NodePlace(
            node: number, generation: 0, port: try await process.port(),
            certificate: folders[number].certificate))
      }
      var fleet = Fleet(
        genesis: genesis, isSigned: isSigned, processes: processes, places: places,
        quills: (0..<clients).map { client in
          let first = client * Quill.meters
          return Quill(
            keys: Array(meters[first..<first + Quill.meters]), genesis: genesis,
            isSigning: isSigned)
        })
      try await body(&fleet)
    } catch {
      await end(processes)
      throw error
    }
    await end(processes)
  }

  private static func end(_ processes: [NodeProcess]) async {
    for process in processes { process.signal(SIGTERM) }
    for process in processes where (try? await process.end(within: 5)) == nil {
      process.signal(SIGKILL)
    }
  }

  /// The first interval ends a second after the chain's start; from then on it can be read.
  private static func genesis(validators: [SigningKey], meters: [SigningKey]) -> Genesis {
    let wall = Int64(Date().timeIntervalSince1970)
    let id = SigningKey.generate().publicKey
    return Genesis(
      name: "benchmark", calendar: Calendar(origin: wall / 900 * 900 + 899, wallOrigin: wall),
      parameters: Parameters(),
      roles: Roles(operator: id, oracle: id, gateway: id, utility: id, community: id),
      validators: validators.map(\.publicKey),
      tariff: Tariff(retail: Price(300_000), feedIn: Price(100_000), intervalsPerDay: 96),
      accounts: [GenesisAccount(id: id)],
      meters: meters.map {
        GenesisMeter(
          id: $0.publicKey, account: id, maximumPower: Power(20_000_000), isClean: true)
      })
  }

  /// What the nodes do while nobody asks anything of them, in one second: blocks, and the cores
  /// that they take together.
  func idle() async throws -> (blocks: UInt64, cores: Double) {
    try await Task.sleep(for: .seconds(0.3))
    return try await places[0].connect { services in
      let (start, used, height) = (now(), cpuSeconds, try await services.current().height)
      try await Task.sleep(for: .seconds(1))
      let blocks = try await services.current().height - height
      return (blocks, (cpuSeconds - used) / (now() - start))
    }
  }

  /// CPU seconds that all nodes took until now.
  var cpuSeconds: Double { processes.reduce(0) { $0 + Yardstick.cpuSeconds(of: $1.id) } }
}
