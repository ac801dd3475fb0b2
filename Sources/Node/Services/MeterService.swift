import Domain
import Foundation
import GRPCCore
import Metering
import Wire

/// Signed readings in, acknowledgements with height and reason out; and what the chain knows of a
/// meter.
struct MeterService: Intertie_V1_Meter.SimpleServiceProtocol {
  private let grid: Microgrid

  init(_ grid: Microgrid) { self.grid = grid }

  /// Reads batches while at most Limits.batchesPerStream are under way: a client that sends faster
  /// than the chain takes them is slowed by HTTP/2 flow control. A batch for which there is no room
  /// is refused, with a time after which to send it again.
  func stream(
    request: RPCAsyncSequence<Intertie_V1_ReadingBatch, any Error>,
    response: RPCWriter<Intertie_V1_BatchAck>, context: ServerContext
  ) async throws {
    try await serving {
      try await withThrowingTaskGroup(of: Void.self) { group in
        var underWay = 0
        for try await batch in request {
          guard batch.readings.count <= Limits.readingsPerMessage else {
            throw NodeFailure.invalid(
              "a batch has at most \(Limits.readingsPerMessage) readings; "
                + "\(batch.readings.count) came")
          }
          if underWay == Limits.batchesPerStream {
            try await group.next()
            underWay -= 1
          }
          underWay += 1
          group.addTask { try await response.write(acknowledge(batch)) }
        }
        try await group.waitForAll()
      }
    }
  }

  /// A busy node's answer to a batch is an answer: what else is under way on the stream goes on.
  private func acknowledge(_ batch: Intertie_V1_ReadingBatch) async throws
    -> Intertie_V1_BatchAck
  {
    let readings = batch.readings.map { try? SignedBytes($0) }
    do throws(NodeFailure) {
      let results = try await grid.submit(readings: readings)
      return Intertie_V1_BatchAck(
        id: batch.id,
        results: results.lazy.map {
          ReadingResult(height: $0.position?.height ?? 0, reason: $0.receipt.rejection)
        })
    } catch {
      guard let again = error.retryMilliseconds() else { throw error }
      return .busy(id: batch.id, retryMilliseconds: again)
    }
  }

  func figures(request: Intertie_V1_FiguresRequest, context: ServerContext) async throws
    -> Intertie_V1_FiguresResponse
  {
    try await serving {
      let (number, _) = try await meter(request.meter)
      let range = try Page.range(from: request.fromInterval, to: request.toInterval)
      // Nothing is metered at or after the open interval: a page ends before it.
      let last = min(range.upperBound, grid.view.nextClose.index - 1)
      var response = Intertie_V1_FiguresResponse()
      guard range.lowerBound <= last else { return response }
      let span = min(Int64(Page.size(request.limit)), last - range.lowerBound + 1)
      response.figures = try await grid.host.read {
        try $0.figures(meter: number, from: Interval(range.lowerBound), limit: Int(span))
      }.map { Intertie_V1_IntervalFigure($0) }
      let next = range.lowerBound + span
      response.nextInterval = next <= last ? next : 0
      return response
    }
  }

  func meterInfo(request: Intertie_V1_MeterInfoRequest, context: ServerContext) async throws
    -> Intertie_V1_MeterInfoResponse
  {
    try await serving {
      let (_, meter) = try await meter(request.meter)
      var response = Intertie_V1_MeterInfoResponse()
      response.meter = request.meter
      response.account = grid.view.id(of: meter.account)?.data ?? Data()
      response.maximumPowerMw = meter.maximumPower.raw
      response.isClean = meter.isClean
      response.inService = meter.inService
      response.nextClose = grid.view.nextClose.index
      return response
    }
  }

  private func meter(_ bytes: some Collection<UInt8>) async throws(NodeFailure) -> (UInt32, Meter) {
    let id = try PublicKey(request: bytes, "meter")
    let meters = grid.meters
    guard let found = try await grid.host.settled({ await meters.find(id) }) else {
      throw .notFound("no meter \(id.text(as: .meter)) is registered on this chain")
    }
    return found
  }
}
