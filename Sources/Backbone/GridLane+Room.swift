import Domain

extension GridLane {
  /// What this block can still send of transfers and withdrawals: no more than `blockRoom`, and no
  /// more than may be under way.
  package var room: LaneRoom {
    let places = min(blockRoom - outbox.count, BackboneLimits.underWay - underWay.count)
    return LaneRoom(
      next: sent + 1, packets: max(places, 0), underWay: journeys.counts,
      perAccount: BackboneLimits.underWayPerAccount, isStopped: isStopped)
  }
}
