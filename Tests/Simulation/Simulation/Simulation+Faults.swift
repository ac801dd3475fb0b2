import Consensus
import Domain
import Node
import TestSupport

extension Simulation {
  /// How many validators may be faulty at once: of the smallest set that a run may have.
  private var faults: Int {
    let sets = oracle.epochs.map(\.count) + [reconfiguration.proposed?.count].compactMap { $0 }
    return sets.map { $0 - quorum(of: $0) }.min() ?? 0
  }

  /// A disk may be lost while, with it, not more than f validators are faulty; and once the chain
  /// has begun: a node that asks others who have nothing yet votes at once.
  private var mayLoseADisk: Bool {
    // What others have pruned nobody could bring back.
    guard settings.keepBlocks == nil else { return false }
    let validators = oracle.epochs[oracle.epochs.count - 1] + (reconfiguration.proposed ?? [])
    let lost = nodes.count { $0.mayHaveForgotten && validators.contains($0.id) }
    let high = nodes.count { $0.isHonest && $0.floor.height >= 2 }
    return settings.byzantine + lost < faults && high >= quorum(of: settings.validators)
  }

  /// Something goes wrong with a node, or comes right again by itself.
  func injectFault() {
    guard !isHealed else { return }
    let honest = nodes.filter { $0.isHonest && $0.isRunning }
    if let node = random.pick(from: honest) {
      let isClock = settings.hasClockFaults && (!settings.hasNodeFaults || random.chance(30))
      if isClock { turnClock(of: node) } else { injectFault(at: node) }
    }
    events.push(.fault, at: time + random.int(settings.faultPause))
  }

  private func injectFault(at node: SimulatedNode) {
    if settings.isDiskHeavy && random.chance(50) { return injectDiskFault(at: node) }
    switch random.int(0...9) {
    case 0...3: crash(node)
    case 4...6:
      counts.pauses += 1
      node.pausedUntil = max(node.pausedUntil, time + random.int(50_000...3_000_000))
      note(node, "is stopped for ms", other: Int((node.pausedUntil - time) / 1000))
    case 7, 8: injectDiskFault(at: node)
    default:
      // All power fails at once.
      for node in nodes where node.isRunning && node.isHonest && random.chance(70) { crash(node) }
    }
  }

  /// The process ends, and its disk is lost or damaged. What is damaged refuses to start, and is
  /// wiped then.
  private func injectDiskFault(at node: SimulatedNode) {
    guard mayLoseADisk else { return crash(node) }
    crash(node)
    guard random.chance(50) else { return wipe(node) }
    if node.disk.damage(&random) {
      counts.damages += 1
      node.mayHaveForgotten = true
      note(node, "has a damaged disk")
    }
  }

  /// A clock runs away by up to hours, or comes back. Blocks are dated by proposers and voters, of
  /// whom a quorum must not be ahead: the chain would wait for their time to come.
  private func turnClock(of node: SimulatedNode) {
    counts.clockJumps += 1
    // Those that were ahead at any moment: a quorum of them, one after the other, would carry the
    // chain's time with it, and the chain then waits for time.
    let ahead = nodes.count { $0.isHonest && $0.hasBeenAhead && $0.index != node.index }
    let far = random.int(1_000_000...20_000_000_000)
    let choices: [Int64] = [random.int(-300_000...300_000), -far]
    let mayBeAhead = settings.byzantine + ahead + 1 < quorum(of: settings.validators)
    node.offset = random.element(of: mayBeAhead ? choices + [far] : choices)
    if node.offset > 400_000 { node.hasBeenAhead = true }
    note(node, "has its clock off by ms", other: Int(node.offset / 1000))
    // The node looks at its clock every tenth of a second.
    node.wake = nil
    events.push(.input(.tick, node: node.index, life: node.life), at: time + 100_000)
  }

  /// The faults end: links and clocks are good again, every honest node runs.
  func heal() {
    isHealed = true
    network.heal()
    for node in nodes {
      node.pausedUntil = 0
      if abs(node.offset) > 100_000 { node.offset = random.int(-60_000...60_000) }
      node.wake = nil
      guard node.hasJoined else { continue }
      note(node, "is healed", height: node.floor.height)
      if node.isRunning {
        events.push(.input(.tick, node: node.index, life: node.life), at: time + 1)
      } else {
        events.push(.start(node.index), at: time + random.int(1_000...200_000))
      }
    }
    for node in nodes where node.isRunning {
      for other in nodes where other.isRunning && other.index > node.index && other.id != node.id {
        connect(node, other)
      }
    }
    // What waited for the end of a pause goes on.
    for node in nodes where node.isStepDue {
      events.push(.step(node.index, life: node.life), at: time + 1)
    }
  }
}
