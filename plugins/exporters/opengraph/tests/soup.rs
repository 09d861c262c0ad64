//! Pages of nonsense: any bytes in any order are read without harm, and always in the same way.

use plugin_opengraph::{charset, tags};

const PIECES: [&[u8]; 41] = [
    b"<meta ",
    b"<META/",
    b"charset",
    b"=",
    b"\"",
    b"'",
    b">",
    b"/>",
    b"<!--",
    b"-->",
    b"--!>",
    b"<!",
    b"</",
    b"<",
    b"<?xml encoding=",
    b"?>",
    b"http-equiv=content-type ",
    b"content=",
    b"text/html;charset=",
    b"utf-8",
    b"utf-16",
    b"euc-kr",
    b"x-user-defined",
    b"bogus",
    b"property=og:title ",
    b"<script>",
    b"</script>",
    b"<title",
    b"</title>",
    b"<svg>",
    b"</svg",
    b"<style/>",
    b"&amp",
    b"&#x1f600;",
    b"&#0;",
    b" ",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\r\n",
    b"<meta property=og:title content=x>",
];

#[test]
fn nonsense_is_read_without_harm() {
    // A generator of our own (Knuth's constants): the same pages in every run.
    let mut state = 42_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits fit") % below
    };
    let (mut named, mut titled) = (0, 0);
    for _ in 0..3000 {
        let page: Vec<u8> = (0..next(60)).flat_map(|_| PIECES[next(PIECES.len())].to_vec()).collect();
        let text = charset::decode(&page, None);
        let scrap = tags::read(&text);
        assert_eq!(scrap, tags::read(&charset::decode(&page, None)), "{page:?}");
        named += usize::from(charset::encoding(&page, None).is_some());
        titled += usize::from(scrap.title.is_some());
    }
    // Nonsense that never gets anywhere would prove nothing.
    assert!(named > 30 && titled > 3, "{named} {titled}");
}
