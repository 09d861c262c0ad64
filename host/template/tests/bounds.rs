//! Templates that would take forever, or all memory, end within their limits with an error that says so (faults E2).

use proptest::prelude::*;
use template::{AlertmanagerFunctions, Limits, Mode, PrometheusFunctions, QuerySample, Template, Value};

fn expand(text: &str) -> Result<String, String> {
    let functions = AlertmanagerFunctions { now: 0 };
    let template = Template::parse("t", text, &functions).map_err(|error| error.to_string())?;
    template.expand(Mode::Text, &Value::Nil, &functions, &Limits::default()).map_err(|error| error.to_string())
}

#[test]
fn what_never_ends_ends() {
    for (text, says) in [
        (r#"{{range 9000000000}}{{end}}"#, "steps"),
        (r#"{{define "a"}}{{template "a" .}}{{end}}{{template "a"}}"#, "call itself"),
        (r#"{{define "a"}}{{template "b" .}}{{end}}{{define "b"}}{{template "a" .}}{{end}}{{template "a"}}"#, "call itself"),
        (r#"{{range 100000}}xxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{end}}"#, "grows beyond 1048576 bytes"),
        (r#"{{$x := "xxxxxxxx"}}{{range 40}}{{$x = print $x $x}}{{end}}"#, "grows beyond"),
        (r#"{{$x := list "xxxxxxxx"}}{{range 60}}{{$x = list $x $x}}{{end}}{{$x}}"#, "grows beyond"),
        (r#"{{$x := list "xxxxxxxx"}}{{range 60}}{{$x = list $x $x}}{{end}}{{toJson $x}}"#, "grows beyond"),
        (r#"{{$x := list}}{{range 1000}}{{$x = list $x}}{{end}}"#, "nested deeper than 64"),
        (r#"{{$x := list}}{{range 1000000}}{{$x = append $x "a"}}{{end}}"#, "steps"),
        (r#"{{$x := printf "%90000s" "x"}}{{reReplaceAll "." $x $x}}"#, "grows beyond"),
        (r#"{{range 1000000}}{{$x := match "(a*)*b" "aaaaaaaaaaaaaaaa"}}{{end}}"#, "steps"),
        (r#"{{match "(((a{100}){100}){100})" "a"}}"#, "regular expression"),
    ] {
        let error = expand(text).expect_err(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn nesting_is_bounded_when_it_is_read() {
    let deep = format!("{}1{}", "{{if 1}}".repeat(5000), "{{end}}".repeat(5000));
    assert!(expand(&deep).expect_err("too deep").contains("nested deeper"));
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(expand(&parens).expect_err("too deep").contains("nested deeper"));
}

#[test]
fn queries_in_a_loop_are_bounded() {
    let functions = PrometheusFunctions {
        query: Box::new(|_| Ok(vec![QuerySample { labels: model::LabelSet::empty(), value: 1.0 }])),
        now: 0,
        external_url: "",
    };
    let template = Template::parse("t", r#"{{range 1000000}}{{query "up"}}{{end}}"#, &functions).expect("it parses");
    let error = template.expand(Mode::Text, &Value::Nil, &functions, &Limits::default()).expect_err("too many");
    assert!(error.to_string().contains("steps"), "{error}");
}

#[test]
fn the_language() {
    for (text, expected) in [
        ("a {{- 1 -}} b", "a1b"),
        ("{{/* nothing */}}x{{- /* y */ -}} z", "xz"),
        ("{{if false}}a{{else if 0}}b{{else if 1}}c{{else}}d{{end}}", "c"),
        ("{{with \"\"}}a{{else with 2}}{{.}}{{end}}", "2"),
        ("{{range $i, $x := list 5 6 7}}{{if eq $i 1}}{{continue}}{{end}}{{$i}}={{$x}} {{end}}", "0=5 2=7 "),
        ("{{range list 1 2 3}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}", "1"),
        ("{{range list}}a{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{end}}{{$x}}", "2"),
        ("{{range $k, $v := dict \"b\" 1 \"a\" 2}}{{$k}}{{$v}}{{end}}", "a2b1"),
        ("{{block \"x\" 7}}<{{.}}>{{end}}{{template \"x\" 8}}", "<7><8>"),
        ("{{or 0 \"\" \"x\" (index (list) 5)}}{{and 1 0 (index (list) 5)}}", "x0"),
        ("{{eq 1 2 3 1}} {{ne \"a\" \"b\"}} {{lt 1.5 2.5}} {{not 0}}", "true true true true"),
        ("{{len \"값\"}} {{index (list 1 2) 1}} {{index (dict \"a\" (dict \"b\" 5)) \"a\" \"b\"}} {{slice \"abcdef\" 1 3}}", "3 2 5 bc"),
        ("{{html \"<a&'\\\">\"}} {{urlquery \"a b&c\"}} {{js \"a'b<\"}}", "&lt;a&amp;&#39;&#34;&gt; a+b%26c a\\'b\\u003C"),
        ("{{print 1 2 \"a\" 3}}|{{println 1 \"a\"}}", "1 2a3|1 a\n"),
        ("{{printf \"%s-%d\" \"a\" 5 | printf \"%10s|\"}}", "       a-5|"),
        ("{{0x1F}} {{1_000}} {{1.5e3}} {{'a'}} {{-7}} {{`r\\n`}} {{\"\\u0041\\t\"}}|", "31 1000 1500 97 -7 r\\n A\t|"),
        ("{{(dict \"a\" (dict \"b\" 1)).a.b}}", "1"),
        ("{{with $y := 5}}{{$y}}{{$}}{{end}}", "5<no value>"),
        (
            "{{(toDate \"2006-01-02 15:04:05\" \"2024-03-10 11:30:00\") | tz \"Asia/Seoul\" | date \"15:04 MST -07:00\"}}",
            "20:30 KST +09:00",
        ),
        ("{{(toDate \"2006-01-02\" \"2024-01-31\").AddDate 0 1 0 | date \"2006-01-02\"}}", "2024-03-02"),
        ("{{(toDate \"2006-01-02\" \"2024-01-31\").Month}} {{(toDate \"2006-01-02\" \"2024-01-31\").Weekday}}", "January Wednesday"),
        ("{{since now}}", "0s"),
        ("{{1000000.0}} {{0.1}} {{100000.0}} {{1e-7}}", "1e+06 0.1 100000 1e-07"),
    ] {
        assert_eq!(expand(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn mistakes_say_where() {
    for (text, says) in [
        ("{{", "template: t:1:0: unclosed action"),
        ("x\n  {{ foo }}", "template: t:2:5: function \"foo\" not defined"),
        ("{{ $x }}", "undefined variable \"$x\""),
        ("{{ if 1 }}", "if has no {{end}}"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ else }}", "unexpected {{else}}"),
        ("{{ break }}", "{{break}} outside {{range}}"),
        ("{{ template x }}", "unexpected \"x\" in template clause"),
        ("{{ 1 | 2 }}", "must be a function"),
        ("{{ nil }}", "nil is not a command"),
        ("{{ \"a }}", "unterminated quoted string"),
        ("{{ /* a }}", "unexpected '/'"),
        ("{{/* a }}", "unclosed comment"),
        ("{{ (1 }}", "unclosed left paren"),
        ("{{ 1) }}", "unexpected right paren"),
        ("{{ 99999999999999999999 }}", "bad number syntax"),
        ("a\n{{ index (list 1) 5 }}", "template: t:2:3: executing \"t\" at <index (list 1) 5>: error calling index: index out of range: 5"),
        ("{{ toUpper 1 }}", "at <toUpper 1>: wrong type for value; expected string; got int"),
        ("{{ template \"gone\" }}", "template \"gone\" not defined"),
        ("{{ lt 1 \"a\" }}", "incompatible types for comparison"),
        ("{{ tz \"Mars/Base\" now }}", "unknown time zone Mars/Base"),
        ("{{ now.Nothing }}", "can't evaluate field Nothing in type time.Time"),
    ] {
        let error = expand(text).expect_err(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

proptest! {
    /// Any text is expanded or refused; nothing panics or hangs.
    #[test]
    fn no_text_breaks_it(text in r#"(\{\{-? ?|-? ?\}\}|[a-z$.()|:="`' 0-9<>/*\\-]{0,4}|range |if |else|end|define "a"|template "a"|list |printf "%d"|\PC){0,30}"#) {
        let functions = AlertmanagerFunctions { now: 0 };
        let limits = Limits { steps: 10_000, ..Limits::default() };
        if let Ok(template) = Template::parse("t", &text, &functions) {
            for mode in [Mode::Text, Mode::Html] {
                let _ = template.expand(mode, &Value::map([("a", Value::text("x"))]), &functions, &limits);
            }
        }
    }
}
