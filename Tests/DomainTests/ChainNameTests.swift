import Domain
import Testing

@Suite struct ChainNameTests {
  @Test(arguments: [
    "a", "Elm Street", "Straße 7", "北の町", "مدينة", "Zoë’s — (2)", String(repeating: "x", count: 64),
  ])
  func printable(_ name: String) { #expect(ChainName.isPrintable(name)) }

  @Test(arguments: [
    "", " ", " Elm", "Elm ", "Elm\nOak", "Elm\r", "\tElm", "\u{0}", "\u{1b}[2J", "\u{7f}",
    "\u{9b}2J",
    "Elm\u{a0}", "Elm\u{ad}", "E\u{200b}lm", "\u{202e}mlE", "\u{2066}Elm", "Elm\u{2028}",
    "\u{feff}Elm",
    "Elm\u{fffd}", "Elm\u{e0041}", String(repeating: "x", count: 65),
    String(repeating: "é", count: 33),
  ])
  func notPrintable(_ name: String) { #expect(!ChainName.isPrintable(name)) }
}
