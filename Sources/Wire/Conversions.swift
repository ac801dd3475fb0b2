import Domain
import SwiftProtobuf

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

// Domain's values as the messages have them, and back.

extension Bytes32 {
  package var data: Data { withBytes { Data($0) } }
}

extension Digest {
  package var data: Data { bytes.data }
}

extension PublicKey {
  package var data: Data { bytes.data }
}

extension Signature {
  package var data: Data { r.data + s.data }
}

// MARK: Enumerations

extension Intertie_V1_Rejection {
  package init(_ reason: Rejection?) {
    self = Self(rawValue: Int(reason?.rawValue ?? 0)) ?? .malformed
  }

  /// Nil when applied. A reason that a newer node gives counts as `malformed`.
  package var domain: Rejection? {
    if rawValue == 0 { return nil }
    return UInt8(exactly: rawValue).flatMap { Rejection(rawValue: $0) } ?? .malformed
  }
}

extension Intertie_V1_Quality {
  package init(_ quality: ReadingQuality) {
    switch quality {
    case .actual: self = .actual
    case .estimated: self = .estimated
    case .corrected: self = .corrected
    }
  }

  package var domain: ReadingQuality? {
    switch self {
    case .actual: .actual
    case .estimated: .estimated
    case .corrected: .corrected
    case .unspecified, .UNRECOGNIZED: nil
    }
  }
}

extension Intertie_V1_Asset {
  package init(_ asset: Asset) {
    switch asset {
    case .watt: self = .watt
    case .money: self = .money
    case .tsl: self = .tsl
    case .ect: self = .ect
    }
  }

  package var domain: Asset? {
    switch self {
    case .watt: .watt
    case .money: .money
    case .tsl: .tsl
    case .ect: .ect
    case .unspecified, .UNRECOGNIZED: nil
    }
  }
}

extension Intertie_V1_Side {
  package init(_ side: Side) {
    switch side {
    case .buy: self = .buy
    case .sell: self = .sell
    }
  }

  package var domain: Side? {
    switch self {
    case .buy: .buy
    case .sell: .sell
    case .unspecified, .UNRECOGNIZED: nil
    }
  }
}

extension Intertie_V1_Mechanism {
  package init(_ mechanism: Mechanism) {
    switch mechanism {
    case .continuous: self = .continuous
    case .auction: self = .auction
    }
  }

  package var domain: Mechanism? {
    switch self {
    case .continuous: .continuous
    case .auction: .auction
    case .unspecified, .UNRECOGNIZED: nil
    }
  }
}

extension Intertie_V1_HistoryKind {
  package init(_ kind: HistoryKind) { self = Self(rawValue: Int(kind.rawValue)) ?? .unspecified }

  package var domain: HistoryKind? {
    UInt8(exactly: rawValue).flatMap { HistoryKind(rawValue: $0) }
  }
}

// MARK: Orders

extension Intertie_V1_TimeInForce {
  package init(_ timeInForce: TimeInForce) {
    switch timeInForce {
    case .goodTillCancelled: self = .goodTillCancelled
    case .immediateOrCancel: self = .immediateOrCancel
    case .fillOrKill: self = .fillOrKill
    case .goodTillInterval: self = .goodTillInterval
    }
  }
}

extension TimeInForce {
  /// The interval of a good-till-interval order.
  var interval: Interval? {
    guard case .goodTillInterval(let interval) = self else { return nil }
    return interval
  }

  /// Throws `malformed` for an unknown kind, an interval out of range, or one that does not
  /// belong to the kind.
  package init(_ kind: Intertie_V1_TimeInForce, interval: Int64) throws(Rejection) {
    if kind == .goodTillInterval {
      guard WireReading.intervals.contains(interval) else { throw .malformed }
      self = .goodTillInterval(Interval(interval))
      return
    }
    guard interval == 0 else { throw .malformed }
    switch kind {
    case .goodTillCancelled: self = .goodTillCancelled
    case .immediateOrCancel: self = .immediateOrCancel
    case .fillOrKill: self = .fillOrKill
    case .goodTillInterval, .unspecified, .UNRECOGNIZED: throw .malformed
    }
  }
}

extension Intertie_V1_OpenOrder {
  package mutating func set(_ timeInForce: TimeInForce) {
    self.timeInForce = Intertie_V1_TimeInForce(timeInForce)
    interval = timeInForce.interval?.index ?? 0
  }
}

extension Intertie_V1_AgentSettings {
  package init(_ settings: AgentSettings) {
    self.init()
    buyPrice = settings.buyPrice?.raw ?? 0
    sellPrice = settings.sellPrice?.raw ?? 0
    lowMwh = settings.low.raw
    highMwh = settings.high.raw
  }

  /// Throws `malformed` when a price or a threshold is out of its range.
  package func domain() throws(Rejection) -> AgentSettings {
    func price(_ raw: Int64) throws(Rejection) -> Price? {
      raw == 0 ? nil : Price(try WireCommand.value(raw, in: WireCommand.prices))
    }
    let low = try WireCommand.value(lowMwh, in: 0...Limits.amount)
    return AgentSettings(
      buyPrice: try price(buyPrice), sellPrice: try price(sellPrice), low: Energy(low),
      high: Energy(try WireCommand.value(highMwh, in: low...Limits.amount)))
  }
}
