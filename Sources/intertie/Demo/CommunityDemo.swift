import Domain
import Foundation
import Node
import Storage

/// The demonstration of one community by itself.
struct CommunityDemo: Sendable {
  private let measured: MeasuredDays
  private let minutes: Double

  /// `minutes` for all days; by default two for a week.
  init(data: String, homes: Int, days: Int, minutes: Double?) throws {
    measured = try MeasuredDays.sierra(data, name: "Sierra Crest", homes: 0..<homes).first(days)
    self.minutes = minutes ?? 2 * Double(days) / Double(MeasuredDays.week)
  }

  func play(in folder: DemoFolder) async throws -> DemoReport {
    let keys = DemoKeys(homes: measured.homes.map(\.name))
    let files = folder.node()
    try folder.save(keys, for: files)
    let homes = measured.homes.count == 1 ? "one home" : "\(measured.homes.count) homes"
    DemoProgress.say("Starting a node for \(homes) ...")
    for lead in DemoNodes.leads {
      let plan = DemoPlan(
        measured, keys: keys,
        calendar: DemoPlan.calendar(
          of: measured, interval: minutes * 60 / Double(measured.intervals),
          closeDelay: DemoNodes.closeDelayAlone, lead: lead,
          wallOrigin: Int64(Date().timeIntervalSince1970)),
        hands: HandOrder.week)
      let outcome = try await DemoNodes.run([plan], [files]) { connections in
        try await spend(DemoSession(plan: plan, connection: connections[0]))
      }
      if let outcome {
        return DemoReport(plan: plan, outcome, audit: try await DemoNodes.audit(plan, files))
      }
    }
    throw DemoNodes.tooBusy
  }

  /// Nil when the days had begun before everybody was registered.
  private func spend(_ session: DemoSession) async throws -> DemoOutcome? {
    let plan = session.plan
    try await session.register()
    guard session.isEarly else { return nil }
    DemoProgress.say(
      "All are registered. Their days begin on \(DemoText.day(plan.start)), "
        + "\(plan.calendar.rate) times as fast as they were."
    )
    let progress = DemoProgress(plan: plan)
    return try await session.live { await progress.show($0) }
  }
}
