import Domain
import Node
import Testing

@Suite struct RefusalNoticeTests {
  @Test func itTellsAtOnceAndThenNowAndThen() {
    let seconds = Limits.refusalNoticeSeconds
    let pause = seconds * 1_000_000
    var notice = RefusalNotice()
    #expect(notice.note(at: 5) == .init(calls: 1, seconds: 0))
    for time in 1...100 { #expect(notice.note(at: 5 + Int64(time)) == nil) }
    #expect(notice.note(at: 4 + pause) == nil)
    #expect(notice.note(at: 6 + pause) == .init(calls: 102, seconds: seconds))
    #expect(notice.note(at: 7 + pause) == nil)
    // What comes long after says how long ago the others were.
    #expect(notice.note(at: 7 + 4 * pause) == .init(calls: 2, seconds: 3 * seconds))
  }
}
