import Domain

extension BackboneCore {
  /// Takes a grid's checkpoint, and rewards the clean energy that it reports.
  mutating func take(_ checkpoint: Checkpoint, of place: Int) throws(PacketReason) {
    let record = grids[place]
    let latest = record.latest
    guard checkpoint.previousHeight == latest.height, checkpoint.previousHash == latest.hash,
      checkpoint.height > latest.height
    else { throw .notLinked }
    if let last = record.checkpoint {
      guard checkpoint.interval >= last.interval, checkpoint.cleanStored >= last.cleanStored
      else { throw .notLinked }
    }
    guard isBacked(checkpoint, of: record) else { throw .unbacked }
    witness(ProvenHeader(height: checkpoint.height, hash: checkpoint.hash), of: place)
    var reckoned = grids[place]
    guard !reckoned.isFrozen else { throw .notLinked }
    reckoned.reckonClean(until: time)
    let claimed = Energy(max(checkpoint.cleanStored.raw - record.cleanCounted.raw, 0))
    let counted = min(claimed, reckoned.cleanAllowance)
    let total: Energy
    do throws(Rejection) { total = try cleanTotal.plus(counted) } catch { throw .overflow }

    let reward = RewardSchedule.reward(before: cleanTotal, after: total)
    cleanTotal = total
    reckoned.cleanAllowance -= counted
    reckoned.cleanCounted += counted
    reckoned.checkpoint = checkpoint
    reckoned.credit(.ect, reward.raw)
    grids[place] = reckoned
    send(
      .reward(interval: checkpoint.interval, clean: counted, amount: reward), to: place)
  }

  /// Whether the grid's supplies are what packets have brought and taken. As packets are executed
  /// in order, all that the grid sent before the checkpoint is executed; what the grid has not
  /// executed is what was sent after `received`. So the sums agree to the unit as soon as nothing
  /// is under way, and what is refunded only makes `debited` fall.
  private func isBacked(_ checkpoint: Checkpoint, of record: GridRecord) -> Bool {
    guard checkpoint.received <= record.sent else { return false }
    return TravellingAssets<Int64>.assets.allSatisfy { asset in
      let difference = checkpoint.credited[asset] - checkpoint.debited[asset]
      guard Int128(checkpoint.supplies[asset]) == difference else { return false }
      if checkpoint.received == record.sent, checkpoint.credited[asset] != record.credited[asset] {
        return false
      }
      return checkpoint.received >= record.lastVoid
        ? checkpoint.debited[asset] == record.debited[asset]
        : checkpoint.debited[asset] >= record.debited[asset]
    }
  }

  /// Takes a proven header without packets: if it conflicts, the lane is frozen.
  package mutating func witness(_ header: ProvenHeader, of grid: ChainID) {
    if let place = grids.place(of: grid) { witness(header, of: place) }
  }

  /// Remembers a proven header. A second one at its height freezes the grid's lane.
  mutating func witness(_ header: ProvenHeader, of place: Int) {
    var headers = grids[place].headers
    let index = headers.firstIndex { $0.height >= header.height } ?? headers.count
    if index < headers.count, headers[index].height == header.height {
      if headers[index].hash != header.hash {
        freeze(place, at: header.height, headers[index].hash, header.hash)
      }
      return
    }
    headers.insert(header, at: index)
    if headers.count > BackboneLimits.headersPerGrid { headers.removeFirst() }
    if headers != grids[place].headers { grids[place].headers = headers }
  }

  /// Whether a second history of the grid shows if this header of an epoch is proven: another block
  /// of that epoch is known at its height. False for a grid that is frozen, or not registered.
  package func conflicts(_ header: ProvenHeader, epoch: UInt64, of grid: ChainID) -> Bool {
    guard let place = grids.place(of: grid), !grids[place].isFrozen, epoch == grids[place].epoch
    else { return false }
    return grids[place].headers.contains {
      $0.height == header.height && $0.hash != header.hash
    }
  }

  /// Two headers of a grid at one height, both proven by finalizations, handed in by anybody.
  /// Throws `unknownObject` for a grid that is not registered, `malformed` when they are one,
  /// `duplicate` when the lane is frozen already.
  package mutating func report(
    grid: ChainID, height: UInt64, _ first: Digest, _ second: Digest
  ) throws(Rejection) {
    guard first != second else { throw .malformed }
    guard let place = grids.place(of: grid) else { throw .unknownObject }
    guard !grids[place].isFrozen else { throw .duplicate }
    freeze(place, at: height, first, second)
  }

  /// Stops a lane both ways and for ever. Its reserve stays where it is; a bid of it that waits is
  /// dropped. The grid is told, with which its members' holds end, also those of a bid that is
  /// under way. Its lines carry nothing more. No other grid loses anything.
  private mutating func freeze(_ place: Int, at height: UInt64, _ a: Digest, _ b: Digest) {
    guard !grids[place].isFrozen else { return }
    send(.frozen, to: place)
    grids[place].conflict = Conflict(
      height: height, first: min(a, b), second: max(a, b), shownAt: self.height)
    let grid = grids[place].grid
    bids.removeAll { $0.grid == grid }
    grids[place].openRound = nil
    grids[place].cover = .zero
  }
}
