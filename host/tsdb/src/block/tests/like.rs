//! Columns that are told by others, which come back whoever is read first.

use proptest::prelude::*;

use super::*;

/// A counter with a reset, and what shares of it count, as buckets do; with noise, at several scales, with gaps.
fn any_family() -> impl Strategy<Value = Vec<Vec<u64>>> {
    let share = (0.0..3.0_f64, 0..4_i64, 0..3_i32, prop::sample::select(vec![0_u64, 0, 0, 7, 90]));
    (prop::collection::vec((0..5_000_000_i64, 0..50_u8), 8..120), prop::collection::vec(share, 1..30)).prop_map(|(steps, shares)| {
        let mut total = 123_456_i64;
        let base: Vec<i64> = steps
            .iter()
            .map(|(step, dice)| {
                total = if *dice == 0 { 0 } else { total + step };
                total
            })
            .collect();
        let value = |(share, noise, places, gaps): &(f64, i64, i32, u64), (row, total): (usize, &i64)| {
            let noise = if *noise == 0 { 0.0 } else { ((row as i64 * 7 + total) % noise) as f64 };
            let whole = (*total as f64 * share * 10_f64.powi(*places)).floor() + noise;
            if *gaps > 0 && (row as u64).is_multiple_of(*gaps) { ABSENT_BITS } else { (whole / 10_f64.powi(*places)).to_bits() }
        };
        shares.iter().map(|share| base.iter().enumerate().map(|row| value(share, row)).collect()).collect()
    })
}

fn check(columns: &[Vec<u64>]) -> Result<(), TestCaseError> {
    let (disk, _) = disk();
    let mut writer = writer(&disk, 1);
    let times: Vec<i64> = (0..columns[0].len() as i64).collect();
    writer.begin_group("g", &times).expect("a group");
    for (at, bits) in columns.iter().enumerate() {
        writer.column(&Column::floats(&set(&[("le", &at.to_string())]), bits)).expect("a column");
    }
    writer.end_group().expect("the end of a group");
    writer.finish().expect("a block");
    let block = Block::open(&*disk, &path(1)).expect("opens");
    for (id, bits) in columns.iter().enumerate().rev() {
        prop_assert_eq!(&block.read(0, &[id as u32], ALL).expect("samples").columns[0].bits, bits);
    }
    let ids: Vec<u32> = (0..block.columns()).collect();
    let together = block.read(0, &ids, ALL).expect("samples");
    prop_assert!(together.columns.iter().map(|column| &column.bits).eq(columns));
    Ok(())
}

proptest! {
    #[test]
    fn columns_that_grow_alike_come_back(columns in any_family()) {
        check(&columns)?;
    }
}

#[test]
fn buckets_of_one_histogram_cost_little() {
    let mut total = 0_u32;
    let totals: Vec<u32> = (0..480_u32)
        .map(|row| {
            total += row.wrapping_mul(2_654_435_761) >> 22;
            total
        })
        .collect();
    let bytes = |shares: &[f64]| {
        let (disk, _) = disk();
        let mut writer = writer(&disk, 1);
        writer.begin_group("g", &(0..480).collect::<Vec<i64>>()).expect("a group");
        for (at, share) in shares.iter().enumerate() {
            let bits: Vec<u64> = totals.iter().map(|total| (f64::from(*total) * share).floor().to_bits()).collect();
            writer.column(&Column::floats(&set(&[("le", &at.to_string())]), &bits)).expect("a column");
        }
        writer.end_group().expect("the end of a group");
        writer.finish().expect("a block").data_bytes
    };
    let (one, five) = (bytes(&[1.0]), bytes(&[1.0, 0.9, 0.8, 0.7, 0.6]));
    assert!(one > 560 && five < one * 2, "{one} bytes for one column, {five} for five");
}
