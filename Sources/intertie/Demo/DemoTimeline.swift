import Domain

/// Something that is done at a time of the week.
struct DemoEvent: Sendable {
  enum Act: Sendable {
    /// Commands that are all to be applied, and what they are for.
    case commands([(SigningKey, CommandBody)], String)
    case hand(HandOrder)
  }

  var time: Timestamp
  var act: Act
}

extension DemoPlan {
  /// All that members and offices do in the week, in order of time.
  var timeline: [DemoEvent] {
    var events: [DemoEvent] = []
    for day in 0..<7 {
      for (part, hour) in changes(day: day) {
        events.append(
          DemoEvent(time: time(day, hour), act: .commands(agents(part, day: day), "agents")))
      }
      if day < 6 {
        let tariff = Self.tariff(day: day + 1, of: week)
        events.append(
          DemoEvent(
            time: time(day, Int(Self.publicationHour)),
            act: .commands([(keys.oracle, .publishTariff(tariff))], "publishing the tariff")))
      }
    }
    let homes = keys.homes.map(\.name)
    for order in HandOrder.week where homes.contains(order.home) {
      events.append(DemoEvent(time: time(order.day, order.hour), act: .hand(order)))
    }
    return events.sorted { $0.time < $1.time }
  }

  private func time(_ day: Int, _ hour: Int) -> Timestamp {
    weekStart.advanced(bySeconds: Int64(day) * 86_400 + Int64(hour) * 3600)
  }

  /// At which hours of a day the agents get new settings.
  private func changes(day: Int) -> [(DayPart, Int)] {
    guard let peak = peak(day: day) else { return [(.day, DayPart.dawn), (.night, 20)] }
    let dawn = min(DayPart.dawn, peak.lowerBound)
    return [(.day, dawn), (.peak, peak.lowerBound)]
      + (peak.upperBound < 24 ? [(.night, peak.upperBound)] : [])
  }

  /// The homes' settings for a part of a day, each signed by its home.
  func agents(_ part: DayPart, day: Int) -> [(SigningKey, CommandBody)] {
    let prices = week.retail[(day * 24)..<(day * 24 + 24)]
    let retail = (part == .peak ? prices.max() : prices.min()) ?? Self.feedIn
    return keys.homes.enumerated().map { place, home in
      let habits = DemoHabits(seed: UInt64(2017 + place))
      let feedIn = min(Self.feedIn, retail)
      return (home.account, .setAgent(habits.agent(in: part, retail: retail, feedIn: feedIn)))
    }
  }
}
