//! Whole calls.

use plugin_table::{SCHEMA, Table};
use skopos_sdk::panel::{
    self, BarStyle, Cell, CellAlign, ColorMode, Field, FieldConfig, Frame, Guest, Order, Request, TableColumn, Theme, Values, View,
};
use skopos_sdk::types::Error;

fn config(custom: &str) -> FieldConfig {
    FieldConfig {
        unit: String::new(),
        decimals: None,
        min: None,
        max: None,
        color: ColorMode::Palette,
        thresholds: vec![],
        mappings: vec![],
        no_value: String::new(),
        links: vec![],
        custom: custom.to_owned(),
    }
}

fn field(name: &str, config: u32, values: Values) -> Field {
    Field { name: name.to_owned(), labels: vec![], display_name: format!("the {name}"), config, values }
}

fn texts(texts: &[&str]) -> Values {
    Values::Strings(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn render(options: &str, frames: Vec<Vec<Field>>, customs: &[&str]) -> Result<View, Error> {
    let frames = frames.into_iter().map(|fields| Frame { query: "A".to_owned(), name: String::new(), fields }).collect();
    let request = Request {
        options: options.to_owned(),
        width: 400,
        height: 200,
        theme: Theme::Light,
        from: 0,
        to: 10,
        time_zone: "UTC".to_owned(),
        frames,
        configs: customs.iter().map(|custom| config(custom)).collect(),
    };
    Table::render(request).map(|rendering| {
        assert!(rendering.frames.is_empty());
        rendering.view
    })
}

fn table(options: &str, frames: Vec<Vec<Field>>, customs: &[&str]) -> panel::Table {
    match render(options, frames, customs) {
        Ok(View::Table(table)) => table,
        other => panic!("{options}: {other:?}"),
    }
}

/// Time, name, value; `customs` are theirs.
fn three() -> Vec<Field> {
    vec![
        field("Time", 0, Values::Times(vec![1, 2])),
        field("instance", 1, texts(&["a", "b"])),
        field("Value", 2, Values::Numbers(vec![5.0, f64::NAN])),
    ]
}

fn columns(table: &panel::Table) -> Vec<u32> {
    table.columns.iter().map(|column| column.field).collect()
}

#[test]
fn every_column_in_its_order_as_it_is() {
    let table = table("", vec![three()], &["{}", "", "{}"]);
    assert_eq!((table.frame, table.rows.clone(), table.header, table.sort, table.page_size), (0, None, true, None, None));
    assert_eq!(columns(&table), [0, 1, 2]);
    for column in &table.columns {
        assert!(matches!(
            column,
            TableColumn { cell: Cell::Auto, align: CellAlign::Auto, width: None, wrap: false, filter: false, footer, title, .. }
                if footer.is_empty() && title.is_empty()
        ));
    }
}

#[test]
fn columns_are_left_out_in_each_way_of_saying_it() {
    for (custom, shown) in [
        (r#"{"hidden": true}"#, false),
        (r#"{"hidden": "true"}"#, false),
        (r#"{"hideFrom": {"viz": true}}"#, false),
        (r#"{"hidden": false, "hideFrom": {"viz": false, "legend": true}}"#, true),
        ("not JSON", true),
    ] {
        let table = table("{}", vec![three()], &[custom, "{}", "{}"]);
        assert_eq!(columns(&table), if shown { vec![0, 1, 2] } else { vec![1, 2] }, "{custom}");
    }
}

#[test]
fn cells_in_their_present_and_earlier_forms() {
    let numbers = [
        (r#"{"cellOptions": {"type": "color-text"}}"#, Cell::ColoredText),
        (r#"{"cellOptions": {"type": "color-background", "mode": "gradient"}}"#, Cell::ColoredBackground),
        (r#"{"displayMode": "color-background-solid"}"#, Cell::ColoredBackground),
        (r#"{"cellOptions": {"type": "gauge"}}"#, Cell::Gauge(BarStyle::Gradient)),
        (r#"{"cellOptions": {"type": "gauge", "mode": "lcd"}}"#, Cell::Gauge(BarStyle::Segments)),
        (r#"{"displayMode": "basic"}"#, Cell::Gauge(BarStyle::Plain)),
        (r#"{"cellOptions": {"type": "json-view"}}"#, Cell::Json),
        (r#"{"cellOptions": {"type": "of tomorrow"}, "displayMode": "basic"}"#, Cell::Auto),
        (r#"{"cellOptions": 7, "align": 7, "width": "wide"}"#, Cell::Auto),
    ];
    for (custom, expected) in numbers {
        let shown = table("", vec![three()], &["{}", "{}", custom]).columns.remove(2);
        assert_eq!(format!("{:?}", shown.cell), format!("{expected:?}"), "{custom}");
    }
    // A bar of a text has no length.
    let shown = table("", vec![three()], &["{}", r#"{"cellOptions": {"type": "gauge"}}"#, "{}"]).columns.remove(1);
    assert!(matches!(shown.cell, Cell::Auto));
}

#[test]
fn a_column_has_its_place_width_and_filter() {
    let custom = r#"{"align": "center", "width": 88, "filterable": true, "cellOptions": {"type": "auto", "wrapText": true}}"#;
    let shown = table("", vec![three()], &["{}", custom, "{}"]).columns.remove(1);
    assert!(matches!(shown, TableColumn { align: CellAlign::Center, width: Some(88), wrap: true, filter: true, .. }));
    for (width, expected) in [("-5", None), ("0", None), ("1", Some(20)), ("1e300", Some(4000)), ("null", None)] {
        let custom = format!(r#"{{"width": {width}}}"#);
        assert_eq!(table("", vec![three()], &["{}", &custom, "{}"]).columns.remove(1).width, expected, "{width}");
    }
}

#[test]
fn sorted_at_first_by_a_name_that_is_shown() {
    let sorted = |options: &str, customs: &[&str]| table(options, vec![three()], customs).sort;
    let plain = ["{}", "{}", "{}"];
    let by = |name: &str, desc: bool| format!(r#"{{"sortBy": [{{"displayName": "{name}", "desc": {desc}}}]}}"#);
    assert_eq!(sorted(&by("the Value", true), &plain), Some((2, Order::Descending)));
    assert_eq!(sorted(&by("Value", false), &plain), Some((2, Order::Ascending)));
    assert_eq!(sorted(&by("nobody", false), &plain), None);
    assert_eq!(sorted(r#"{"sortBy": [{"desc": true}, 3, {"displayName": "instance"}]}"#, &plain), Some((1, Order::Ascending)));
    // Which of the columns, not which of the fields.
    assert_eq!(sorted(&by("the Value", true), &[r#"{"hidden": true}"#, "{}", "{}"]), Some((1, Order::Descending)));
    assert_eq!(sorted(&by("the Value", true), &["{}", "{}", r#"{"hidden": true}"#]), None);
}

#[test]
fn a_footer_stands_below_numbers() {
    let footers = |options: &str, customs: &[&str]| -> Vec<String> {
        table(options, vec![three()], customs).columns.into_iter().map(|column| column.footer).collect()
    };
    let plain = ["{}", "{}", "{}"];
    assert_eq!(footers(r#"{"footer": {"show": false, "reducer": ["sum"]}}"#, &plain), ["", "", ""]);
    assert_eq!(footers(r#"{"footer": {"show": true, "reducer": ["sum"], "fields": ""}}"#, &plain), ["", "", "sum"]);
    assert_eq!(footers(r#"{"footer": {"show": true, "reducer": ["max"], "fields": ["other"]}}"#, &plain), ["", "", ""]);
    assert_eq!(footers(r#"{"footer": {"show": true, "reducer": ["max"], "fields": ["the Value"]}}"#, &plain), ["", "", "max"]);
    assert_eq!(footers(r#"{"footer": {"show": true, "reducer": ["count"], "countRows": true}}"#, &plain), ["count", "", ""]);
    assert_eq!(footers("{}", &["{}", "{}", r#"{"footer": {"reducers": ["mean"]}}"#]), ["", "", "mean"]);
    let refused = render(r#"{"footer": {"show": true, "reducer": ["most"]}}"#, vec![three()], &plain);
    assert!(matches!(&refused, Err(Error::Config(text)) if text.contains("most")), "{refused:?}");
}

#[test]
fn the_frame_is_the_named_one_or_the_first_with_rows() {
    let empty = || vec![field("Value", 0, Values::Numbers(vec![]))];
    let frames = || vec![empty(), three(), three()];
    let customs = ["{}", "{}", "{}"];
    for (options, expected) in [("{}", 1), (r#"{"frameIndex": 2}"#, 2), (r#"{"frameIndex": 0}"#, 1), (r#"{"frameIndex": 9}"#, 1)] {
        assert_eq!(table(options, frames(), &customs).frame, expected, "{options}");
    }
    assert!(matches!(render("{}", vec![empty()], &customs), Ok(View::Empty(text)) if text.is_empty()));
    assert!(matches!(render("{}", vec![], &customs), Ok(View::Empty(_))));
    let hidden = r#"{"hidden": true}"#;
    assert!(matches!(render("{}", vec![three()], &[hidden, hidden, hidden]), Ok(View::Empty(_))));
}

#[test]
fn the_header_can_be_left_out() {
    assert!(!table(r#"{"showHeader": false}"#, vec![three()], &["{}", "{}", "{}"]).header);
}

#[test]
fn nonsense_is_refused_or_bounded() {
    assert!(matches!(render("[]", vec![three()], &["{}", "{}", "{}"]), Err(Error::Config(_))));
    assert!(matches!(render("{}", vec![three()], &["{}"]), Err(Error::Internal(_))));
    let wide = (0..5000).map(|n| field(&n.to_string(), 0, Values::Numbers(vec![1.0]))).collect();
    assert_eq!(table("{}", vec![wide], &["{}"]).columns.len(), 300);
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("it is JSON");
    assert!(schema["properties"]["sortBy"]["description"].is_string());
}
