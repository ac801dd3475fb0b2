import Domain
import Foundation
import GRPCCore
import Node
import ProcessSupport
import Storage
import TestSupport
import Testing
import Wire

extension NodeProcessTests {
  /// A node whose disk has no room left: it stops acknowledging, says why, ends with an error, and
  /// what it acknowledged is there when there is room again.
  struct FullDiskTests {
    /// No root needed: no file of the process may grow beyond 3 MiB.
    @Test func aFileThatMayNotGrow() async throws {
      let scene = try Scene()
      try await alone(60, "the node with small files") {
        try await scene.run(start: { try NodeProcess(scene.folder, fileBlocks: 3072) })
      }
      scene.folder.remove()
    }

    @Test(.enabled(if: Mount.isPossible, "a file system can be mounted by root only"))
    func aFileSystemThatIsFull() async throws {
      let scene = try Scene()
      try Mount.make(scene.folder.data, mebibytes: 4)
      defer { Mount.remove(scene.folder.data) }
      try await alone(60, "the node on a small file system") {
        try await scene.run(
          start: { try NodeProcess(scene.folder) },
          makeRoom: { try Mount.grow(scene.folder.data, mebibytes: 256) })
      }
      Mount.remove(scene.folder.data)
      scene.folder.remove()
    }

    /// File systems in memory, of a size that the test sets.
    private enum Mount {
      static let isPossible: Bool = {
        guard geteuid() == 0 else { return false }
        let path = NSTemporaryDirectory() + "intertie-mount-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        guard (try? make(path, mebibytes: 1)) != nil else { return false }
        remove(path)
        return true
      }()

      static func make(_ path: String, mebibytes: Int) throws {
        try mount(["-t", "tmpfs", "-o", "size=\(mebibytes)m", "tmpfs", path])
      }

      static func grow(_ path: String, mebibytes: Int) throws {
        try mount(["-o", "remount,size=\(mebibytes)m", path])
      }

      static func remove(_ path: String) { _ = try? Executable.run("/bin/umount", ["-q", path]) }

      private static func mount(_ arguments: [String]) throws {
        let code = try Executable.run("/bin/mount", arguments)
        guard code == 0 else { throw Fault("mount \(arguments) ended with \(code)") }
      }
    }

    /// One member pays another until the disk is full, and again when there is room.
    private struct Scene: Sendable {
      let community: Community
      let folder: NodeFolder
      private let notebook = Notebook()
      private static let member = Community.pair.lowerBound

      private struct Payment: Sendable {
        var name: CommandName
        var body: CommandBody
        var signed: SignedBytes
      }

      init() throws {
        var random = SplitMix64(seed: .random(in: 1...(.max)))
        community = try Community(meters: 1, random: &random)
        folder = try NodeFolder(community)
      }

      func run(
        start: @Sendable () throws -> NodeProcess, makeRoom: @Sendable () throws -> Void = {}
      ) async throws {
        let node = try start()
        let (unanswered, error) = try await fill(try await place(of: node))
        let end = try await node.end()
        let log = folder.logText
        if case .exit(let code) = end {
          #expect(code != 0)
        } else {
          Issue.record("ended by \(end)")
        }
        #expect(log.contains("halted: storage failed: "), "\(folder.logTail)")
        #expect(
          log.contains("no room left") || log.contains("the disk failed"), "\(folder.logTail)")
        let said = log.split(separator: "\n").last ?? ""
        print(
          "full disk: \(notebook.counts.commands) commands acknowledged, then the client got "
            + "\(error.code) and the node ended with \(end): \(said)")
        try makeRoom()
        let next = try NodeProcess(folder)
        try await resume(unanswered, try await place(of: next))
        next.signal(SIGTERM)
        #expect(try await next.end() == .exit(0), "\(folder.logTail)")
        try await reckon()
      }

      private func place(of node: NodeProcess) async throws -> NodePlace {
        NodePlace(
          generation: 1, port: try await node.port(), certificate: folder.certificate)
      }

      private func payments(from sequence: UInt64, count: UInt64) -> [Payment] {
        let to = community.members[Self.member + 1].publicKey
        return (sequence..<sequence + count).map { number in
          let body = CommandBody.transfer(to: to, asset: .money, amount: 1)
          return Payment(
            name: CommandName(member: Self.member, sequence: number), body: body,
            signed: community.command(body, by: Self.member, sequence: number))
        }
      }

      private func note(_ payment: Payment, _ result: Intertie_V1_SubmitResult) {
        guard let position = result.position, result.rejection == .none else {
          notebook.fault("\(payment.name): \(result)")
          return
        }
        notebook.note(
          NotedCommand(
            name: payment.name, body: payment.body, digest: Digest.sha256(payment.signed.payload),
            position: position, receipt: result.receipt))
      }

      /// Pays until a call fails; what had no answer, and the error.
      private func fill(_ place: NodePlace) async throws -> ([Payment], RPCError) {
        try await place.connect { services in
          var sequence: UInt64 = 1
          let deadline = Deadline(40)
          while !deadline.isOver {
            let payments = self.payments(from: sequence, count: 60)
            sequence += 60
            do {
              let results = try await services.submit(payments.map(\.signed))
              for (payment, result) in zip(payments, results) { self.note(payment, result) }
            } catch let error as RPCError { return (payments, error) }
          }
          throw Fault("the disk was never full")
        }
      }

      /// With room again: what had no answer is sent again in the same bytes, and new payments go
      /// through.
      private func resume(_ unanswered: [Payment], _ place: NodePlace) async throws {
        try await place.connect { services in
          let results = try await services.submit(unanswered.map(\.signed))
          for (payment, result) in zip(unanswered, results) {
            if result.rejection == .replayed {
              let key = community.members[Self.member].publicKey
              let found = try await services.receipt(key, payment.name.sequence)
              note(payment, found?.result ?? result)
            } else {
              note(payment, result)
            }
          }
          let last = unanswered.last?.name.sequence ?? 0
          for payment in payments(from: last + 1, count: 20) {
            note(payment, try await services.submit(payment.signed))
          }
        }
      }

      private func reckon() async throws {
        let store = try Store(path: folder.database, chain: community.chain)
        defer { try? store.close() }
        try store.checkInvariants()
        let record = try ChainRecord(store, members: community.members, meters: community.meters)
        let pages = notebook.pages
        #expect(pages.commands.count > 100, "the disk was full too soon")
        #expect(pages.faults.isEmpty && record.faults.isEmpty, "\(pages.faults + record.faults)")
        let contradictions = record.contradictions(to: pages)
        #expect(contradictions.isEmpty, "\(contradictions.count): \(contradictions.prefix(3))")
        #expect(record.commands.count == pages.commands.count)
        _ = try await Audit(store: store, genesis: community.genesis).run { _, _ in }
      }
    }
  }
}
