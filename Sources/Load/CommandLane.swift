import Domain
import GRPCCore
import Wire

/// The commands of one connection's members: a call each, as wallets make them, or several in a
/// call, as many at a time as their pace wants.
package actor CommandLane {
  private struct Call {
    var commands: [PreparedCommand]
    /// When each was to be sent, on the `Monotonic` clock.
    var due: [Int64]
    /// Whether an earlier attempt may have reached the chain.
    var isDoubtful = false
  }

  package nonisolated let chime: Chime
  private let context: LaneContext
  private var book: CommandBook
  private var pacer: Pacer
  private let travellers: Int
  private let mostCalls: Int
  private var underWay = 0

  package init(
    _ context: LaneContext, book: CommandBook, pacer: Pacer, travellers: Int, chime: Chime
  ) {
    self.context = context
    self.book = book
    self.pacer = pacer
    self.travellers = travellers
    mostCalls = min(
      LoadLimits.callsOfConnection, LoadLimits.callsUnderWay / max(1, context.plan.connections))
    self.chime = chime
  }

  /// What was due, and what of it was sent.
  package var pace: Pacer { pacer }

  /// The load ends at that time, sooner than planned.
  package func cut(at time: Int64) { pacer.cut(at: time) }

  /// Commands that are due at that time and were not sent.
  package func late(at time: Int64) -> Int {
    pacer.isOpen ? pacer.due(by: time, limit: .max) : 0
  }

  /// Until the load is over and everything is answered or given up.
  package func run() async {
    await withDiscardingTaskGroup { group in
      while let call = await self.next() {
        group.addTask { await self.perform(call) }
      }
    }
  }

  /// What is due at the very end may be sent a little later.
  private var isOver: Bool {
    chime.isOver || Monotonic.now >= pacer.end + (pacer.isOpen ? LoadLimits.tail : 0)
  }

  /// The next call, at its time; nil when the load is over.
  private func next() async -> Call? {
    while !Task.isCancelled, !isOver {
      let now = Monotonic.now
      guard underWay < mostCalls else {
        await chime.wait()
        continue
      }
      let count = room(at: now)
      if count > 0 {
        if let call = await compose(count, at: now) { return call }
        // Every member that could send has as much under way as it may.
        await chime.wait()
      } else if pacer.isOpen && pacer.unsent == 0 {
        return nil
      } else if pacer.isOpen || now < pacer.start {
        await Monotonic.sleep(
          until: min(max(pacer.next, pacer.start), pacer.end, now + LoadLimits.look))
      } else {
        await chime.wait()
      }
    }
    return nil
  }

  private func room(at now: Int64) -> Int {
    let limit = context.plan.commandsPerCall
    guard !pacer.isOpen else { return pacer.due(by: now + context.plan.gather, limit: limit) }
    return now < pacer.start ? 0 : min(limit, context.gate?.commandsRoom ?? .max)
  }

  /// Signs ahead, then waits until the last one is due.
  private func compose(_ count: Int, at now: Int64) async -> Call? {
    var call = Call(commands: [], due: [])
    while call.commands.count < count, let command = book.next(travellers: travellers) {
      call.commands.append(command)
      call.due.append(pacer.isOpen ? pacer.next : now)
      pacer.issue(1)
    }
    guard let last = call.due.last else { return nil }
    underWay += 1
    context.gate?.issue(commands: call.commands.count)
    context.figures.noteIssued(call.commands.count, at: now)
    if pacer.isOpen {
      await Monotonic.sleep(until: last)
    } else {
      call.due = call.due.map { _ in Monotonic.now }
    }
    for command in call.commands { context.figures.change(command.kind) { $0.sent += 1 } }
    return call
  }

  private func perform(_ composed: Call) async {
    var call = composed
    var attempt = 0
    while true {
      let failure: RPCError?
      do {
        let (results, time) = try await send(call)
        settle(call, results, at: time)
        return
      } catch { failure = error as? RPCError }
      attempt += 1
      // The load's own end is no broken connection.
      if !Task.isCancelled { count(call, failure) }
      if failure?.isBusy != true, !call.isDoubtful {
        call.isDoubtful = true
        context.acknowledged.change { acknowledged in
          for command in call.commands {
            acknowledged.doubt(AcknowledgedItems.mark(command.signed.payload))
          }
        }
      }
      guard attempt <= context.plan.retries, mayGoOn(call) else { break }
      let pause = RetryPause.milliseconds(
        after: failure, attempt: attempt, longest: context.plan.longestPause)
      await wait(until: Monotonic.now + pause * 1000, with: call)
      guard mayGoOn(call) else { break }
      for command in call.commands { context.figures.change(command.kind) { $0.retried += 1 } }
    }
    giveUp(call)
  }

  /// Whether it is sent again: when the load is over only to learn an outcome that is in doubt.
  private func mayGoOn(_ call: Call) -> Bool {
    !Task.isCancelled && (call.isDoubtful || !isOver)
  }

  /// Until then, or until the load is over and the call is not sent again.
  private func wait(until time: Int64, with call: Call) async {
    while Monotonic.now < time, mayGoOn(call) {
      await Monotonic.sleep(until: min(time, Monotonic.now + LoadLimits.pauseLook))
    }
  }

  /// One call; the results and when they came.
  private nonisolated func send(_ call: Call) async throws
    -> (results: [Intertie_V1_SubmitResult], time: Int64)
  {
    let connection = context.connection
    let options = LoadConnection.options
    if call.commands.count == 1, call.commands[0].isPlacing || call.commands[0].isCancelling {
      let message = Intertie_V1_SignedCommand(call.commands[0].signed)
      let result =
        call.commands[0].isPlacing
        ? try await connection.market.place(message, options: options)
        : try await connection.market.cancel(message, options: options)
      return ([result], Monotonic.now)
    }
    let request = Intertie_V1_SubmitRequest.with {
      $0.commands = call.commands.map { Intertie_V1_SignedCommand($0.signed) }
    }
    let results = try await connection.ledger.submit(request, options: options).results
    return (results, Monotonic.now)
  }

  private func count(_ call: Call, _ failure: RPCError?) {
    let now = Monotonic.now
    for command in call.commands {
      if failure?.isBusy == true {
        context.figures.noteBusy(command.kind, 1, at: now)
      } else {
        context.figures.noteBroken(command.kind, 1, at: now)
      }
    }
  }

  private func settle(_ call: Call, _ results: [Intertie_V1_SubmitResult], at time: Int64) {
    guard results.count == call.commands.count else {
      context.acknowledged.change { $0.fault("a submission had not one result a command") }
      giveUp(call)
      return
    }
    context.acknowledged.change { acknowledged in
      for (command, result) in zip(call.commands, results) {
        let mark = AcknowledgedItems.mark(command.signed.payload)
        let reason = result.receipt.rejection
        if call.isDoubtful {
          acknowledged.settle(mark, height: result.height, rejection: reason)
        } else {
          acknowledged.note(mark, command.kind, height: result.height, rejection: reason)
        }
      }
    }
    for (index, (command, result)) in zip(call.commands, results).enumerated() {
      let receipt = result.receipt
      book.finish(command, receipt)
      switch (command.grid, receipt.rejection) {
      case (let grid?, nil): context.figures.noteDeparture(to: grid, isSure: true)
      // Executed when it came the first time, with an outcome that was not heard.
      case (let grid?, .replayed): context.figures.noteDeparture(to: grid, isSure: false)
      default: break
      }
      let answer = ItemAnswer(
        latency: time - call.due[index], height: result.height, rejection: receipt.rejection)
      context.figures.note(command.kind, [answer], at: time)
    }
    underWay -= 1
    chime.ring()
  }

  /// Nobody waits for these any more. What only met a busy node never reached the chain.
  private func giveUp(_ call: Call) {
    for command in call.commands {
      book.finish(command, nil)
      if let grid = command.grid, call.isDoubtful {
        context.figures.noteDeparture(to: grid, isSure: false)
      }
      context.figures.change(command.kind) { tally in
        if call.isDoubtful { tally.lost += 1 } else { tally.dropped += 1 }
      }
    }
    underWay -= 1
    chime.ring()
  }
}
