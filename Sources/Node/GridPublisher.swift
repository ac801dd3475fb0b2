import Domain

/// What readers and watchers of a microgrid get to know of its chain.
package struct GridPublisher: ChainPublisher {
  let view: ReadView
  let events: NodeEvents
  let clock: ChainClock
  /// Ring with every block.
  let bells: [Bell]

  package var tip: Tip { view.tip }

  package func publish(_ standing: ConsensusStanding) { view.publish(standing) }
  package func fail(_ failure: NodeFailure) { view.fail(failure) }

  package func publish(_ item: Decided, of pipeline: NodePipeline) async {
    let (block, execution) = (item.block, item.execution)
    let header = block.header
    let firstTrade = view.counters.trades + 1
    let touchesBook =
      !execution.metered.isEmpty || !execution.closes.isEmpty
      || block.entries.contains { !$0.isReading }
    let depth = touchesBook ? await pipeline.book.depth(levels: Limits.bookLevels) : nil
    let orders = touchesBook ? await pipeline.book.restingOrders : nil
    let meters = touchesBook ? await pipeline.meter.count : nil
    let records = execution.records
    view.publish(
      ViewUpdate(
        tip: Tip(
          height: header.height, hash: block.hash, time: header.time,
          stateRoot: execution.attestation.stateRoot),
        changed: execution.ledger.changed, depth: depth, orders: orders, meters: meters,
        lastInterval: records.max { $0.interval < $1.interval },
        nextClose: pipeline.nextClose, closes: closes(before: pipeline.nextClose),
        registry: pipeline.registry, lane: pipeline.lane,
        readings: UInt64(execution.readings),
        trades: UInt64(execution.trades.count),
        commands: UInt64(block.entries.count - execution.readings)))
    events.publish(
      header, trades: execution.trades, firstNumber: firstTrade, records: records, depth: depth)
    for bell in bells { bell.ring() }
  }

  /// Those that the block has closed, which is durable.
  private func closes(before next: Interval) -> [CloseDelay] {
    let now = clock.now
    return (view.nextClose.index..<next.index).map { index in
      let interval = Interval(index)
      let due = clock.calendar.close(of: interval)
      return CloseDelay(
        interval: interval, late: max(0, now.microseconds - due.microseconds))
    }
  }
}
