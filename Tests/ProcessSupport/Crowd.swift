import TestSupport

/// All clients of a community: three that stream the meters' readings, and one for each member,
/// which trades or pays.
package struct Crowd: Sendable {
  package var streamHabits = MeterStream.Habits()
  package var traderHabits = Trader.Habits()
  private let community: Community
  private let beacon: Beacon
  private let notebook: Notebook

  package init(_ community: Community, _ beacon: Beacon, _ notebook: Notebook) {
    self.community = community
    self.beacon = beacon
    self.notebook = notebook
  }

  /// Until the beacon says that it is over, and everything is answered.
  package func run(_ draws: SplitMix64) async {
    var random = draws
    await withDiscardingTaskGroup { group in
      for third in 0..<3 {
        let client = MeterStream(
          community, meters: community.meters.indices.filter { $0 % 3 == third },
          habits: streamHabits, beacon: beacon, notebook: notebook,
          random: SplitMix64(seed: random.next()))
        group.addTask { await client.run() }
      }
      for member in community.members.indices {
        let client = Trader(
          community, member: member, habits: traderHabits, beacon: beacon, notebook: notebook,
          random: SplitMix64(seed: random.next()))
        group.addTask { await client.run() }
      }
    }
  }
}
