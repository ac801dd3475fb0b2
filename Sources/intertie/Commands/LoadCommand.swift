import ArgumentParser
import Domain
import Foundation
import Load
import Synchronization

struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Drives nodes with thousands of simulated meters, and measures.",
    discussion: """
      For trials: whoever knows the seed has the simulated members' keys. `load prepare` writes a \
      genesis that has them in it; `load run`, which is meant when neither is named, enrols those \
      that a chain has not.
      """,
    subcommands: [Run.self, Prepare.self], defaultSubcommand: Run.self)

  struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Sends readings, orders and transfers, and reports what became of them.",
      discussion: """
        Nodes of one chain share its meters, nodes of several chains have them in equal parts. A \
        connection stands for a data concentrator, with a stream of its meters' readings and the \
        calls of their members. With --rate the load does not slow down when answers do, and an \
        item's latency counts from the moment at which the rate wanted it sent; with --closed a \
        connection sends as fast as it is answered.

        A meter reads the newest interval that has ended. When its turn comes again before the \
        next one has ended, it sends a correction, as the next version of the same reading. So \
        that each reading is a first one, let the chain's time pass faster: `load prepare \
        --interval-seconds 60 --chain-rate 60` gives intervals of a second.

        The answer to a transfer to another grid says that it is on its way; the check at the end \
        waits until all have arrived.

        The mix counts what is sent, not what is applied. With --rate each kind has its part of \
        the rate. With --closed each connection keeps the proportion as it goes: readings get \
        ahead of commands by a batch at most, and commands of readings by what the mix has for \
        one batch and one command; a batch is --batch or a quarter of the connection's meters, \
        whichever is less. A kind that the nodes take slowly slows the other ones down.

        SIGINT (^C) and SIGTERM end the load: what is under way is waited for, --grace seconds \
        at most, and the check and the report follow as usual; the report says after how many \
        seconds it was, and its rates are over these. A second signal ends at once, without a \
        report.

        At the end all blocks since the load began are read through the nodes' public services \
        and held against what was acknowledged. Exit codes, the first that fits: 1 the load could \
        not begin, or anything acknowledged is missing or there twice; 3 not or not wholly \
        checked, since no node tells what the chain has, whether or not anything was applied: the \
        rest of the report is there; 1 nothing was applied; 0 all is there, also when the load \
        was ended early. Besides: 130 ended by a second signal, or by one before the load; 64 \
        wrong arguments.
        """)
    @Option(
      name: .customLong("node"), parsing: .singleValue,
      help:
        "A node, HOST:PORT; repeatable, each once. Default: $INTERTIE_NODE, else 127.0.0.1:7411.")
    var nodes: [String] = []
    @Option(
      name: .customLong("ca"), parsing: .singleValue,
      help: """
        Certificate that the nodes must show, or its issuer's (PEM): one for all, or one for each \
        node in their order. Default: $INTERTIE_CA, else the system's trust roots.
        """)
    var certificates: [String] = []
    @Flag(help: "Without TLS; for nodes that run so on this machine.") var plaintext = false
    @Option(help: "Simulated meters, each with a member, all grids together.") var meters = 1000
    @Option(help: "Items a second, all kinds and grids together.") var rate: Double?
    @Flag(help: "As many as are answered; meant without --rate.") var closed = false
    @Option(help: "Seconds of load.") var seconds = 10
    @Option(
      help: """
        Weights of readings, orders, transfers and cross (transfers to other grids) in what is sent.
        """)
    var mix = "readings=100"
    @Option(help: "Connections, all nodes together.") var connections = 4
    @Option(help: "What keys and choices are drawn from.") var seed: UInt64 = 1
    @Option(
      help: """
        Times that what met a busy node or a broken connection is sent again; 0: it is dropped. \
        What met a busy node is not sent when the load has ended.
        """)
    var retry = 8
    @Option(help: "Readings in one message at most.") var batch = 1024
    @Option(help: "Commands in one call.") var commandsPerCall = 1
    @Option(help: "Milliseconds for which a connection gathers readings.") var gather = 10.0
    @Option(help: "Seconds to wait for answers at most when the load has ended.") var grace = 30
    @Option(help: "Money of each member that is enrolled, ¤.") var funds = "1000"
    @Option(
      name: .customLong("operator-key"), parsing: .singleValue,
      help: """
        Key file of the operator, to enrol members that the chain has not; one for all grids, or \
        one for each in the order of their first nodes.
        """)
    var operatorKeys: [String] = []
    @Option(
      help: """
        Key file of the gateway, for the members' money: the grid's, or the backbone's if the grid \
        is part of one. Default: the operator's.
        """)
    var gatewayKey: String?
    @Option(help: "Key file of the backbone's operator, for the members' TSL.")
    var backboneOperatorKey: String?
    @OptionGroup var protection: KeysCommand.Protection
    @Option(
      help: """
        File to write the report to as JSON, units in the names; an older one is replaced.
        """)
    var json: String?
    @Option(help: "A line for each kind of item, as CSV.") var csv: String?

    func validate() throws {
      guard rate == nil || !closed else { throw ValidationError("--rate or --closed, not both") }
      guard [0, 1, max(1, nodes.count)].contains(certificates.count) else {
        throw ValidationError("give one --ca for all nodes, or one for each")
      }
      guard gather >= 0, gather <= 1000 else {
        throw ValidationError("--gather is 0 to 1000 ms")
      }
      let places = try endpoints().map { "\($0.host):\($0.port)" }
      if let twice = places.first(where: { place in places.count { $0 == place } > 1 }) {
        throw ValidationError("the node \(twice) is given twice")
      }
      guard json == nil || json != csv else {
        throw ValidationError("--json and --csv are two files")
      }
      do { try plan().validate() } catch let failure as LoadFailure {
        throw ValidationError(failure.description)
      }
    }

    func run() async throws {
      let files = try ReportFile.open(json: json, csv: csv)
      defer { for file in files { file?.close() } }
      let progress = LoadProgressBar()
      let end = LoadEnd()
      let signals = StopSignals {
        guard !Self.isEnding(end.ask(), progress, grace: grace) else { return }
        progress.clear()
        for file in files { file?.close() }
        _exit(130)
      }
      defer { signals.cancel() }
      let report: LoadReport
      do {
        report = try await LoadRun(
          plan: try plan(), addresses: try addresses(), credentials: try credentials(), end: end,
          version: Intertie.configuration.version, say: { progress.say($0) },
          show: { progress.show($0) }
        ).run()
      } catch let failure as LoadFailure {
        progress.clear()
        throw CommandFailure(failure.description)
      }
      print(report.text, terminator: "")
      try files[0]?.write(try Files.json(report))
      try files[1]?.write(Data(report.csv.utf8))
      if report.check.verdict == .notChecked { throw Self.notChecked }
      if !report.isClean { throw ExitCodes.failed }
    }

    private static let notChecked = ExitCode(3)

    /// On a signal: whether a report follows.
    private static func isEnding(
      _ answer: LoadEnd.Answer, _ progress: LoadProgressBar, grace: Int
    ) -> Bool {
      switch answer {
      case .ending:
        progress.say(
          "ending: answers to what is under way are waited for, \(grace) s at most; a second "
            + "signal ends at once, without a report")
      case .over:
        progress.say(
          "the load is over and its report comes after the check; a second signal ends at once, "
            + "without a report")
      case .notBegun, .again: return false
      }
      return true
    }

    private func plan() throws -> LoadPlan {
      var plan = LoadPlan()
      plan.meters = meters
      plan.pace = rate.map { .open(perSecond: $0) } ?? .closed
      plan.mix = try LoadMix(mix)
      plan.seconds = seconds
      plan.connections = connections
      plan.seed = seed
      plan.retries = retry
      plan.batch = batch
      plan.commandsPerCall = commandsPerCall
      plan.gather = Int64(gather * 1000)
      plan.grace = grace
      plan.funds = try Amounts.argument(funds, "--funds")
      return plan
    }

    private func endpoints() throws -> [(host: String, port: Int)] {
      let names: [String?] = nodes.isEmpty ? [nil] : nodes
      return try names.map { name in
        var address = NodeAddress()
        address.node = name
        return try address.endpoint
      }
    }

    private func addresses() throws -> [LoadAddress] {
      try endpoints().enumerated().map { index, endpoint in
        let (host, port) = endpoint
        if plaintext {
          guard host == "::1" || host.hasPrefix("127.") else {
            throw CommandFailure("--plaintext is for loopback addresses only; \(host) needs TLS")
          }
          return LoadAddress(host: host, port: port, security: .plaintext)
        }
        let file =
          certificates.count > 1
          ? certificates[index] : certificates.first ?? NodeAddress.knownCertificate
        guard let file else { return LoadAddress(host: host, port: port, security: .system) }
        guard FileManager.default.isReadableFile(atPath: file) else {
          throw CommandFailure("cannot read the certificate \(file)")
        }
        return LoadAddress(host: host, port: port, security: .file(file))
      }
    }

    /// All key files have one passphrase.
    private func credentials() throws -> LoadCredentials {
      var credentials = LoadCredentials()
      guard !operatorKeys.isEmpty || gatewayKey != nil || backboneOperatorKey != nil else {
        return credentials
      }
      let passphrase = try protection.passphrase()
      func key(_ path: String) throws -> SigningKey {
        try KeyFile.load(path).decrypt(passphrase: passphrase)
      }
      credentials.operators = try operatorKeys.map(key)
      credentials.gateway = try gatewayKey.map(key)
      credentials.backboneOperator = try backboneOperatorKey.map(key)
      return credentials
    }
  }

  struct Prepare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes a genesis that has the simulated meters and members in it.",
      discussion: """
        From a genesis that `genesis make` wrote. With several grids each takes its part of the \
        run's meters: prepare each with that number, rounded up.
        """)
    @Argument(help: "The genesis file to begin with.") var genesis: String
    @Option(help: "The genesis file to create.") var genesisOut: String
    @Option(help: "Simulated meters, each with a member.") var meters = 1000
    @Option(help: "As `load run` will be given.") var seed: UInt64 = 1
    @Option(help: "Money of each member, ¤; on a grid of a backbone they begin without.")
    var funds = "1000"
    @Option(help: "Seconds of an interval: 60 at least, and they divide a day. Default: as it is.")
    var intervalSeconds: Int64?
    @Option(help: "Chain seconds for each second, 1 to 100000. Default: as it is.")
    var chainRate: Int64?

    func validate() throws {
      guard LoadLimits.meters.contains(meters) else {
        throw ValidationError("--meters is 1 to \(LoadLimits.meters.upperBound)")
      }
      do { try settings().validate() } catch let failure as LoadFailure {
        throw ValidationError(failure.description)
      }
    }

    private func settings() throws -> LoadedGenesis.Settings {
      var settings = LoadedGenesis.Settings()
      settings.funds = try Amounts.argument(funds, "--funds")
      settings.intervalSeconds = intervalSeconds
      settings.rate = chainRate
      return settings
    }

    func run() async throws {
      let loaded = try LoadedGenesis.make(
        from: try Files.genesis(genesis), keys: await LoadKeys.derive(meters, seed: seed),
        settings(), now: Int64(Date().timeIntervalSince1970))
      try Files.create(genesisOut, try Files.json(loaded))
      print("chain \(loaded.chainID)")
      let allowance = LoadedGenesis.allowance(of: loaded, meters: meters) + "\n"
      FileHandle.standardError.write(Data(allowance.utf8))
    }
  }
}

/// A file that a report is written to, opened before the load so that a place where nothing can be
/// written is known before. What it had is replaced when the report is there.
private final class ReportFile: Sendable {
  private let path: String
  private let handle: FileHandle
  /// Whether the file was not there before; then none is left when there is no report.
  private let isNew: Bool
  private let isWritten = Atomic(false)

  private init(_ path: String) throws {
    self.path = path
    isNew = !FileManager.default.fileExists(atPath: path)
    let descriptor = reportDescriptor(path)
    guard descriptor >= 0 else { throw Self.failure(path) }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// Both, or none of them: when one cannot be written or they are one file, none is left.
  static func open(json: String?, csv: String?) throws -> [ReportFile?] {
    let first = try json.map(ReportFile.init)
    do {
      let second = try csv.map(ReportFile.init)
      if let first, let second, first.isSame(as: second) {
        throw ValidationError("--json and --csv are two files")
      }
      return [first, second]
    } catch {
      first?.close()
      throw error
    }
  }

  /// Whether they are one regular file under two names; a terminal or a pipe takes both reports.
  private func isSame(as other: ReportFile) -> Bool {
    var (its, others) = (stat(), stat())
    guard fstat(handle.fileDescriptor, &its) == 0,
      fstat(other.handle.fileDescriptor, &others) == 0
    else { return false }
    return its.st_mode & S_IFMT == S_IFREG && its.st_dev == others.st_dev
      && its.st_ino == others.st_ino
  }

  private static func failure(_ path: String) -> CommandFailure {
    CommandFailure("cannot write \(path): \(String(cString: strerror(errno)))")
  }

  func write(_ data: Data) throws {
    isWritten.store(true, ordering: .relaxed)
    // A terminal or a pipe has no length.
    try? handle.truncate(atOffset: 0)
    try data.withUnsafeBytes { bytes in
      var left = bytes
      while !left.isEmpty {
        let count = writeSome(left, to: handle.fileDescriptor)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw Self.failure(path) }
        left = UnsafeRawBufferPointer(rebasing: left.dropFirst(count))
      }
    }
  }

  func close() {
    try? handle.close()
    if isNew, !isWritten.load(ordering: .relaxed) { unlink(path) }
  }
}

/// A descriptor to write to the file, which is created if it is not there; -1 with `errno`.
private func reportDescriptor(_ path: String) -> Int32 {
  open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
}

/// How many bytes were written; -1 with `errno`.
private func writeSome(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
  write(descriptor, bytes.baseAddress, bytes.count)
}

/// How far a run has come, on standard error: a line that moves on a terminal, else a line every
/// ten seconds.
private final class LoadProgressBar: Sendable {
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let shown = Mutex(TenSeconds())

  func say(_ text: String) { write((isTerminal ? "\r\u{1b}[K" : "") + text + "\n") }

  /// Before something else is said on standard error.
  func clear() { if isTerminal { write("\r\u{1b}[K") } }

  func show(_ progress: LoadProgress) {
    if isTerminal {
      write("\r\u{1b}[K" + progress.line)
    } else if shown.withLock({ $0.isDue(progress) }) {
      write(progress.line + "\n")
    }
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
