import Domain
import GRPCCore
import Wire

/// The stream of readings on one connection, as a data concentrator sends them: gathered for a
/// moment, signed ahead of their time, in batches that are acknowledged whole. A batch that met a
/// busy node is sent again when the node says; a stream that ended is opened again, and what had no
/// answer is sent again in the same bytes.
package actor ReadingLane {
  private struct Item {
    var mark: UInt64
    /// When it was to be sent, on the `Monotonic` clock.
    var due: Int64
    var isDoubtful = false
  }

  private struct Batch {
    var message: Intertie_V1_ReadingBatch
    var items: [Item]
    /// Times that it was sent again.
    var attempts = 0
    /// Whether it was handed to a stream that may still answer it; else it waits to be sent again.
    var isOut = true

    var isDoubtful: Bool { items.contains(where: \.isDoubtful) }
  }

  package nonisolated let chime: Chime
  private let context: LaneContext
  private var book: ReadingBook
  private var pacer: Pacer
  private var nextBatch: UInt64 = 1
  private var unanswered: [UInt64: Batch] = [:]
  /// Readings without an answer: no more than there are meters, whose turns come in order. So a
  /// meter has two under way only while one of them waits to be sent again, which the chain then
  /// refuses as stale, since the later one has overtaken it.
  private var underWay = 0
  /// Batches that are to be sent again, and from when on.
  private var again: [(id: UInt64, due: Int64)] = []
  /// Streams that have ended since the last answer.
  private var streak = 0

  package init(_ context: LaneContext, book: ReadingBook, pacer: Pacer, chime: Chime) {
    self.context = context
    self.book = book
    self.pacer = pacer
    self.chime = chime
  }

  /// Corrections, and turns without a version left.
  package var figures: (corrections: Int, skipped: Int) { (book.corrections, book.skipped) }

  /// What was due, and what of it was sent.
  package var pace: Pacer { pacer }

  /// The load ends at that time, sooner than planned.
  package func cut(at time: Int64) { pacer.cut(at: time) }

  /// Readings that are due at that time and were not sent.
  package func late(at time: Int64) -> Int {
    pacer.isOpen ? pacer.due(by: time, limit: .max) : 0
  }

  /// Until the load is over and everything is answered, or the task is cancelled.
  package func run() async {
    while !Task.isCancelled, !(isOver || isAllSent) || !unanswered.isEmpty {
      do {
        try await stream()
        if !unanswered.isEmpty { await fail(nil) }
      } catch { await fail(error as? RPCError) }
    }
    abandon()
  }

  /// What is due at the very end may be sent a little later.
  private var isOver: Bool {
    chime.isOver || Monotonic.now >= pacer.end + (pacer.isOpen ? LoadLimits.tail : 0)
  }

  /// Whether the rate wants nothing more.
  private var isAllSent: Bool { pacer.isOpen && pacer.unsent == 0 }

  private func stream() async throws {
    try await context.connection.meter.stream { writer in
      while let batch = await self.next() { try await writer.write(batch) }
    } onResponse: { response in
      for try await ack in response.messages { await self.note(ack, at: Monotonic.now) }
    }
  }

  /// The next batch, at its time; nil when all is sent and answered, or the stream has ended.
  private func next() async -> Intertie_V1_ReadingBatch? {
    while !Task.isCancelled {
      let now = Monotonic.now
      if isOver { dropRefused() }
      if let batch = takeAgain(at: now) { return batch.message }
      if isOver || isAllSent {
        guard !unanswered.isEmpty else { return nil }
        await pause(until: .max)
      } else if unanswered.count >= LoadLimits.batchesUnderWay || underWay >= book.count {
        await pause(until: .max)
      } else {
        let count = room(at: now)
        if count > 0 {
          if let batch = await compose(count, at: now) { return batch }
        } else if pacer.isOpen || now < pacer.start {
          await pause(until: min(max(pacer.next, pacer.start), pacer.end))
        } else {
          await pause(until: .max)
        }
      }
    }
    return nil
  }

  /// Waits until something is to be sent again, or until `time`; without either, for an answer.
  /// While something is to be sent again, and when the load is over, answers are looked for every
  /// few milliseconds.
  private func pause(until time: Int64) async {
    let due = min(time, again.lazy.map(\.due).min() ?? .max)
    guard due < .max || chime.isOver else { return await chime.wait() }
    let isForAnswer = time == .max
    await Monotonic.sleep(
      until: min(due, Monotonic.now + (isForAnswer ? 5000 : LoadLimits.look)))
  }

  private func takeAgain(at now: Int64) -> Batch? {
    while let place = again.firstIndex(where: { $0.due <= now }) {
      let id = again.remove(at: place).id
      guard var batch = unanswered[id] else { continue }
      batch.attempts += 1
      batch.isOut = true
      unanswered[id] = batch
      context.figures.change(.reading) { [count = batch.items.count] in $0.retried += count }
      return batch
    }
    return nil
  }

  /// How many readings to send now: what is due within the time of gathering; of a closed loop a
  /// batch, or at least a quarter of one if commands lag behind.
  private func room(at now: Int64) -> Int {
    let free = book.count - underWay
    guard !pacer.isOpen else {
      return pacer.due(by: now + context.plan.gather, limit: min(context.plan.batch, free))
    }
    let limit = Self.largestBatch(context.plan, meters: book.count)
    let count = min(limit, free, context.gate?.readingsRoom ?? .max)
    return now < pacer.start || count < (limit + 3) / 4 ? 0 : count
  }

  /// Readings in one batch of a closed loop at most: so that as many batches as may be under way
  /// have a reading of each meter together.
  package static func largestBatch(_ plan: LoadPlan, meters: Int) -> Int {
    let window = LoadLimits.batchesUnderWay
    return min(plan.batch, (meters + window - 1) / window)
  }

  /// Signs ahead, then waits until the last one is due.
  private func compose(_ count: Int, at now: Int64) async -> Intertie_V1_ReadingBatch? {
    var batch = Batch(message: .init(), items: [])
    batch.items.reserveCapacity(count)
    for _ in 0..<count {
      let due = pacer.isOpen ? pacer.next : now
      pacer.issue(1)
      // What comes late is read late, too: no meter tells of an interval that is long past.
      guard let signed = book.next(at: max(due, now)) else { continue }
      batch.items.append(Item(mark: AcknowledgedItems.mark(signed.payload), due: due))
      batch.message.readings.append(Intertie_V1_SignedReading(signed))
    }
    context.gate?.issue(readings: count)
    context.figures.noteIssued(count, at: now)
    guard let last = batch.items.last else {
      await Monotonic.sleep(until: now + 10_000)
      return nil
    }
    if pacer.isOpen {
      await Monotonic.sleep(until: last.due)
    } else {
      let ready = Monotonic.now
      for index in batch.items.indices { batch.items[index].due = ready }
    }
    batch.message.id = nextBatch
    unanswered[nextBatch] = batch
    underWay += batch.items.count
    nextBatch += 1
    let sent = batch.items.count
    context.figures.change(.reading) { $0.sent += sent }
    return batch.message
  }

  private func note(_ ack: Intertie_V1_BatchAck, at time: Int64) {
    streak = 0
    if ack.isBusy, unanswered[ack.id] != nil {
      postpone(ack, at: time)
      chime.ring()
      return
    }
    guard let batch = unanswered[ack.id], let results = ack.results,
      results.count == batch.items.count
    else {
      context.acknowledged.change { $0.fault("a batch was acknowledged wrongly: \(ack.id)") }
      return
    }
    unanswered[ack.id] = nil
    underWay -= batch.items.count
    context.acknowledged.change { acknowledged in
      for (item, result) in zip(batch.items, results) {
        if item.isDoubtful {
          acknowledged.settle(item.mark, height: result.height, rejection: result.reason)
        } else {
          acknowledged.note(item.mark, .reading, height: result.height, rejection: result.reason)
        }
      }
    }
    context.figures.note(
      .reading,
      zip(batch.items, results).map { item, result in
        ItemAnswer(latency: time - item.due, height: result.height, rejection: result.reason)
      }, at: time)
    chime.ring()
  }

  /// The load is over, and what met a busy node is load as well. Of what is in doubt the outcome is
  /// asked for by sending it again.
  private func dropRefused() {
    for id in again.map(\.id) {
      guard let batch = unanswered[id], !batch.isDoubtful else { continue }
      drop(batch, id)
    }
    again.removeAll { unanswered[$0.id] == nil }
  }

  private func drop(_ batch: Batch, _ id: UInt64) {
    unanswered[id] = nil
    underWay -= batch.items.count
    giveUp(batch)
  }

  /// The node took none of the batch: it is sent again later, or given up.
  private func postpone(_ ack: Intertie_V1_BatchAck, at time: Int64) {
    guard let batch = unanswered[ack.id] else { return }
    let count = batch.items.count
    context.figures.noteBusy(.reading, count, at: time)
    guard batch.attempts < context.plan.retries else {
      drop(batch, ack.id)
      return
    }
    unanswered[ack.id]?.isOut = false
    let pause = RetryPause.milliseconds(
      after: Int64(ack.retryAfterMs), longest: context.plan.longestPause)
    again.append((ack.id, time + pause * 1000))
  }

  /// Nobody waits for it any more. What only met a busy node never reached the chain; of what is in
  /// doubt an earlier attempt may have, before its stream ended.
  private func giveUp(_ batch: Batch) {
    let (count, isLost) = (batch.items.count, batch.isDoubtful)
    context.figures.change(.reading) { tally in
      if isLost { tally.lost += count } else { tally.dropped += count }
    }
  }

  /// The stream has ended before everything was answered. What was handed to it broke; what waited
  /// to be sent again goes on waiting. The load's own end is nobody's fault.
  private func fail(_ error: RPCError?) async {
    if Task.isCancelled { return }
    streak += 1
    let out = doubt()
    let waiting = out.reduce(0) { $0 + (unanswered[$1]?.items.count ?? 0) }
    if waiting > 0 { context.figures.noteBroken(.reading, waiting, at: Monotonic.now) }
    for id in out {
      guard let batch = unanswered[id] else { continue }
      if batch.attempts < context.plan.retries {
        unanswered[id]?.isOut = false
        again.append((id, 0))
      } else {
        drop(batch, id)
      }
    }
    // Nobody waits for anything any more.
    if unanswered.isEmpty, isOver { return }
    let pause = RetryPause.milliseconds(
      after: error, attempt: streak, longest: context.plan.longestPause)
    await Monotonic.sleep(until: Monotonic.now + pause * 1000)
  }

  /// From now on each item that was handed to the stream is followed by itself. The batches that
  /// were, in their order.
  private func doubt() -> [UInt64] {
    let out = unanswered.keys.sorted().filter { unanswered[$0]?.isOut == true }
    for id in out {
      guard let batch = unanswered[id] else { continue }
      context.acknowledged.change { acknowledged in
        for item in batch.items where !item.isDoubtful { acknowledged.doubt(item.mark) }
      }
      for index in batch.items.indices { unanswered[id]?.items[index].isDoubtful = true }
    }
    return out
  }

  private func abandon() {
    _ = doubt()
    for batch in unanswered.values { giveUp(batch) }
    unanswered = [:]
  }
}
