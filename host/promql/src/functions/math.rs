//! Functions of one number.

/// Beyond this the smaller of the two exponentials is below the last place of the other. Upstream's (Go's) hyperbolic functions leave it
/// out there, and so become infinite somewhat earlier than they must.
const FAR: f64 = 21.0;

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
        "cosh" => |v| if v.abs() > FAR { v.abs().exp() * 0.5 } else { v.cosh() },
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
        "sinh" => |v| if v.abs() > FAR { (v.abs().exp() * 0.5).copysign(v) } else { v.sinh() },
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

/// `value` no less than `min` and no more than `max`, which are in order.
pub(crate) fn clamp(value: f64, min: f64, max: f64) -> f64 {
    larger(min, smaller(max, value))
}

/// The larger one as Go has it: infinity beats NaN, NaN beats numbers.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The smaller one, likewise.
pub(crate) fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(clamp(5.0, 0.0, 2.0), 2.0);
        assert_eq!(clamp(-5.0, 0.0, 2.0), 0.0);
        assert!(clamp(f64::NAN, 0.0, 2.0).is_nan());
        assert_eq!(larger(f64::INFINITY, f64::NAN), f64::INFINITY);
        assert_eq!(smaller(f64::NAN, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(smaller(f64::NAN, 1.0).is_nan());
        assert_eq!(round(2.5, 1.0), 3.0);
        assert_eq!(round(-2.5, 1.0), -2.0);
        assert_eq!(round(0.27, 0.1), 0.3);
    }
}
