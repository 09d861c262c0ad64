//! Expressions as texts with holes, so that one that shows a difference can be made smaller.

use std::fmt;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Vector,
    Range,
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) kind: Kind,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Tree(Tree),
}

impl Tree {
    /// `{}` in the pattern stands for the parts, in order.
    pub(crate) fn new(kind: Kind, pattern: &str, holes: impl IntoIterator<Item = Tree>) -> Self {
        let mut parts = Vec::new();
        let mut holes = holes.into_iter();
        for (at, text) in pattern.split("{}").enumerate() {
            if at > 0 {
                parts.push(Part::Tree(holes.next().expect("a part for each hole")));
            }
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
        }
        Self { kind, parts }
    }

    pub(crate) fn leaf(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, parts: vec![Part::Text(text.into())] }
    }

    /// The text with each number that has a last place off by some of it, where that is no length of time.
    pub(crate) fn nudged(&self) -> String {
        let text = |text: &String| match text.parse::<f64>() {
            Ok(number) if self.kind == Kind::Scalar && number.is_finite() => format!("{:e}", number * (1.0 + 5e-16)),
            _ if text == "pi()" => format!("{:e}", std::f64::consts::PI.next_up()),
            _ => text.clone(),
        };
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(part) => text(part),
                Part::Tree(tree) => tree.nudged(),
            })
            .collect()
    }

    /// The text with its first mean as a sum divided by a count, which is the same but for its last place.
    pub(crate) fn with_another_mean(&self) -> String {
        self.mean_replaced(&mut false)
    }

    fn mean_replaced(&self, done: &mut bool) -> String {
        if let [Part::Text(before), Part::Tree(inside), Part::Text(after)] = self.parts.as_slice()
            && before.starts_with("avg")
            && !std::mem::replace(done, true)
        {
            let with = |name: &str| format!("{}{inside}{after}", before.replacen("avg", name, 1));
            return format!("({} / {})", with("sum"), with("count"));
        }
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Tree(tree) => tree.mean_replaced(done),
        });
        parts.collect()
    }

    /// The text with each mean off by a share of it: what a function that jumps, as `round`, hides from samples that are off.
    pub(crate) fn with_means_off(&self, by: f64) -> String {
        let text: String = self.parts.iter().map(|part| part.written(&|tree| tree.with_means_off(by))).collect();
        if text.starts_with("avg") && self.holes().count() == 1 { format!("({text} * {:?})", 1.0 + by) } else { text }
    }

    /// The trees in the holes, in order.
    pub(crate) fn holes(&self) -> impl Iterator<Item = &Self> {
        self.parts.iter().filter_map(|part| if let Part::Tree(tree) = part { Some(tree) } else { None })
    }

    /// This tree and all in it.
    pub(crate) fn all(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.holes().flat_map(Self::all)).collect()
    }

    /// Smaller trees of the same kind at this place or one below: what is inside in place of the whole, a plain one in place of a part.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut found: Vec<Self> = self.holes().filter(|tree| tree.kind == self.kind).cloned().collect();
        found.extend(self.holes().flat_map(Self::holes).filter(|tree| tree.kind == self.kind).cloned());
        for (at, part) in self.parts.iter().enumerate() {
            let Part::Tree(tree) = part else { continue };
            let plain = match tree.kind {
                Kind::Scalar => "1",
                Kind::Vector => "temperature",
                Kind::Range => "temperature[5m]",
            };
            let plain = (tree.parts.len() > 1).then(|| Self::leaf(tree.kind, plain));
            for smaller in plain.into_iter().chain(tree.smaller()) {
                let mut parts = self.parts.clone();
                parts[at] = Part::Tree(smaller);
                found.push(Self { kind: self.kind, parts });
            }
        }
        found
    }
}

impl Part {
    /// The text, or what is made of the tree.
    fn written(&self, tree: &dyn Fn(&Tree) -> String) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Tree(inner) => tree(inner),
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Tree(tree) => tree.fmt(f),
        })
    }
}
