import Domain
import ProcessSupport
import TestSupport
import Wire

/// Sends what a grid's saver has to the savers of the other grids, without end: a few transfers in
/// one call, some with a deadline that may pass. When a connection broke it asks the node, or the
/// one that takes its place, what became of those without an answer, and sends the same bytes
/// again.
actor Payer {
  /// One that has no answer.
  private struct Sent {
    var remittance: Remittances.Remittance
    var sequence: UInt64
    var body: CommandBody
    var signed: SignedBytes
  }

  /// Milliseconds between two calls.
  private static let pause: ClosedRange<Int64> = 150...600
  /// ECT that the saver has to have for one to be sent: more than any transfer is of.
  private static let enough: Int64 = 50_000

  private let stage: UnionStage
  private let place: Int
  private let grid: Neighbourhood
  private let remittances: Remittances
  private let notebook: Notebook
  private var random: SplitMix64
  private var sequence: UInt64 = 0
  private var open: [Sent] = []
  private var isOver = false
  private(set) var breaks = 0

  init(
    _ stage: UnionStage, place: Int, remittances: Remittances, notebook: Notebook,
    random: SplitMix64
  ) {
    self.stage = stage
    self.place = place
    grid = stage.union.grids[place]
    self.remittances = remittances
    self.notebook = notebook
    self.random = random
  }

  /// It settles what is open and ends.
  func end() { isOver = true }

  /// Until `end()`, or, with transfers whose fate is not known, the task's cancellation.
  func run() async {
    while !Task.isCancelled, !isOver || !open.isEmpty {
      do {
        guard let node = stage.beacon.place(of: place) else { throw Fault("nobody is there") }
        try await node.connect { try await self.pay($0, generation: node.generation) }
      } catch {
        breaks += 1
        try? await Task.sleep(for: .milliseconds(20))
      }
    }
    if !open.isEmpty { remittances.fault("nobody knows what became of \(open.count) transfers") }
  }

  private func pay(_ services: Services, generation: Int) async throws {
    try await resolve(services)
    while !isOver, !Task.isCancelled, stage.beacon.place(of: place)?.generation == generation {
      let height = try await services.overview().height
      let ect = try await services.find(grid.saver.publicKey)?.ect ?? 0
      open = (0..<1 + random.below(3)).map { _ in compose(height: height, ect: ect) }
      let results = try await services.submit(open.map(\.signed))
      for (sent, result) in zip(open, results) { settle(sent, result) }
      open = []
      try await Task.sleep(for: .milliseconds(random.int(Self.pause)))
    }
  }

  private func compose(height: UInt64, ect: Int64) -> Sent {
    var assets = [Asset.money, .tsl]
    if ect > Self.enough { assets.append(.ect) }
    let others = stage.union.grids.indices.filter { $0 != place }
    let remittance = remittances.draw(
      from: place, to: random.element(of: others), asset: random.element(of: assets),
      deadline: random.isOne(in: 4) ? height + UInt64(random.below(30)) : Remittances.never)
    let to = stage.union.grids[remittance.to]
    let body = CommandBody.transferAbroad(
      grid: to.chain, to: to.saver.publicKey, asset: remittance.asset,
      amount: Int64(remittance.number), deadline: remittance.deadline)
    sequence += 1
    return Sent(
      remittance: remittance, sequence: sequence, body: body,
      signed: grid.command(body, by: grid.saver, sequence: sequence))
  }

  /// After a broken connection: the chain has a command, or it is sent again in the same bytes.
  private func resolve(_ services: Services) async throws {
    let deadline = Deadline(20)
    while let sent = open.first {
      if let found = try await services.receipt(grid.saver.publicKey, sent.sequence) {
        if Array(found.entryDigest) != Digest.sha256(sent.signed.payload).array {
          remittances.fault("the receipt of \(sent.remittance) is of other bytes")
        }
        settle(sent, found.result)
        open.removeFirst()
        continue
      }
      let result = try await services.submit(sent.signed)
      if result.rejection != .replayed {
        settle(sent, result)
        open.removeFirst()
        continue
      }
      // It is under way: a receipt comes.
      guard !deadline.isOver else {
        throw Fault("transfer \(sent.remittance.number) is neither found nor taken")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  private func settle(_ sent: Sent, _ result: Intertie_V1_SubmitResult) {
    guard result.rejection == .none, result.packet > 0, let position = result.position else {
      remittances.fault("\(sent.remittance) was refused: \(result)")
      return
    }
    remittances.take(sent.remittance.number)
    notebook.note(
      NotedCommand(
        name: CommandName(member: Neighbourhood.homes, sequence: sent.sequence), body: sent.body,
        digest: Digest.sha256(sent.signed.payload), position: position, receipt: result.receipt))
  }
}

/// Looks what has come to a grid's saver, again and again.
struct Arrivals: Sendable {
  let stage: UnionStage
  let place: Int
  let remittances: Remittances

  /// Milliseconds between two looks: how fine the times are measured.
  static let period = 40

  /// Until the task's cancellation.
  func run() async {
    while !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(Self.period))
      guard let node = stage.beacon.place(of: place) else { continue }
      try? await node.connect { services in
        while !Task.isCancelled, stage.beacon.place(of: place)?.generation == node.generation {
          try await look(services)
          try await Task.sleep(for: .milliseconds(Self.period))
        }
      }
    }
  }

  /// Reads on until a page has no news.
  private func look(_ services: Services) async throws {
    let saver = stage.union.grids[place].saver.publicKey
    var cursor: UInt64 = 0
    repeat {
      let page = try await services.history(of: saver, limit: 100, cursor: cursor)
      var news = 0
      for line in page.lines where remittances.note(line, in: place) { news += 1 }
      cursor = news > 0 ? page.next : 0
    } while cursor != 0
  }
}
