//! What the reader takes and refuses, by short cases, and that it survives anything.

use exposition::{Format, LABELS_MAX, LINE_BYTES_MAX, Line, Reader, check};
use model::LabelSet;
use proptest::prelude::*;

type Row = (String, f64, Option<i64>);

/// The samples of a body as `name{labels}`, value, time; or the error.
fn read(body: &[u8], format: Format) -> Result<Vec<Row>, String> {
    let mut reader = Reader::new(body, format);
    let mut rows = Vec::new();
    while let Some(line) = reader.read_line().map_err(|error| error.to_string())? {
        if let Line::Sample(sample) = line {
            let mut pairs: Vec<(String, String)> = sample.labels().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
            pairs.push((model::METRIC_NAME.to_owned(), sample.name().into_owned()));
            rows.push((LabelSet::from_pairs(pairs).to_string(), sample.value, sample.timestamp));
        }
    }
    Ok(rows)
}

#[track_caller]
fn reads(body: &str, series: &str, value: f64, time: Option<i64>) {
    let rows = read(body.as_bytes(), Format::Text).expect("the body is good");
    let last = rows.last().expect("there is a sample");
    assert_eq!((last.0.as_str(), last.1.to_bits(), last.2), (series, value.to_bits(), time), "{body:?}");
}

#[track_caller]
fn refuses(body: &[u8], format: Format, at: &str, part: &str) {
    let error = read(body, format).expect_err("the body is bad");
    assert!(error.starts_with(at) && error.contains(part), "{:?}: {error}", String::from_utf8_lossy(body));
}

#[test]
fn takes_the_forms_of_the_text_format() {
    for (body, series, value, time) in [
        ("up 1\n", "up", 1.0, None),
        ("up 1", "up", 1.0, None),
        ("\n\n  up\t 1 \t\n", "up", 1.0, None),
        ("up{} 1 1395066363000\n", "up", 1.0, Some(1_395_066_363_000)),
        ("up 1 -5", "up", 1.0, Some(-5)),
        ("a:b{x=\"1\",} -1.5", "a:b{x=\"1\"}", -1.5, None),
        ("a { x = \"1\" , y=\"2\"\t}\t+Inf", "a{x=\"1\", y=\"2\"}", f64::INFINITY, None),
        ("a{x=\"1\" y=\"2\"}3", "a{x=\"1\", y=\"2\"}", 3.0, None),
        (r#"a{x="q\"b\\n\nu\x"} 1"#, "a{x=\"q\\\"b\\\\n\\nu\\\\x\"}", 1.0, None),
        ("a{x=\"two\nlines\"} 1", "a{x=\"two\\nlines\"}", 1.0, None),
        ("a{x=\"\"} 1", "a", 1.0, None),
        ("{\"my.metric\",\"k.v\"=\"1\"} 1", "{\"my.metric\", \"k.v\"=\"1\"}", 1.0, None),
        ("{k=\"1\",\"m\"} 1", "m{k=\"1\"}", 1.0, None),
        ("a{x=\"한글 😀 \u{1112}\u{1161}\u{11ab}\"} 1", "a{x=\"한글 😀 \u{1112}\u{1161}\u{11ab}\"}", 1.0, None),
        ("# HELP\n# HELP x\n# TYPE x gauge\n#comment\n# x 1\nx 1", "x", 1.0, None),
        ("# HELP x a \\\\ b\nx 0", "x", 0.0, None),
        ("x 1e-3 0", "x", 0.001, Some(0)),
        ("# TYPE h histogram\nh_bucket{le=\"5\"} 1", "h_bucket{le=\"5.0\"}", 1.0, None),
        ("# TYPE s summary\ns{quantile=\"0.50\"} 1", "s{quantile=\"0.5\"}", 1.0, None),
        ("# TYPE g gauge\ng{le=\"5\"} 1", "g{le=\"5\"}", 1.0, None),
    ] {
        reads(body, series, value, time);
    }
}

#[test]
fn refuses_with_the_place() {
    for (body, at, part) in [
        ("up 1\nup two\n", "line 2, column 4:", "expected a value, found \"two\""),
        ("up\n", "line 1, column 3:", "expected a value, found the end of the line"),
        ("up", "line 1, column 3:", "found the end of the body"),
        ("up 1 2 3", "line 1, column 8:", "expected a time or the end of the line"),
        ("up 1 1.5", "line 1, column 6:", "whole milliseconds"),
        ("up 1 99999999999999999999", "line 1, column 6:", "whole milliseconds"),
        ("up 1 # {} 1", "line 1, column 6:", "the end of the line"),
        ("up 0x1p-1074", "line 1, column 4:", "decimal number"),
        ("up 1_000", "line 1, column 4:", "decimal number"),
        ("up 1e999", "line 1, column 4:", "as far as a float reaches"),
        ("up 1\r\n", "line 1, column 4:", "carriage return"),
        ("up 1 5\r\n", "line 1, column", ""),
        ("\u{feff}up 1", "line 1, column 1:", "byte order mark"),
        ("값 1", "line 1, column 1:", "expected a metric name, found \"값 1\""),
        ("a{값=\"1\"} 1", "line 1, column 3:", "expected a label name"),
        ("a{x=\"1\",x=\"2\"} 1", "line 1, column 9:", "the label \"x\" comes twice"),
        ("a{\"x\"=\"1\",x=\"2\"} 1", "line 1, column", "comes twice"),
        ("a{__name__=\"b\"} 1", "line 1, column", "__name__"),
        ("a{=\"1\"} 1", "line 1, column 3:", "expected a label name"),
        ("a{\"\"=\"1\"} 1", "line 1, column", "empty label name"),
        ("{\"\"} 1", "line 1, column 2:", "empty metric name"),
        ("a{\"b\"} 1", "line 1, column 3:", "a second metric name"),
        ("{x=\"1\"} 1", "line 1, column 1:", "no metric name"),
        ("{} 1", "line 1, column 1:", "no metric name"),
        ("a{,} 1", "line 1, column 3:", "expected a label name"),
        ("a{x} 1", "line 1, column 4:", "expected \"=\""),
        ("a{x=1} 1", "line 1, column 5:", "double quotes"),
        ("a{x=\"1} 1\n", "line 1, column 5:", "without a closing quote"),
        ("a{x=\"1\\\n\"} 1\n", "line 1, column", "the line ends inside"),
        ("a{x=\"1\"\n} 1\n", "line 1, column 8:", "expected a label name"),
        ("# TYPE a thing\n", "line 1, column 10:", "no type of a metric"),
        ("# TYPE a\n", "line 1, column", "no type of a metric"),
        ("# TYPE a counter \n", "line 1, column 10:", "no type of a metric"),
        ("# TYPE met-ric counter\n", "line 1, column 8:", "expected a metric name after TYPE"),
        ("# HELP 1a text\n", "line 1, column 8:", "expected a metric name after HELP"),
        ("a\0b 1", "line 1, column 2:", "expected a value"),
        ("\0", "line 1, column 1:", "expected a metric name"),
    ] {
        refuses(body.as_bytes(), Format::Text, at, part);
    }
}

#[test]
fn a7_label_flood() {
    let labels = |count: usize| (0..count).map(|n| format!("l{n}=\"{n}\",")).collect::<String>();
    assert_eq!(read(format!("a{{{}}} 1", labels(LABELS_MAX)).as_bytes(), Format::Text).map(|rows| rows.len()), Ok(1));
    refuses(format!("ok 1\na{{{}}} 1", labels(10_000)).as_bytes(), Format::Text, "line 2, ", "more than 1024 labels");
    let huge = format!("ok 1\na{{x=\"{}\"}} 1\n", "v".repeat(10 << 20));
    refuses(huge.as_bytes(), Format::Text, "line 2, ", "longer than 1048576 bytes");
    refuses(format!("a{{{}x=\"1\",x=\"2\"}} 1", labels(40)).as_bytes(), Format::Text, "line 1, ", "comes twice");
}

#[test]
fn a5_huge_line() {
    for start in ["", "# HELP ", "a{x=\"", "a ", "#", "ok 1\n"] {
        let body = [start.as_bytes(), &vec![b'1'; 3 << 20]].concat();
        let error = read(&body, Format::Text).expect_err("the line is too long");
        assert!(error.contains("longer than 1048576 bytes"), "{start}: {error}");
        let offset = start.find('\n').map_or(0, |at| at + 1);
        assert!(error.contains(&format!("begins at byte {offset} ")), "{start}: {error}");
    }
    let fits = format!("a{{x=\"{}\"}} 1\nb 2\n", "v".repeat(LINE_BYTES_MAX - 10));
    assert_eq!(read(fits.as_bytes(), Format::Text).map(|rows| rows.len()), Ok(2));
}

#[test]
fn a5_a_huge_number_behind_a_known_start() {
    let body = [b"a ", vec![b'1'; 2 << 20].as_slice(), b" \n"].concat();
    assert!(exposition::read_tail(&body, 2, Format::Text).is_err());
    let zeros = [b"a 0.", vec![b'0'; 2 << 20].as_slice(), b"\n"].concat();
    assert!(exposition::read_tail(&zeros, 2, Format::Text).expect_err("too long").message.contains("longer than 1048576 bytes"));
    assert_eq!(
        exposition::read_tail(b"a 1.5 7 \nb", 2, Format::Text),
        Ok(exposition::Tail { value: 1.5, timestamp: Some(7), exemplar_at: None, end: 9 })
    );
}

#[test]
fn a8_bad_utf8_is_refused_and_good_kept_byte_exact() {
    for body in [&b"a{x=\"\xff\"} 1"[..], b"a{x=\"\xed\xa0\x80\"} 1", b"{\"m\xc3\"} 1", b"# HELP a \xff\n", b"a{\"\xff\"=\"1\"} 1"] {
        refuses(body, Format::Text, "line 1, ", "not valid UTF-8");
    }
    for value in ["a\0b", "\u{feff}", "\r", "\\ud800", "😀", "가", "\u{1100}\u{1161}"] {
        let body = format!("a{{x=\"{value}\"}} 1");
        let mut reader = Reader::new(body.as_bytes(), Format::Text);
        let Ok(Some(Line::Sample(sample))) = reader.read_line() else { panic!("{value:?} is good") };
        let labels: Vec<_> = sample.labels().collect();
        assert_eq!(labels, [("x".into(), value.into())]);
    }
}

/// What Prometheus' own reader of OpenMetrics takes and refuses.
#[test]
fn openmetrics_as_a_scrape_reads_it() {
    let body = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Help.\n# UNIT b \na_seconds_total{x=\"1\"} 5 12.5 # {trace=\"a b\"} 0.5 12.25\na_seconds_created 1e9 # {} 1\n{\"a.b\",\"c d\"=\"e\",} +Inf -1\n# TYPE s stateset\ns{s=\"on\"} 1\n# EOF";
    let rows = read(body.as_bytes(), Format::OpenMetrics).expect("the body is good");
    assert_eq!(
        rows,
        [
            ("a_seconds_total{x=\"1\"}".to_owned(), 5.0, Some(12_500)),
            ("a_seconds_created".to_owned(), 1e9, None),
            ("{\"a.b\", \"c d\"=\"e\"}".to_owned(), f64::INFINITY, Some(-1_000)),
            ("s{s=\"on\"}".to_owned(), 1.0, None),
        ]
    );
    for (body, part) in [
        ("a 1\n", "without \"# EOF\""),
        ("", "without \"# EOF\""),
        ("a 1\n# EOF\nb 1\n", "goes on after"),
        ("a 1\n# EOF \n", "text after \"# EOF\""),
        ("a 1\n# EOF\n\n", "goes on after"),
        ("a 1\n\n# EOF\n", "blank line"),
        (" a 1\n# EOF\n", "begins with a blank"),
        ("a  1\n# EOF\n", "expected a value"),
        ("a\t1\n# EOF\n", "expected a space and a value"),
        ("a 1 \n# EOF\n", "a blank at the end"),
        ("a 1  5\n# EOF\n", "expected one space"),
        ("a 1 5 \n# EOF\n", "a blank at the end"),
        ("a 1\r\n# EOF\n", "carriage return"),
        ("a{x=\"1\"}1\n# EOF\n", "expected a space and a value"),
        ("a{x=\"1\", y=\"2\"} 1\n# EOF\n", "expected a label name"),
        ("a {x=\"1\"} 1\n# EOF\n", "expected a value"),
        ("a 1 2 # 5\n# EOF\n", "expected an exemplar"),
        ("a 1 # {x=\"1\"} b\n# EOF\n", "expected an exemplar"),
        ("a 1 # {x=\"1\"}\n# EOF\n", "expected an exemplar"),
        ("a 1 # {x=\"1\"} 1 \n# EOF\n", "expected an exemplar"),
        ("a 1 # {x=\"1\"} 1 nan\n# EOF\n", "expected an exemplar"),
        ("a 1 # {\"x\"} 1\n# EOF\n", "has no name"),
        ("a 1 # {x=\"1\",x=\"1\"} 1\n# EOF\n", "comes twice"),
        ("a 1# {} 1\n# EOF\n", "expected a value"),
        ("a 1 #{} 1\n# EOF\n", "expected an exemplar"),
        ("a{x=\"1\" y=\"2\"} 1\n# EOF\n", "expected a comma"),
        ("a{x=\"1\n2\"} 1\n# EOF\n", "line ends inside"),
        ("a 1 nan\n# EOF\n", "expected a time"),
        ("a 1 0x1p-3\n# EOF\n", "expected a time"),
        ("# TYPE a untyped\n# EOF\n", "no type of a metric"),
        ("# TYPE a gauge \n# EOF\n", "no type of a metric"),
        ("# TYPE a\n# EOF\n", "expected a space and a text"),
        ("# HELP\n# EOF\n", "expected a metric name after HELP"),
        ("# HELP \n# EOF\n", "expected a metric name after HELP"),
        ("# UNIT a seconds\n# EOF\n", "expected a_seconds"),
        ("# UNIT aseconds seconds\n# EOF\n", "is not at the end"),
        ("# a comment\na 1\n# EOF\n", "a comment"),
        ("#\n# EOF\n", "a comment"),
    ] {
        refuses(body.as_bytes(), Format::OpenMetrics, "line ", part);
    }
}

#[test]
fn a_known_start_leads_to_an_exemplar() {
    let body = b"a 5 # {t=\"1\"} 0.5 1.25\nb 1\n# EOF\n";
    let tail = exposition::read_tail(body, 2, Format::OpenMetrics).expect("good");
    assert_eq!((tail.value, tail.timestamp, tail.exemplar_at, tail.end), (5.0, None, Some(4), 23));
    let exemplar = exposition::Exemplar::read(body, 4).expect("good");
    assert_eq!((exemplar.value, exemplar.timestamp, exemplar.end), (0.5, Some(1250), 23));
    assert_eq!(exemplar.labels().collect::<Vec<_>>(), [("t".into(), "1".into())]);
    assert!(exposition::Exemplar::read(b"a 5 # {t=\"1\"\nb\"} 1\n", 4).is_err(), "not across lines");
}

/// Beyond the suite's documents: what each rule of the specification says when it is broken.
#[test]
fn a11_the_strict_reading_names_line_and_reason() {
    for (body, at, part) in [
        ("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\na 2\n", 5, "comes twice"),
        ("# TYPE a counter\na 1\n", 2, "clashes"),
        ("a 1\na 2\n", 2, "a second value"),
        ("# TYPE a gauge\na 0\na 0 0\n", 3, "some lines of a metric have a time"),
        ("# TYPE a gauge\na 0 1.1\na 0 1\n", 3, "go back"),
        ("a{__x=\"1\"} 1\n", 1, "reserved"),
        ("a{x=\"1\",} 1\n", 1, "comma after the last label"),
        ("# TYPE a counter\na_total 1 # {x=\"1\",} 1\n", 2, "comma after the last label"),
        ("# TYPE a summary\na 0\n", 2, "without the label \"quantile\""),
        ("# TYPE a summary\na{quantile=\"0.5\"} -1\n", 2, "cannot be negative"),
        ("# TYPE a stateset\na 1\n", 2, "names the state"),
        ("# TYPE a histogram\na_bucket{le=\"+Inf\"} 0.5\n", 2, "no fraction"),
        ("# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n", 3, "counts less"),
        ("# TYPE a histogram\na_bucket{le=\"1\"} 2\n", 2, "no bucket le=\"+Inf\""),
        ("# TYPE a stateset\n# UNIT a_b b\n# TYPE a_b info\n", 2, "unit"),
    ] {
        let error = check(format!("{body}# EOF\n").as_bytes(), Format::OpenMetrics).expect_err(body).to_string();
        assert!(error.starts_with(&format!("line {at}, column 1:")) && error.contains(part), "{body:?}: {error}");
    }
    let good = "# TYPE a histogram\na_bucket{le=\"+Inf\",x=\"},\"} 1\na_count{x=\"},\"} 1\na_sum{x=\"},\"} 1\na_created{x=\"},\"} 5\n# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n";
    let summary = check(good.as_bytes(), Format::OpenMetrics).expect("good");
    assert_eq!((summary.samples, summary.names, summary.families.len()), (5, 5, 2));
}

#[test]
fn a13_types_that_lie_are_no_concern_of_the_reader() {
    let body = "# TYPE c counter\nc 5\nc 3\n# TYPE h histogram\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"1.0\"} 5\nh_bucket{le=\"x\"} 1\n# TYPE s summary\ns_sum 1\ns{quantile=\"2\"} 1\n";
    assert_eq!(read(body.as_bytes(), Format::Text).map(|rows| rows.len()), Ok(8));
}

#[test]
fn the_check_is_stricter() {
    for (body, at, part) in [
        ("a 1", "line 1, column 4:", "does not end in a newline"),
        ("a{x=\"\\t\"} 1\n", "line 1, column 6:", "an escape that does not exist"),
        ("a{x=\"new\nline\"} 1\n", "line 1, column 9:", "ends inside quotes"),
        ("# HELP a 1\n# HELP a 2\n", "line 2, column 1:", "a second HELP line"),
        ("# TYPE a gauge\n\n# TYPE a gauge\n", "line 3, column 1:", "a second TYPE line"),
        ("a 1\n# TYPE a gauge\n", "line 2, column 1:", "comes after samples"),
        ("# TYPE a histogram\n# note\na_bucket{le=\"x\"} 1\n", "line 3, column 1:", "expected a number as the value of \"le\""),
        ("# TYPE a summary\na{quantile=\"x\"} 1\n", "line 2, column 1:", "\"quantile\""),
    ] {
        let error = check(body.as_bytes(), Format::Text).expect_err("the check refuses").to_string();
        assert!(error.starts_with(at) && error.contains(part), "{body:?}: {error}");
        assert!(body.contains("quantile") || check(body.as_bytes(), Format::Text).is_err());
    }
    let summary = check(b"# HELP a A.\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 1 5\nb 1\n", Format::Text).expect("good");
    assert_eq!((summary.samples, summary.samples_with_time, summary.names, summary.help_lines), (3, 1, 2, 1));
    assert_eq!(summary.families, [(model::FamilyKind::Gauge, 1)]);
}

proptest! {
    #[test]
    fn any_bytes_end_in_samples_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::Text, Format::OpenMetrics] {
            let _ = read(&body, format);
            let _ = check(&body, format);
        }
    }

    /// Bytes that the grammar gives a meaning lead deeper than any bytes do.
    #[test]
    fn any_mix_of_tokens_ends_in_samples_or_an_error(
        parts in proptest::collection::vec(
            prop::sample::select(vec!["a", "{", "}", "\"", "=", ",", " ", "\t", "\n", "\\", "#", "# ", "HELP ", "TYPE ", "EOF", "counter", "1", "-", "e5", ".", "NaN", "é", "\r", "\0", "x=\"1\"", "{\"m\"}", "1 5\n", " 1 # {", "# EOF\n", "# TYPE a counter\n", "# TYPE a histogram\n", "a_bucket{le=\"+Inf\"} 1\n", "a_total 1\n"]), 0..60),
    ) {
        let body = parts.concat();
        for format in [Format::Text, Format::OpenMetrics] {
            let _ = read(body.as_bytes(), format);
            let _ = check(body.as_bytes(), format);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        name in "[a-z.가]{1,8}", label in "[a-z 가]{1,8}", text in any::<String>(), value in any::<f64>(), time in proptest::option::of(any::<i64>()),
    ) {
        let labels = LabelSet::from_pairs([(label.as_str(), text.as_str())]);
        let samples = model::FamilySamples::Gauge(vec![(labels.clone(), value, time)]);
        let family = model::MetricFamily { name: name.clone(), help: text.clone(), unit: String::new(), samples };
        let body = exposition::encode(&[family]);
        let rows = read(body.as_bytes(), Format::Text).expect("our own text is good");
        prop_assert_eq!(rows.len(), 1);
        prop_assert_eq!(&rows[0].0, &labels.with(model::METRIC_NAME, &name).to_string());
        prop_assert!(rows[0].1 == value || rows[0].1.is_nan() && value.is_nan());
        prop_assert_eq!(rows[0].2, time);
        prop_assert!(check(body.as_bytes(), Format::Text).is_ok());
    }
}
