/** A chart view made ready to draw: names, colours, formats and joined columns. No canvas here. */
import { t } from "../text";
import type { Theme } from "../theme";
import { drawable, fieldOf, type Joined, join, numbersOf, treatNulls } from "./columns";
import { colorFor } from "./format";
import { colorOf, paletteLength, seriesDash } from "./palette";
import { reduce } from "./reduce";
import { type Band, stack } from "./stacking";
import { type Axis, type Chart, type Field, type FieldConfig, type Frame, plainConfig, type Series } from "./view";

export interface DrawnSeries {
  spec: Series;
  name: string;
  color: string;
  dash: number[];
  config: FieldConfig;
  /** All values as they came, for calculations: not stacked, not negated. */
  values: number[];
  labels: Record<string, string>;
  inLegend: boolean;
  inTooltip: boolean;
}

export interface Drawable {
  series: DrawnSeries[];
  axes: { spec: Axis; config: FieldConfig }[];
  xKind: "times" | "numbers" | "strings";
  xConfig: FieldConfig;
  /** The text of each x if they are strings. */
  categories: string[];
  x: number[];
  /** One column for each series, as drawn. */
  y: Joined[];
  /** The same before stacking, for the tooltip. */
  own: Joined[];
  bands: Band[];
}

const plainAxis: Axis = {
  label: "",
  side: "auto",
  config: 0,
  soft_min: null,
  soft_max: null,
  scale: { kind: "linear" },
  centered: false,
  grid: "auto",
  thresholds: "none",
};

/** What to call a series. */
export function nameOf(field: Field, frame: Frame | undefined): string {
  if (field.display_name !== "") return field.display_name;
  if (frame !== undefined && frame.name !== "") return frame.name;
  const labels = Object.entries(field.labels).map(([name, value]) => `${name}="${value}"`);
  return labels.length > 0 ? `{${labels.join(", ")}}` : field.name;
}

/** Makes the view ready. `hidden` are positions of series that the reader has switched off. */
export function ready(
  chart: Chart,
  frames: readonly Frame[],
  configs: readonly FieldConfig[],
  theme: Theme,
  hidden: ReadonlySet<number>,
): Drawable {
  const series = chart.series.map((spec, i) => drawnSeries(spec, i, frames, configs, theme));
  const firstX = chart.series[0] === undefined ? undefined : fieldOf(frames, chart.series[0].x);
  const xKind = firstX?.values.kind ?? "times";
  const categories: string[] = [];
  const places = new Map<string, number>();
  const columns = chart.series.map((spec) => {
    const xField = fieldOf(frames, spec.x);
    if (xField.values.kind !== xKind) throw new RangeError(t("mistake.x"));
    const x =
      xField.values.kind === "strings"
        ? xField.values.value.map((text) => {
            const known = places.get(text);
            if (known !== undefined) return known;
            places.set(text, categories.push(text) - 1);
            return categories.length - 1;
          })
        : numbersOf(xField);
    const sign = spec.negate ? -1 : 1;
    const y = numbersOf(fieldOf(frames, spec.y)).map((value) => drawable(value * sign));
    if (x.length !== y.length) throw new RangeError(t("mistake.lengths"));
    return treatNulls({ x, y }, spec.nulls);
  });
  const joined = join(columns);
  const away = (i: number): boolean => hidden.has(i) || (chart.series[i]?.hidden_from.includes("plot") ?? false);
  const stacked = stack(chart.series, joined.y, away);
  const bands = [...stacked.bands];
  chart.series.forEach((spec, upper) => {
    const lower = spec.fill_below_to;
    if (lower !== null && lower !== upper && chart.series[lower] !== undefined && !away(upper) && !away(lower))
      bands.push({ upper, lower });
  });
  const axes = (chart.axes.length > 0 ? chart.axes : [plainAxis]).map((spec) => ({ spec, config: configs[spec.config] ?? plainConfig }));
  return {
    series,
    axes,
    xKind,
    xConfig: configs[chart.x_axis.config] ?? plainConfig,
    categories,
    x: joined.x,
    y: stacked.y,
    own: joined.y,
    bands,
  };
}

function drawnSeries(spec: Series, i: number, frames: readonly Frame[], configs: readonly FieldConfig[], theme: Theme): DrawnSeries {
  const field = fieldOf(frames, spec.y);
  const config = configs[field.config] ?? plainConfig;
  const values = numbersOf(field);
  const ends: [number, number] = [reduce(values, "min") ?? 0, reduce(values, "max") ?? 100];
  const color = colorOf(spec.color, theme) ?? colorFor(reduce(values, "lastNotNull") ?? NaN, config, i, theme, ends);
  return {
    spec,
    name: nameOf(field, frames[spec.y.frame]),
    color,
    dash: spec.dash.length > 0 || i < paletteLength ? spec.dash : seriesDash(i),
    config,
    values,
    labels: field.labels,
    inLegend: !spec.hidden_from.includes("legend"),
    inTooltip: !spec.hidden_from.includes("tooltip"),
  };
}

/**
 * The ends of a y axis: what the configuration fixes, else the data with a tenth of room, wide enough for the soft limits.
 * Zero stays an end where all data is on one side of it and the marks stand on it.
 */
export function yEnds(low: number | null, high: number | null, axis: Axis, config: FieldConfig, onZero: boolean): [number, number] {
  let from = low ?? NaN;
  let to = high ?? NaN;
  const empty = !Number.isFinite(from) || !Number.isFinite(to);
  if (empty) [from, to] = [0, 1];
  if (axis.scale.kind === "log") return logEnds(from, to, axis.scale.value, config);
  if (onZero) [from, to] = [Math.min(from, 0), Math.max(to, 0)];
  if (!empty) {
    const spread = to - from || Math.abs(to) || 1;
    const roomy: [number, number] = [from - spread / 10, to + spread / 10];
    // Room must not suggest values on the other side of zero.
    from = from >= 0 ? Math.max(0, roomy[0]) : roomy[0];
    to = to <= 0 ? Math.min(0, roomy[1]) : roomy[1];
    if (onZero && low !== null && low >= 0) from = 0;
    if (onZero && high !== null && high <= 0) to = 0;
  }
  if (axis.soft_min !== null) from = Math.min(low ?? axis.soft_min, axis.soft_min);
  if (axis.soft_max !== null) to = Math.max(high ?? axis.soft_max, axis.soft_max);
  if (axis.centered) {
    const far = Math.max(Math.abs(from), Math.abs(to));
    [from, to] = [-far, far];
  }
  from = config.min ?? from;
  to = config.max ?? to;
  return to > from ? [from, to] : [from, from + 1];
}

/** Whole powers of the base around what is positive. */
function logEnds(low: number, high: number, base: number, config: FieldConfig): [number, number] {
  const log = (value: number): number => Math.log(value) / Math.log(base);
  const most = high > 0 ? high : 1;
  const least = low > 0 ? low : most / base ** 3;
  const from = config.min !== null && config.min > 0 ? config.min : base ** Math.floor(log(least) + 1e-9);
  const to = config.max !== null && config.max > 0 ? config.max : base ** Math.ceil(log(most) - 1e-9);
  return to > from ? [from, to] : [from, from * base];
}
