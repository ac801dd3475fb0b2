import Consensus
import Domain
import Node
import Synchronization
import Testing

/// What the consensus actor takes out of its inbox, and what comes while it gathers.
@Suite struct IntakeTests {
  private static let submission = ReplicaInput.submission(
    Submission(entries: [], answer: SubmissionAnswer { _ in }))

  @Test func whatComesLaterIsAddedInOrder() async {
    let answered = Mutex<[Int]>([])
    func barrier(_ number: Int) -> SubmissionAnswer {
      SubmissionAnswer { _ in answered.withLock { $0.append(number) } }
    }
    var intake = Intake(inputs: [Self.submission], barriers: [barrier(1)])
    let proven: Result<AttestedProof, NodeFailure> = await withCheckedContinuation {
      intake.add(
        Intake(
          inputs: [.tick], barriers: [barrier(2)],
          proofs: [ProofRequest(account: AccountIndex(7), continuation: $0)]))
      #expect(intake.proofs.map(\.account) == [AccountIndex(7)])
      $0.resume(returning: .failure(.stopped("done")))
    }
    #expect(throws: NodeFailure.self) { try proven.get() }
    #expect(intake.inputs.count == 2)
    #expect(!intake.isTick && !intake.isStopping)
    for barrier in intake.barriers { barrier.resume(.success([])) }
    #expect(answered.withLock { $0 } == [1, 2])
    intake.add(Intake(isTick: true))
    intake.add(Intake(isStopping: true))
    intake.add(Intake())
    #expect(intake.isTick && intake.isStopping)
  }

  /// Only then a block may wait for more of them.
  @Test func entriesAreAloneOrNot() {
    let alone = Intake(inputs: [Self.submission, Self.submission])
    #expect(alone.isOfEntriesAlone)
    #expect(!Intake().isOfEntriesAlone)
    let others: [(inout Intake) -> Void] = [
      { $0.inputs.append(.tick) }, { $0.barriers.append(SubmissionAnswer { _ in }) },
      { $0.isTick = true }, { $0.isStopping = true },
    ]
    for add in others {
      var intake = alone
      add(&intake)
      #expect(!intake.isOfEntriesAlone)
    }
  }
}
