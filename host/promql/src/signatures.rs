//! Names and types of all functions of the language, whether they are there yet or not.

use crate::ast::ValueType::{self, Matrix, Scalar, String, Vector};

/// What a function takes and gives.
#[derive(Debug, PartialEq, Eq)]
pub struct Signature {
    /// As it is written.
    pub name: &'static str,
    /// Types of its arguments; further ones have the type of the last.
    pub args: &'static [ValueType],
    /// Whether the last argument may be missing or repeated.
    pub more: More,
    /// What it yields.
    pub returns: ValueType,
    /// Whether upstream wants a feature flag for it.
    pub experimental: bool,
}

/// How often the last argument may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Once.
    No,
    /// Not at all, or up to so many times.
    UpTo(usize),
    /// Any number of times, also none.
    Any,
}

/// The function of this name. Names of functions, unlike keywords, are told apart by case.
pub(crate) fn find(name: &str) -> Option<&'static Signature> {
    FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().map(|at| &FUNCTIONS[at])
}

/// All functions, by name.
pub fn functions() -> impl Iterator<Item = &'static Signature> {
    FUNCTIONS.iter()
}

const fn plain(name: &'static str, args: &'static [ValueType], returns: ValueType) -> Signature {
    Signature { name, args, more: More::No, returns, experimental: false }
}

const fn experimental(name: &'static str, args: &'static [ValueType], returns: ValueType) -> Signature {
    Signature { name, args, more: More::No, returns, experimental: true }
}

/// Sorted by name.
static FUNCTIONS: [Signature; 90] = [
    plain("abs", &[Vector], Vector),
    plain("absent", &[Vector], Vector),
    plain("absent_over_time", &[Matrix], Vector),
    plain("acos", &[Vector], Vector),
    plain("acosh", &[Vector], Vector),
    plain("asin", &[Vector], Vector),
    plain("asinh", &[Vector], Vector),
    plain("atan", &[Vector], Vector),
    plain("atanh", &[Vector], Vector),
    plain("avg_over_time", &[Matrix], Vector),
    plain("ceil", &[Vector], Vector),
    plain("changes", &[Matrix], Vector),
    plain("clamp", &[Vector, Scalar, Scalar], Vector),
    plain("clamp_max", &[Vector, Scalar], Vector),
    plain("clamp_min", &[Vector, Scalar], Vector),
    plain("cos", &[Vector], Vector),
    plain("cosh", &[Vector], Vector),
    plain("count_over_time", &[Matrix], Vector),
    Signature { name: "day_of_month", args: &[Vector], more: More::UpTo(1), returns: Vector, experimental: false },
    Signature { name: "day_of_week", args: &[Vector], more: More::UpTo(1), returns: Vector, experimental: false },
    Signature { name: "day_of_year", args: &[Vector], more: More::UpTo(1), returns: Vector, experimental: false },
    Signature { name: "days_in_month", args: &[Vector], more: More::UpTo(1), returns: Vector, experimental: false },
    plain("deg", &[Vector], Vector),
    plain("delta", &[Matrix], Vector),
    plain("deriv", &[Matrix], Vector),
    experimental("double_exponential_smoothing", &[Matrix, Scalar, Scalar], Vector),
    experimental("end", &[], Scalar),
    plain("exp", &[Vector], Vector),
    plain("first_over_time", &[Matrix], Vector),
    plain("floor", &[Vector], Vector),
    plain("histogram_avg", &[Vector], Vector),
    plain("histogram_count", &[Vector], Vector),
    plain("histogram_fraction", &[Scalar, Scalar, Vector], Vector),
    plain("histogram_quantile", &[Scalar, Vector], Vector),
    Signature {
        name: "histogram_quantiles",
        args: &[Vector, String, Scalar, Scalar],
        more: More::UpTo(9),
        returns: Vector,
        experimental: true,
    },
    plain("histogram_stddev", &[Vector], Vector),
    plain("histogram_stdvar", &[Vector], Vector),
    plain("histogram_sum", &[Vector], Vector),
    Signature { name: "hour", args: &[Vector], more: More::UpTo(1), returns: Vector, experimental: false },
    plain("idelta", &[Matrix], Vector),
    plain("increase", &[Matrix], Vector),
    Signature { name: "info", args: &[Vector, Vector], more: More::UpTo(1), returns: Vector, experimental: true },
    plain("irate", &[Matrix], Vector),
    Signature { name: "label_join", args: &[Vector, String, String, String], more: More::Any, returns: Vector, experimental: false },
    plain("label_replace", &[Vector, String, String, String, String], Vector),
    plain("last_over_time", &[Matrix], Vector),
    plain("ln", &[Vector], Vector),
    plain("log10", &[Vector], Vector),
    plain("log2", &[Vector], Vector),
    experimental("mad_over_time", &[Matrix], Vector),
    experimental("max_of", &[Scalar, Scalar], Scalar),
    plain("max_over_time", &[Matrix], Vector),
    experimental("min_of", &[Scalar, Scalar], Scalar),
    plain("min_over_time", &[Matrix], Vector),
    Signature { name: "minute", args: &[Vector], more: More::UpTo(1), returns: Vector, experimental: false },
    Signature { name: "month", args: &[Vector], more: More::UpTo(1), returns: Vector, experimental: false },
    plain("pi", &[], Scalar),
    plain("predict_linear", &[Matrix, Scalar], Vector),
    plain("present_over_time", &[Matrix], Vector),
    plain("quantile_over_time", &[Scalar, Matrix], Vector),
    plain("rad", &[Vector], Vector),
    experimental("range", &[], Scalar),
    plain("rate", &[Matrix], Vector),
    plain("resets", &[Matrix], Vector),
    Signature { name: "round", args: &[Vector, Scalar], more: More::UpTo(1), returns: Vector, experimental: false },
    plain("scalar", &[Vector], Scalar),
    plain("sgn", &[Vector], Vector),
    plain("sin", &[Vector], Vector),
    plain("sinh", &[Vector], Vector),
    plain("sort", &[Vector], Vector),
    Signature { name: "sort_by_label", args: &[Vector, String], more: More::Any, returns: Vector, experimental: true },
    Signature { name: "sort_by_label_desc", args: &[Vector, String], more: More::Any, returns: Vector, experimental: true },
    plain("sort_desc", &[Vector], Vector),
    plain("sqrt", &[Vector], Vector),
    experimental("start", &[], Scalar),
    experimental("start_timestamp", &[Vector], Vector),
    plain("stddev_over_time", &[Matrix], Vector),
    plain("stdvar_over_time", &[Matrix], Vector),
    experimental("step", &[], Scalar),
    plain("sum_over_time", &[Matrix], Vector),
    plain("tan", &[Vector], Vector),
    plain("tanh", &[Vector], Vector),
    plain("time", &[], Scalar),
    plain("timestamp", &[Vector], Vector),
    experimental("ts_of_first_over_time", &[Matrix], Vector),
    experimental("ts_of_last_over_time", &[Matrix], Vector),
    experimental("ts_of_max_over_time", &[Matrix], Vector),
    experimental("ts_of_min_over_time", &[Matrix], Vector),
    plain("vector", &[Scalar], Vector),
    Signature { name: "year", args: &[Vector], more: More::UpTo(1), returns: Vector, experimental: false },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(find("rate").is_some() && find("Rate").is_none());
    }
}
