//! What upstream keeps behind flags of its own, each by itself.

/// Parts of the language that are on only if asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Experimental functions and aggregations: `promql-experimental-functions`.
    pub functions: bool,
    /// `anchored` and `smoothed`: `promql-extended-range-selectors`.
    pub range_selectors: bool,
    /// `fill`, `fill_left`, `fill_right`: `promql-binop-fill-modifiers`.
    pub fill_modifiers: bool,
}

impl Features {
    /// All of them.
    pub const ALL: Self = Self { functions: true, range_selectors: true, fill_modifiers: true };

    /// Those among these names of `--enable-feature`; other names are none of the language.
    #[must_use]
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut features = Self::default();
        for name in names {
            match name {
                "promql-experimental-functions" => features.functions = true,
                "promql-extended-range-selectors" => features.range_selectors = true,
                "promql-binop-fill-modifiers" => features.fill_modifiers = true,
                _ => {}
            }
        }
        features
    }
}
