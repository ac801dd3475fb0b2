import Domain

/// Something that is done at a time of the days.
struct DemoEvent: Sendable {
  enum Act: Sendable {
    /// Commands that are all to be applied, and what they are for.
    case commands([(SigningKey, CommandBody)], String)
    case hand(HandOrder)
  }

  var time: Timestamp
  var act: Act
  /// Times of the blocks in which it works at the close that it is for; nil: no close matters.
  var window: Range<Timestamp>?
}

extension DemoPlan {
  /// All that members and offices do, in order of time.
  var timeline: [DemoEvent] {
    var events: [DemoEvent] = []
    for day in 0..<measured.days {
      for (part, hour) in changes(day: day) {
        let window = window(endingAt: time(day, hour))
        events.append(
          DemoEvent(
            time: window.lowerBound.advanced(bySeconds: Self.settingsDelay),
            act: .commands(agents(part, day: day), "agents"), window: window))
      }
      for hour in Self.publicationHours {
        events.append(
          DemoEvent(
            time: time(day, hour),
            act: .commands(
              [(keys.oracle, .publishTariff(tariff(day: day, hour: hour)))],
              "publishing the tariff")))
      }
    }
    for order in hands {
      events.append(DemoEvent(time: time(order.day, order.hour), act: .hand(order)))
    }
    return events.sorted { $0.time < $1.time }
  }

  func time(_ day: Int, _ hour: Int) -> Timestamp {
    start.advanced(bySeconds: Int64(day) * 86_400 + Int64(hour) * 3600)
  }

  /// From a close to the settings for the next one, chain seconds: as early as they may come, so
  /// that they are there in time however busy the machine is.
  private static let settingsDelay: Int64 = 60

  /// When settings must come that are for the close of the interval that ends at `time`: from the
  /// close before it on. A block closes what is due before it executes its commands.
  private func window(endingAt time: Timestamp) -> Range<Timestamp> {
    let ended = calendar.interval(at: time).advanced(by: -1)
    return calendar.close(of: ended.advanced(by: -1))..<calendar.close(of: ended)
  }

  /// At which hours of a day the agents get new settings.
  private func changes(day: Int) -> [(DayPart, Int)] {
    guard let peak = peak(day: day) else { return [(.day, DayPart.dawn), (.night, 20)] }
    let dawn = min(DayPart.dawn, peak.lowerBound)
    var changes = [(DayPart.day, dawn)]
    let before = peak.lowerBound - DayPart.hoursBefore
    if !measured.hasRoofs, before > dawn { changes.append((.before, before)) }
    changes.append((.peak, peak.lowerBound))
    if peak.upperBound < 24 || day + 1 < measured.days { changes.append((.night, peak.upperBound)) }
    return changes
  }

  /// The homes' settings for a part of a day, each signed by its home.
  func agents(_ part: DayPart, day: Int) -> [(SigningKey, CommandBody)] {
    let prices = measured.retail(day: day)
    let isDear = part == .peak || part == .before
    let retail = (isDear ? prices.max() : prices.min()) ?? Self.feedIn
    return keys.homes.enumerated().map { place, home in
      let habits = DemoHabits(seed: seed + UInt64(place), hasRoof: measured.hasRoofs)
      let feedIn = min(Self.feedIn, retail)
      return (home.account, .setAgent(habits.agent(in: part, retail: retail, feedIn: feedIn)))
    }
  }
}
