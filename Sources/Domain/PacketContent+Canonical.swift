extension PacketContent {
  /// The body's canonical bytes; the kind is in the packet.
  package func encode(into writer: inout CanonicalWriter) {
    switch self {
    case .checkpoint(let checkpoint): checkpoint.encode(into: &writer)
    case .bid(let round, let steps):
      writer.write(round)
      writer.write(counted: steps)
    case .transferOut(let transfer): transfer.encode(into: &writer)
    case .withdrawal(let account, let amount):
      writer.write(account)
      writer.write(amount)
    case .result(let round, let answer):
      writer.write(round)
      answer.encode(into: &writer)
    case .transferIn(let transfer): transfer.encode(into: &writer)
    case .void(let sequence, let reason):
      writer.write(sequence)
      writer.write(reason.rawValue)
    case .issue(let account, let asset, let amount):
      writer.write(account)
      writer.write(asset.rawValue)
      writer.write(amount)
    case .reward(let interval, let clean, let amount):
      writer.write(interval)
      writer.write(clean)
      writer.write(amount)
    case .wheeling(let line, let fee):
      writer.write(line)
      writer.write(fee)
    case .validators(let epoch, let keys):
      writer.write(epoch)
      writer.write(UInt32(keys.count))
      for key in keys { writer.write(key) }
    case .frozen: break
    }
  }

  /// Throws `malformed`, also for a field out of its range.
  init(_ kind: PacketKind, from reader: inout CanonicalReader) throws(Rejection) {
    switch kind {
    case .checkpoint: self = .checkpoint(try Checkpoint(from: &reader))
    case .bid:
      let round = try reader.readInterval()
      let steps = try reader.readCounted()
      guard (1...Limits.couplingBidBytes).contains(steps.count) else { throw .malformed }
      self = .bid(round: round, steps: steps)
    case .transferOut: self = .transferOut(try TransferOut(from: &reader))
    case .withdrawal:
      self = .withdrawal(from: try reader.readKey(), amount: Money(try reader.readAmount()))
    case .result:
      self = .result(round: try reader.readInterval(), try CouplingAnswer(from: &reader))
    case .transferIn: self = .transferIn(try TransferIn(from: &reader))
    case .void:
      let sequence = try reader.read(UInt64.self)
      self = .void(sequence: sequence, try reader.readReason())
    case .issue:
      self = .issue(
        to: try reader.readKey(), asset: try reader.readTravellingAsset(),
        amount: try reader.readAmount())
    case .reward:
      let interval = try reader.readInterval()
      let clean = try reader.read(Energy.self)
      let amount = try reader.read(RewardTokens.self)
      guard clean >= .zero, amount >= .zero else { throw .malformed }
      self = .reward(interval: interval, clean: clean, amount: amount)
    case .wheeling:
      let line = try reader.read(UInt64.self)
      let fee = try reader.read(Price.self)
      guard (0...Limits.price).contains(fee.raw) else { throw .malformed }
      self = .wheeling(line: line, fee: fee)
    case .validators:
      let epoch = try reader.read(UInt64.self)
      let count = try reader.readCount(elementSize: 32)
      guard epoch > 0, count <= Limits.validators else { throw .malformed }
      var keys: [PublicKey] = []
      for _ in 0..<count { keys.append(try reader.readKey()) }
      try ValidatorSet.validate(keys)
      self = .validators(epoch: epoch, keys)
    case .frozen: self = .frozen
    }
  }
}

extension TransferOut {
  fileprivate func encode(into writer: inout CanonicalWriter) {
    writer.write(grid)
    writer.write(account)
    writer.write(asset.rawValue)
    writer.write(amount)
    writer.write(deadline)
    writer.write(sender)
  }

  fileprivate init(from reader: inout CanonicalReader) throws(Rejection) {
    grid = try reader.readDigest()
    account = try reader.readKey()
    asset = try reader.readTravellingAsset()
    amount = try reader.readAmount()
    deadline = try reader.read(UInt64.self)
    sender = try reader.readKey()
  }
}

extension TransferIn {
  fileprivate func encode(into writer: inout CanonicalWriter) {
    writer.write(origin)
    writer.write(sender)
    writer.write(account)
    writer.write(asset.rawValue)
    writer.write(amount)
  }

  fileprivate init(from reader: inout CanonicalReader) throws(Rejection) {
    origin = try reader.readDigest()
    sender = try reader.readKey()
    account = try reader.readKey()
    asset = try reader.readTravellingAsset()
    amount = try reader.readAmount()
  }
}

extension CouplingAnswer {
  fileprivate func encode(into writer: inout CanonicalWriter) {
    switch self {
    case .cleared(let price, let bought, let sold, let money):
      writer.write(UInt8(0))
      writer.write(price != nil)
      if let price { writer.write(price) }
      writer.write(bought)
      writer.write(sold)
      writer.write(money)
    case .notIncluded(let reason): writer.write(reason.rawValue)
    }
  }

  fileprivate init(from reader: inout CanonicalReader) throws(Rejection) {
    let reason = try reader.read(UInt8.self)
    guard reason == 0 else {
      guard let known = PacketReason(rawValue: reason) else { throw .malformed }
      self = .notIncluded(known)
      return
    }
    let price: Price? = try reader.readBool() ? try reader.read(Price.self) : nil
    let bought = try reader.read(Int64.self)
    let sold = try reader.read(Int64.self)
    let money = try reader.read(Money.self)
    let energy = 0...Limits.lineWattHours
    guard energy.contains(bought), energy.contains(sold),
      price.map({ (0...Limits.price).contains($0.raw) }) ?? true,
      (-Limits.amount...Limits.amount).contains(money.raw)
    else { throw .malformed }
    self = .cleared(price: price, bought: bought, sold: sold, money: money)
  }
}

extension CanonicalReader {
  fileprivate mutating func readTravellingAsset() throws(Rejection) -> Asset {
    guard let asset = Asset(rawValue: try read(UInt8.self)), asset != .watt else {
      throw .malformed
    }
    return asset
  }

  /// 1...Limits.amount.
  fileprivate mutating func readAmount() throws(Rejection) -> Int64 {
    let amount = try read(Int64.self)
    guard (1...Limits.amount).contains(amount) else { throw .malformed }
    return amount
  }

  fileprivate mutating func readReason() throws(Rejection) -> PacketReason {
    guard let reason = PacketReason(rawValue: try read(UInt8.self)) else { throw .malformed }
    return reason
  }
}
