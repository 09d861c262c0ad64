//! Functions of one number.

/// The function of this name that maps each value by itself.
pub(crate) fn simple(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        // Not `to_degrees`: upstream multiplies first.
        "deg" => |v| v * 180.0 / std::f64::consts::PI,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => |v| v * std::f64::consts::PI / 180.0,
        "sgn" => |v| {
            if v < 0.0 {
                -1.0
            } else if v > 0.0 {
                1.0
            } else {
                v
            }
        },
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

/// To the nearest multiple, halves up.
pub(crate) fn round(value: f64, nearest: f64) -> f64 {
    // The inverse is exact for the usual 0.1 and the like, where the division is not.
    let inverse = 1.0 / nearest;
    (value * inverse + 0.5).floor() / inverse
}

/// `value` no less than `min` and no more than `max`, which are in order. NaN anywhere gives NaN.
pub(crate) fn clamp(value: f64, min: f64, max: f64) -> f64 {
    if value.is_nan() || min.is_nan() || max.is_nan() { f64::NAN } else { value.min(max).max(min) }
}
