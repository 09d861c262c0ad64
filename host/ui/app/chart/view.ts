/**
 * The data contract: what the server answers for a panel. Mirrors `wit/0.1/deps/plugin-unstable/panel.wit`, whose comments
 * say what each field means; `host/model/src/view.rs` says how it becomes JSON.
 */

/** A variant of the contract. */
type Of<Kind extends string, Value = undefined> = Value extends undefined ? { kind: Kind } : { kind: Kind; value: Value };
/** NaN is `null`. */
export type JsonNumber = number | null | "+Inf" | "-Inf";

/** What is missing; `text` says it in English. */
export interface Hint {
  kind: string;
  metric?: string;
  label?: string;
  text: string;
}

export interface PanelAnswer {
  view: View;
  frames: Frame[];
  configs: FieldConfig[];
  warnings: string[];
  /** Why there is nothing to draw, for a sentence in the language of the page. */
  hints?: Hint[];
  /** The queries as they were put, variables filled in. */
  queries?: string[];
}

export type Values = Of<"times", number[]> | Of<"numbers", JsonNumber[]> | Of<"strings", string[]>;

export interface Frame {
  query: string;
  name: string;
  fields: Field[];
}

export interface Field {
  name: string;
  labels: Record<string, string>;
  display_name: string;
  config: number;
  values: Values;
}

export interface FieldConfig {
  unit: string;
  decimals: number | null;
  min: number | null;
  max: number | null;
  color: ColorMode;
  thresholds: Threshold[];
  mappings: Mapping[];
  no_value: string;
  links: DataLink[];
  custom: unknown;
}

/** A field of which nobody said anything. */
export const plainConfig: FieldConfig = {
  unit: "",
  decimals: null,
  min: null,
  max: null,
  color: { kind: "palette" },
  thresholds: [],
  mappings: [],
  no_value: "",
  links: [],
  custom: {},
};

export type ColorMode = Of<"palette"> | Of<"fixed", string> | Of<"thresholds"> | Of<"scale", string>;
export interface Threshold {
  value: JsonNumber;
  color: string;
}
export interface Mapping {
  matches: Match;
  text: string;
  color: string;
}
export type Match = Of<"text", string> | Of<"range", [JsonNumber, JsonNumber]> | Of<"pattern", string> | Of<"missing"> | Of<"empty">;
export interface DataLink {
  title: string;
  url: string;
  new_tab: boolean;
}

export type View =
  | Of<"chart", Chart>
  | Of<"stats", Stats>
  | Of<"gauges", Gauges>
  | Of<"bar-gauges", BarGauges>
  | Of<"table", Table>
  | Of<"heatmap", object>
  | Of<"pie", object>
  | Of<"state-timeline", object>
  | Of<"text", TextView>
  | Of<"logs", object>
  | Of<"svg", string>
  | Of<"empty", string>;

export interface Column {
  frame: number;
  field: number;
}

export interface Chart {
  series: Series[];
  x_axis: Axis;
  axes: Axis[];
  regions: Region[];
  legend: Legend;
  tooltip: Tooltip;
}

export type Visibility = "auto" | "always" | "never";
export type Interpolation = "linear" | "smooth" | "step-before" | "step-after";

export interface Bars {
  alignment: "before" | "center" | "after";
  width: number;
  labels: Visibility;
  horizontal: boolean;
}

export type Mark = Of<"line", Interpolation> | Of<"bars", Bars> | Of<"points">;
export type Nulls = Of<"gap"> | Of<"connect"> | Of<"connect-below", number> | Of<"break-above", number>;

export interface Series {
  x: Column;
  y: Column;
  color: string;
  mark: Mark;
  axis: number;
  line_width: number;
  dash: number[];
  fill_opacity: number;
  gradient: "none" | "opacity" | "hue" | "scale";
  fill_below_to: number | null;
  points: Visibility;
  point_size: number;
  nulls: Nulls;
  stack: { group: string; mode: "normal" | "percent" } | null;
  negate: boolean;
  hidden_from: ("plot" | "legend" | "tooltip")[];
}

export interface Axis {
  label: string;
  side: "auto" | "left" | "right" | "bottom" | "hidden";
  config: number;
  soft_min: number | null;
  soft_max: number | null;
  scale: Of<"linear"> | Of<"log", number> | Of<"symlog", [number, number]>;
  centered: boolean;
  grid: Visibility;
  thresholds: "none" | "lines" | "dashed" | "areas" | "lines-and-areas";
}

export interface Region {
  from: number;
  to: number;
  title: string;
  color: string;
}

export interface Legend {
  placement: "hidden" | "bottom" | "right";
  table: boolean;
  calculations: string[];
  sort_by: string;
  descending: boolean;
}

export type Order = "ascending" | "descending";
export interface Tooltip {
  mode: "hidden" | "one" | "all";
  sort: Order | null;
}

export interface Reading {
  source: Column;
  value: Of<"missing"> | Of<"number", JsonNumber> | Of<"time", number> | Of<"text", string>;
  title: string;
  spark: Column | null;
  change: number | null;
}

export type Orientation = "auto" | "horizontal" | "vertical";
export type ShownText = "auto" | "value" | "value-and-name" | "name" | "none";

export interface Stats {
  readings: Reading[];
  orientation: Orientation;
  show: ShownText;
  paint: "none" | "value" | "background" | "gradient";
  centered: boolean;
  title_size: number | null;
  value_size: number | null;
}

export interface Gauges {
  readings: Reading[];
  orientation: Orientation;
  threshold_markers: boolean;
  threshold_labels: boolean;
}

export type BarStyle = "plain" | "gradient" | "segments";
export interface BarGauges {
  readings: Reading[];
  orientation: Orientation;
  style: BarStyle;
  unfilled: boolean;
  show: ShownText;
}

export interface Table {
  frame: number;
  rows: number[] | null;
  columns: TableColumn[];
  header: boolean;
  sort: [number, Order] | null;
  page_size: number | null;
}

export interface TableColumn {
  field: number;
  title: string;
  cell:
    | Of<"auto">
    | Of<"colored-text">
    | Of<"colored-background">
    | Of<"gauge", BarStyle>
    | Of<"json">
    | Of<"sparklines", { x: Column; y: Column }[]>;
  align: "auto" | "left" | "center" | "right";
  width: number | null;
  wrap: boolean;
  filter: boolean;
  footer: string;
}

export interface TextView {
  content: string;
  format: Of<"markdown"> | Of<"html"> | Of<"code", string>;
}
