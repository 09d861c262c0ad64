//! Makes typed expressions of what Prometheus 2.42 knows.
//!
//! All times are whole seconds, but ranges of subqueries, which end in half a second: so nothing ever lies on the left border of a
//! window, where versions 2 and 3 differ.

use test_support::Dice;

use crate::data::{BEGIN, SPAN};
use crate::tree::{Kind, Tree};

/// Names with a label that tells their series of one place apart.
const NAMES: [(&str, &str); 12] = [
    ("http_requests_total", "code"),
    ("http_requests_total", "code"),
    ("temperature", "room"),
    ("temperature", "room"),
    ("size_bytes", ""),
    ("free_bytes", ""),
    ("up", ""),
    ("build_info", "version"),
    ("latency_seconds_bucket", "le"),
    ("latency_seconds_count", ""),
    ("intermittent", ""),
    ("lonely", ""),
];

const MATH: [&str; 29] = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "sqrt",
    "ln",
    "log2",
    "log10",
    "round",
    "sgn",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "deg",
    "rad",
    "timestamp",
    "sort",
    "sort_desc",
    "absent",
    "timestamp",
];

const DATES: [&str; 8] = ["hour", "minute", "month", "year", "day_of_week", "day_of_month", "day_of_year", "days_in_month"];

const OVER_TIME: [&str; 20] = [
    "rate",
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "resets",
    "changes",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "increase",
];

const AGGREGATIONS: [&str; 8] = ["sum", "avg", "min", "max", "count", "stddev", "stdvar", "group"];

const GROUPINGS: [&str; 11] = [
    "",
    "",
    " by (job)",
    " by (instance)",
    " by (job, instance)",
    " by (code)",
    " without (instance)",
    " without (code, method)",
    " by (nothing)",
    " without ()",
    " by (room, le)",
];

const ARITHMETIC: [&str; 7] = ["+", "-", "*", "/", "%", "^", "atan2"];

const COMPARISONS: [&str; 6] = ["==", "!=", "<", ">", "<=", ">="];

const MATCHINGS: [&str; 8] = ["", "", "", "on(job, instance) ", "on(instance) ", "ignoring(code) ", "ignoring(room, le, method) ", "on() "];

const GROUPED: [&str; 8] = [
    "on(job, instance) group_left() ",
    "on(instance) group_left(version) ",
    "on(instance) group_right() ",
    "on(job, instance) group_right(version) ",
    "ignoring(code, method) group_left() ",
    "ignoring(room) group_right ",
    "on(job) group_left() ",
    "on(instance) group_left(job) ",
];

/// Braces of selectors stand as `«` and `»` here, because `{}` is a hole.
const ODD: [&str; 76] = [
    "{} and {} or {} unless {}",
    "{} + {} * {} ^ {} - {}",
    "{} > bool 1 < bool 2",
    "-{} ^ 2",
    "2 ^ 3 ^ 2 - {}",
    "--{}",
    "+-+{}",
    "-1 ^ 2 * {}",
    "{} % -3",
    "1 - -{}",
    "{}-1",
    "({}) -1",
    "\n  {}  # a comment\n +\t1",
    "# only a comment\n{}",
    "SUM BY(job) ({})",
    "sum by (job,) ({})",
    "sum by () ({})",
    "sum ({}) without (instance, code)",
    "sum by (on, by, job) ({})",
    "sum by (job) by (instance) ({})",
    "sum(({}))",
    "sum()",
    "sum({},)",
    "abs({},)",
    "abs({}, {})",
    "rate(up[5m],)",
    "temperature«job=\"api\",»",
    "temperature«,»",
    "temperature«job=~\".*\"»",
    "«job=~\".*\"»",
    "«job!=\"\"»",
    "«job=\"\"»",
    "«__name__=\"up\"»",
    "«__name__=\"up\",__name__=~\"u.\"»",
    "up«__name__=\"up\"»",
    "up«instance=~\"[a-\"»",
    "up«instance=~\"(?i)A:.*\"»",
    "up«instance=~\"a\",instance!~\"b\"»",
    "up«job='a\\x70i'»",
    "up«job=`api`»",
    "up«job=api»",
    "up«\\»",
    "up«le»",
    "up offset 1m offset 2m",
    "up @ 1700001000 @ 1700002000",
    "up @ -100",
    "up @ 1.7000010005e9",
    "up offset 1d",
    "up offset -1w",
    "up offset 1m30s @ end()",
    "up @ start() offset 1h1m",
    "up @ foo()",
    "up offset up",
    "up[5m",
    "up[]",
    "up[0s]",
    "rate(up[1w])",
    "rate(up[300])",
    "rate(up[5m30s])",
    "rate(up[30s5m])",
    "rate(up[5m] offset 10s)",
    "rate(up offset 10s[5m])",
    "max_over_time(up[10m500ms:1m] offset 1m @ 1700002000)",
    "sum_over_time(rate(up[5m])[20m500ms:37s])",
    "absent(nonexistent«job=\"api\",x=~\"a|b\",y!=\"z\"»)",
    "absent(nonexistent«job=\"api\",job=\"web\",z=\"1\"»)",
    "absent(sum(nonexistent«job=\"api\"»))",
    "absent_over_time(nonexistent«job=\"api\",x=~\"a\"»[5m])",
    "absent({}) or absent(nonexistent)",
    "count_values(\"job\", up) by (instance)",
    "{} == on(job) group_left {}",
    "{} and on(job) group_left() {}",
    "{} + bool {}",
    "{} > on() bool {}",
    "\"a text\"",
    "time() - timestamp({})",
];

/// A generator with its seed.
pub(crate) struct Generator<'r>(pub(crate) &'r mut Dice);

fn vector(pattern: &str, holes: impl IntoIterator<Item = Tree>) -> Tree {
    Tree::new(Kind::Vector, pattern, holes)
}

impl Generator<'_> {
    /// An expression to be asked. Few are wrong by type.
    pub(crate) fn query(&mut self) -> Tree {
        let depth = 1 + self.0.below(4);
        match self.0.below(100) {
            0..6 => self.scalar(depth),
            6..8 => self.range(depth),
            8..10 => self.wrong(depth),
            10..20 => self.odd(depth - 1),
            _ => self.vector(depth),
        }
    }

    fn wrong(&mut self, depth: u64) -> Tree {
        let (v, s, r) = (self.vector(depth - 1), self.scalar(depth - 1), self.range(depth - 1));
        match self.0.below(12) {
            0 => vector("rate({})", [v]),
            1 => vector("sum({})", [s]),
            2 => vector("abs({})", [r]),
            3 => vector("({}) and ({})", [v, s]),
            4 => vector("({}) > ({})", [s.clone(), s]),
            5 => vector("topk({})", [v]),
            6 => vector("clamp({}, {})", [v, s]),
            7 => vector("({}) + ({})", [v, r]),
            8 => vector("label_replace({}, \"a\", \"$1\", \"job\", \"(\")", [v]),
            9 => vector("({}) * on(job) group_left(job) ({})", [v.clone(), v]),
            10 => vector("{}[5m]", [v]),
            _ => vector("quantile_over_time({}, {})", [v, r]),
        }
    }

    /// What people write by mistake, for want of spaces, or once in a year.
    fn odd(&mut self, d: u64) -> Tree {
        let pattern = self.0.pick(&ODD);
        let pattern = &pattern.replace('«', "{").replace('»', "}");
        let holes: Vec<Tree> = (0..pattern.matches("{}").count()).map(|_| self.vector(d.min(2))).collect();
        vector(pattern, holes)
    }

    fn scalar(&mut self, depth: u64) -> Tree {
        let leaf = |text: &str| Tree::leaf(Kind::Scalar, text);
        let new = |pattern: &str, holes: Vec<Tree>| Tree::new(Kind::Scalar, pattern, holes);
        if depth == 0 || self.0.percent(50) {
            return match self.0.below(10) {
                0 => leaf("time()"),
                1 => leaf("pi()"),
                2 => leaf(self.0.pick(&["NaN", "Inf", "-Inf", "-0"])),
                _ => leaf(self.0.pick(&["0", "1", "2", "3", "0.5", "-1", "-2.5", "10", "1e3", "0x1F", "0.9", "100", "1e-3", "1e9"])),
            };
        }
        match self.0.below(5) {
            0 => new("scalar({})", vec![self.vector(depth - 1)]),
            1 => new("-({})", vec![self.scalar(depth - 1)]),
            2 => new(&format!("(({{}}) {} bool ({{}}))", self.0.pick(&COMPARISONS)), vec![self.scalar(depth - 1), self.scalar(depth - 1)]),
            _ => new(&format!("(({{}}) {} ({{}}))", self.0.pick(&ARITHMETIC)), vec![self.scalar(depth - 1), self.scalar(depth - 1)]),
        }
    }

    /// `offset` and `@`.
    fn shift(&mut self) -> String {
        let mut text = String::new();
        if self.0.percent(8) {
            let inside = BEGIN + 600 + self.0.below(SPAN as u64 - 1200) as i64;
            text += &match self.0.below(3) {
                0 => " @ start()".to_owned(),
                1 => " @ end()".to_owned(),
                _ => format!(" @ {inside}"),
            };
        }
        if self.0.percent(12) {
            text += " offset ";
            text += self.0.pick(&["1m", "5m", "17m", "-3m", "44s", "1h", "-20s"]);
        }
        text
    }

    fn selection(&mut self) -> (String, &'static str) {
        let (name, apart) = NAMES[self.0.below(NAMES.len() as u64) as usize];
        let mut matchers = Vec::new();
        if self.0.percent(25) {
            matchers.push(match self.0.below(6) {
                0 => "job=\"api\"".to_owned(),
                1 => "instance=~\"a:.*|c.+\"".to_owned(),
                2 => "instance!=\"b:80\"".to_owned(),
                3 => "job!~\"w.b\"".to_owned(),
                4 => "nothing=\"\"".to_owned(),
                _ => "instance=~\".+\"".to_owned(),
            });
        }
        if self.0.percent(20) && !apart.is_empty() {
            matchers.push(match apart {
                "code" => self.0.pick(&["code=\"200\"", "code=~\"[45]..\"", "code!=\"500\"", "method=\"POST\""]).to_owned(),
                "room" => self.0.pick(&["room=\"attic\"", "room=~\"attic|cellar\"", "room!~\"a.*\""]).to_owned(),
                "le" => self.0.pick(&["le=\"+Inf\"", "le!=\"0.5\"", "le=~\"0.+\""]).to_owned(),
                _ => "version=~\"1.*\"".to_owned(),
            });
        }
        let braces = if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(",")) };
        if self.0.percent(3) && !matchers.is_empty() {
            return (format!("{{__name__=~\"{name}|up\",{}}}", matchers.join(",")), apart);
        }
        (format!("{name}{braces}"), apart)
    }

    fn selector(&mut self) -> Tree {
        let text = self.selection().0 + &self.shift();
        Tree::leaf(Kind::Vector, text)
    }

    fn range(&mut self, depth: u64) -> Tree {
        if depth == 0 || self.0.percent(70) {
            let length = self.0.pick(&["1m", "5m", "90s", "10m", "47s", "15s", "16s", "30m", "1h"]);
            return Tree::leaf(Kind::Range, format!("{}[{length}]{}", self.selection().0, self.shift()));
        }
        let length = self.0.pick(&["5m500ms", "10m500ms", "100s500ms", "20m500ms", "59s500ms"]);
        let step = self.0.pick(&["1m", "30s", "", "37s", "2m", "5m", "90s"]);
        let inner = self.vector((depth - 1).min(2));
        Tree::new(Kind::Range, &format!("({{}})[{length}:{step}]{}", self.shift()), [inner])
    }

    fn vector(&mut self, depth: u64) -> Tree {
        if depth == 0 {
            return self.selector();
        }
        let d = depth - 1;
        match self.0.below(100) {
            0..8 => self.selector(),
            8..20 => vector(&format!("{}({{}})", self.0.pick(&MATH)), [self.vector(d)]),
            20..40 => vector(&format!("{}({{}})", self.0.pick(&OVER_TIME)), [self.range(d)]),
            40..58 => self.aggregation(d),
            58..76 => self.binary(d),
            76..81 => self.with_scalar(d),
            81..85 => vector("({})", [self.vector(d)]),
            85..87 => vector("-{}", [self.selector()]),
            87..89 => vector("vector({})", [self.scalar(d)]),
            89..91 => vector(&format!("{}({{}})", self.0.pick(&DATES)), [self.vector(d)]),
            91..93 => Tree::leaf(Kind::Vector, format!("{}({})", self.0.pick(&DATES), self.0.pick(&["", "start_time_seconds"]))),
            93..96 => self.labels(d),
            _ => self.quantile(d),
        }
    }

    fn with_scalar(&mut self, d: u64) -> Tree {
        match self.0.below(9) {
            0 => vector("clamp({}, {}, {})", [self.vector(d), self.scalar(d), self.scalar(d)]),
            1 => vector("clamp_min({}, {})", [self.vector(d), self.scalar(d)]),
            2 => vector("clamp_max({}, {})", [self.vector(d), self.scalar(d)]),
            3 => vector("round({}, {})", [self.vector(d), self.scalar(d.min(1))]),
            4 => vector("predict_linear({}, {})", [self.range(d), self.scalar(d)]),
            5 | 6 => vector("quantile_over_time({}, {})", [self.scalar(d), self.range(d)]),
            7 => {
                vector(&format!("holt_winters({{}}, {}, {})", self.0.pick(&["0.3", "0.8"]), self.0.pick(&["0.1", "0.6"])), [self.range(d)])
            }
            _ => vector("vector({})", [self.scalar(d)]),
        }
    }

    fn quantile(&mut self, d: u64) -> Tree {
        let inner = match self.0.below(3) {
            0 => Tree::leaf(Kind::Vector, "latency_seconds_bucket"),
            1 => Tree::leaf(Kind::Vector, "sum by (le, job) (rate(latency_seconds_bucket[5m]))"),
            _ => vector("rate({})", [Tree::leaf(Kind::Range, format!("latency_seconds_bucket[{}]", self.0.pick(&["1m", "5m", "20m"])))]),
        };
        vector("histogram_quantile({}, {})", [self.scalar(d), inner])
    }

    fn labels(&mut self, d: u64) -> Tree {
        let inner = self.vector(d);
        let pattern = self.0.pick(&[
            "label_replace({}, \"copy\", \"$1-x\", \"instance\", \"(.*):.*\")",
            "label_replace({}, \"job\", \"$1\", \"code\", \"(.+)\")",
            "label_replace({}, \"instance\", \"\", \"instance\", \".*\")",
            "label_replace({}, \"room\", \"${name}!\", \"room\", \"(?P<name>a).*\")",
            "label_join({}, \"joined\", \"-\", \"job\", \"instance\", \"nothing\")",
            "label_join({}, \"job\", \"/\", \"code\", \"method\")",
            "label_replace({}, \"__name__\", \"renamed\", \"\", \"\")",
        ]);
        vector(pattern, [inner])
    }

    fn aggregation(&mut self, d: u64) -> Tree {
        let grouping = self.0.pick(&GROUPINGS);
        match self.0.below(20) {
            // Of raw series, whose values differ: which of equal ones is taken is open.
            0..3 => {
                let inner =
                    Tree::leaf(Kind::Vector, self.0.pick(&["temperature", "free_bytes", "rate(http_requests_total[5m])", "size_bytes"]));
                vector(&format!("{}{grouping}({{}}, {{}})", self.0.pick(&["topk", "bottomk"])), [self.scalar(0), inner])
            }
            3..5 => vector(&format!("quantile{grouping}({{}}, {{}})"), [self.scalar(d), self.vector(d)]),
            5 => vector(&format!("count_values{grouping}(\"{}\", {{}})", self.0.pick(&["value", "job"])), [self.selector()]),
            6..9 => vector(&format!("{}({{}}){grouping}", self.0.pick(&AGGREGATIONS)), [self.vector(d)]),
            _ => vector(&format!("{}{grouping}({{}})", self.0.pick(&AGGREGATIONS)), [self.vector(d)]),
        }
    }

    fn binary(&mut self, d: u64) -> Tree {
        let op = match self.0.below(10) {
            0..5 => self.0.pick(&ARITHMETIC).to_owned(),
            5..7 => self.0.pick(&COMPARISONS).to_owned(),
            7 => format!("{} bool", self.0.pick(&COMPARISONS)),
            _ => {
                let op = self.0.pick(&["and", "or", "unless"]);
                return vector(&format!("({{}}) {op} {}({{}})", self.0.pick(&MATCHINGS)), [self.vector(d), self.vector(d)]);
            }
        };
        match self.0.below(10) {
            0..3 => vector(&format!("({{}}) {op} {{}}"), [self.vector(d), self.scalar(d)]),
            3 => vector(&format!("{{}} {op} ({{}})"), [self.scalar(d), self.vector(d)]),
            // Without parentheses precedence decides.
            4 => vector(&format!("{{}} {op} {{}}"), [self.vector(d), self.vector(d)]),
            5 => {
                let side = self.vector(d);
                vector(&format!("({{}}) {op} ({{}})"), [side.clone(), side])
            }
            6 => {
                let grouping = self.0.pick(&["by (job, instance)", "by (job)", "by (instance)"]);
                let sides = [self.vector(d), self.vector(d)];
                let ops = [self.0.pick(&AGGREGATIONS), self.0.pick(&AGGREGATIONS)];
                vector(&format!("{} {grouping} ({{}}) {op} {} {grouping} ({{}})", ops[0], ops[1]), sides)
            }
            7 => {
                let info = Tree::leaf(Kind::Vector, self.0.pick(&["build_info", "size_bytes", "up"]));
                let matching = self.0.pick(&GROUPED[..2]);
                vector(&format!("({{}}) {op} {matching}{{}}"), [self.vector(d), info])
            }
            8 => vector(&format!("({{}}) {op} {}({{}})", self.0.pick(&GROUPED)), [self.vector(d), self.vector(d)]),
            _ => vector(&format!("({{}}) {op} {}({{}})", self.0.pick(&MATCHINGS)), [self.vector(d), self.vector(d)]),
        }
    }
}
