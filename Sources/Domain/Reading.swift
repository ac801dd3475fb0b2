/// How a reading's figures came about.
package enum ReadingQuality: UInt8, Sendable, CaseIterable {
  /// Measured by the meter.
  case actual = 1
  /// Filled in: by the meter, or by the node at the close for a meter that was silent.
  case estimated = 2
  /// A later, better figure for an interval that was read already.
  case corrected = 3
}

/// What a meter says of one interval.
package struct Reading: Hashable, Sendable {
  package var chain: ChainID
  package var meter: MeterID
  package var interval: Interval
  /// Energy that went from the home to the community, mWh, 0 or more.
  package var exported: Energy
  /// Energy that came from the community into the home, mWh, 0 or more.
  package var imported: Energy
  package var quality: ReadingQuality
  /// 1 for the first reading of an interval; a higher version replaces a lower one. 1...65,535.
  package var version: UInt16

  package init(
    chain: ChainID, meter: MeterID, interval: Interval, exported: Energy, imported: Energy,
    quality: ReadingQuality = .actual, version: UInt16 = 1
  ) {
    self.chain = chain
    self.meter = meter
    self.interval = interval
    self.exported = exported
    self.imported = imported
    self.quality = quality
    self.version = version
  }
}
