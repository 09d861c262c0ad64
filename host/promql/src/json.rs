//! Samples as JSON, in the forms of Go's encoder that clients of Prometheus know. `LabelSet::write_json` does labels.

use crate::value::Point;

/// Texts of the times of a series, for the next one: series of a range query mostly have the same.
#[derive(Default)]
pub struct TimeTexts {
    texts: Vec<TimeText>,
}

/// Time, text, and how much of that counts.
type TimeText = (i64, [u8; TIME_BYTES], usize);

/// A time with a bracket before and a comma and a quote behind; those that are longer are not kept.
const TIME_BYTES: usize = 24;
/// Further ones are not kept.
const TIMES_MAX: usize = 2048;

impl TimeTexts {
    /// Appends the sample at this place of its series, as `[1700000000.5,"1.25"]`.
    pub fn write_point(&mut self, at: usize, Point { time, value }: Point, out: &mut Vec<u8>) {
        match self.texts.get(at) {
            Some((held, text, len)) if *held == time => {
                // All of it, which is one copy of a known length.
                let from = out.len();
                out.extend_from_slice(text);
                out.truncate(from + len);
            }
            _ => self.write_new(at, time, out),
        }
        write_float(out, value);
        out.extend_from_slice(b"\"]");
    }

    fn write_new(&mut self, at: usize, time: i64, out: &mut Vec<u8>) {
        let from = out.len();
        begin_point(out, time);
        let mut text = [0; TIME_BYTES];
        let written = &out[from..];
        let (true, Some(room)) = (at < TIMES_MAX && at <= self.texts.len(), text.get_mut(..written.len())) else { return };
        room.copy_from_slice(written);
        let entry = (time, text, written.len());
        match self.texts.get_mut(at) {
            Some(held) => *held = entry,
            None => self.texts.push(entry),
        }
    }
}

/// Appends a sample as `[1700000000.5,"1.25"]`.
pub fn write_point(out: &mut Vec<u8>, Point { time, value }: Point) {
    begin_point(out, time);
    write_float(out, value);
    out.extend_from_slice(b"\"]");
}

fn begin_point(out: &mut Vec<u8>, time: i64) {
    out.push(b'[');
    write_seconds(out, time);
    out.extend_from_slice(b",\"");
}

/// Appends Unix seconds with milliseconds behind the point where there are any: `1700000000.123`.
pub fn write_seconds(out: &mut Vec<u8>, time: i64) {
    if time < 0 {
        out.push(b'-');
    }
    let ms = time.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(ms / 1000).as_bytes());
    if !ms.is_multiple_of(1000) {
        let digit = |n: u64| b'0' + u8::try_from(n % 10).unwrap_or(0);
        out.extend_from_slice(&[b'.', digit(ms / 100), digit(ms / 10), digit(ms)]);
    }
}

/// Appends the shortest text that reads back as the value: decimal, but with an exponent below 1e-6 and from 1e21 on, as upstream's
/// API writes samples.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    /// Integers up to here are exact.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    let size = value.abs();
    if size < WHOLE && value.trunc().to_bits() == value.to_bits() && value.to_bits() != (-0.0_f64).to_bits() {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        return out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    }
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return out.extend_from_slice(exponent(value).as_bytes());
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    if let Some((number, power)) = text.split_once('e') {
        // Upstream has no exponent here.
        write_decimal(out, number, power.parse().unwrap_or_default());
    } else {
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    }
}

/// `1.5` times ten to the power of `power`, without an exponent.
fn write_decimal(out: &mut Vec<u8>, number: &str, power: i32) {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let point = i64::try_from(whole.len()).unwrap_or(0) + i64::from(power);
    out.extend_from_slice(sign.as_bytes());
    match usize::try_from(point) {
        Ok(point) if point > 0 => {
            let (before, behind) = digits.split_at(point.min(digits.len()));
            out.extend_from_slice(before);
            out.extend(std::iter::repeat_n(b'0', point - before.len()));
            if !behind.is_empty() {
                out.push(b'.');
                out.extend_from_slice(behind);
            }
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', usize::try_from(-point).unwrap_or(0)));
            out.extend_from_slice(&digits);
        }
    }
}

/// Go's `e` form: the exponent has a sign and at least two digits.
pub fn exponent(value: f64) -> String {
    if !value.is_finite() {
        let mut out = Vec::new();
        write_float(&mut out, value);
        return String::from_utf8(out).unwrap_or_default();
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    let text = if shortest.contains('e') { shortest.to_owned() } else { format!("{value:e}") };
    let Some((digits, power)) = text.split_once('e') else { return text };
    let power = power.strip_prefix('+').unwrap_or(power);
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}e{sign}{power:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_texts_are_what_would_be_written() {
        let mut texts = TimeTexts::default();
        let all = [0, 5, -1, 1_700_000_000_123, i64::MIN, i64::MAX, 1_700_000_000_000];
        // Series with the same times, with others, and with other numbers of them.
        for (begin, len) in [(0, 7), (0, 7), (1, 6), (3, 2), (0, 0), (2, 5), (0, 7)] {
            for (at, time) in all[begin..][..len].iter().enumerate() {
                let (mut kept, mut new) = (b"x".to_vec(), b"x".to_vec());
                let point = Point { time: *time, value: 1.5 };
                texts.write_point(at, point, &mut kept);
                write_point(&mut new, point);
                assert_eq!(String::from_utf8(kept), String::from_utf8(new));
            }
        }
        for at in 0..3 * TIMES_MAX {
            texts.write_point(at, Point { time: at as i64, value: 0.0 }, &mut Vec::new());
        }
        assert_eq!(texts.texts.len(), TIMES_MAX);
    }
}
