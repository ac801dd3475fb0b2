import Consensus
import Domain
import Node

// Runs that are set up by hand.
extension Simulation {
  /// All of 2f + 1 validators crash right after their nullify of the first view became durable; the
  /// last one, which leads that view, never comes up. Only when each counts its own nullify again
  /// do three make a nullification. Gives how far the three came.
  package static func quorumThatCrashedOnItsNullifies(planted: PlantedBugs) async
    -> (run: Simulation, heights: [UInt64])
  {
    var settings = RunSettings(calm: 4, seed: 11)
    settings.hasClients = false
    settings.planted = planted
    let run = Simulation(settings)
    let others = run.nodes.filter { $0.index != 1 }
    run.nodes[1].hasJoined = false
    var hasCrashed: Set<Int> = []
    run.plannedCrash = { node, step in
      let nullifies = step.batch.journal.contains { stored in
        guard case .vote(let vote)? = try? JournalRecord(decoding: stored.bytes) else {
          return false
        }
        return vote.subject.kind == .nullify
      }
      return nullifies && hasCrashed.insert(node).inserted
    }
    for node in others { await run.start(node) }
    run.callByClients()
    await run.advance(through: 30_000_000)
    if hasCrashed.count != 3 { run.oracle.fail("only \(hasCrashed.count) have crashed") }
    return (run, others.map { $0.floor.height })
  }

  /// Two disks are lost, one after the other, while nobody else is faulty: first N0's, which comes
  /// back and votes again; then N1's, in a view in which it has proposed and been cut off. Of those
  /// who tell N1 what they know of it, N0 has forgotten, N3 came late, and N2 is down. Both have
  /// been started anew, so that they remember no vote of it.
  package static func disksLostOneAfterTheOther() async -> Simulation {
    var settings = RunSettings(calm: 4, seed: 12)
    settings.hasClients = false
    let run = Simulation(settings)
    let nodes = run.nodes
    for node in nodes[..<3] { await run.start(node) }
    await run.live(milliseconds: 2_000)
    run.end(nodes[0])
    run.wipe(nodes[0])
    await run.start(nodes[0])
    await run.live(milliseconds: 4_000)
    await run.start(nodes[3])
    await run.live(milliseconds: 3_000)
    if nodes[0].mayHaveForgotten || nodes[3].floor.height < 5 {
      run.oracle.fail("the first two did not come that far")
    }
    // N1 is cut off when it is its turn, and proposes to nobody.
    while nodes[1].replica?.core.leads != true { await run.advance(through: run.time + 1_000) }
    for other in [0, 2, 3] { run.network.cut(from: 1, to: other, until: .max) }
    run.end(nodes[2])
    run.call(at: nodes[1])
    await run.advance(through: run.time + 100_000)
    run.end(nodes[1])
    run.wipe(nodes[1])
    for place in [0, 3] {
      run.end(nodes[place])
      await run.start(nodes[place])
    }
    run.network.heal()
    await run.start(nodes[1])
    for _ in 0..<20 {
      await run.advance(through: run.time + 200_000)
      run.call(at: nodes[1])
    }
    return run
  }

  /// Time goes by, and clients call.
  private func live(milliseconds: Int64) async {
    let end = time + milliseconds * 1000
    while time < end {
      callByClients()
      await advance(through: time + 100_000)
    }
  }

  /// A client of this very node calls.
  private func call(at node: SimulatedNode) {
    let entry = clients.entry(at: community.clock(time), &random)
    notary.enter(entry)
    let submission = Submission(
      entries: [entry], answer: node.answers.answer(to: clients.add([entry])))
    post(.submission(submission), to: node)
  }
}
