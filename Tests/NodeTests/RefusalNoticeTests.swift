import Domain
import Node
import Testing

@Suite struct RefusalNoticeTests {
  @Test func itTellsAtOnceAndThenNowAndThen() {
    let pause = Limits.refusalNoticeSeconds * 1_000_000
    var notice = RefusalNotice()
    #expect(notice.note(at: 5) == 1)
    for time in 1...100 { #expect(notice.note(at: 5 + Int64(time)) == nil) }
    #expect(notice.note(at: 4 + pause) == nil)
    #expect(notice.note(at: 5 + pause) == 102)
    #expect(notice.note(at: 6 + pause) == nil)
    #expect(notice.note(at: 5 + 3 * pause) == 2)
  }
}
