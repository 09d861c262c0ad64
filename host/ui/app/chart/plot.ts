/** The options of uPlot for a chart: scales, axes, marks, thresholds, regions. */
import uPlot from "uplot";
import { type Style, when } from "../dates";
import type { Theme } from "../theme";
import { ticks } from "./format";
import { type Drawable, type DrawnSeries, yEnds } from "./model";
import { numberOf } from "./columns";
import { colorOf, faded, ink, turned } from "./palette";
import { type Surroundings, unitOf } from "./units";
import type { Axis, Chart, FieldConfig, Interpolation } from "./view";

const font = "12px system-ui, 'Noto Sans KR', 'Noto Sans CJK KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif";

export interface Sight {
  theme: Theme;
  at: Surroundings;
  /** The ends of a time axis, read at each drawing. */
  range: () => { from: number; to: number };
  onZoom: (from: number, to: number) => void;
  /** Charts of one group move their cursors together. */
  group: string;
}

const scaleOf = (axis: number): string => `y${axis}`;

/** In milliseconds: closer than that there is nothing to see between two scrapes. */
const shortestZoom = 1000;

/** Steps between ticks in powers of two, for bytes; in parts of hours, for lengths of time. */
const binarySteps = Array.from({ length: 80 }, (_, i) => 2 ** (i - 10));
const clockSteps = [
  ...[1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1].flatMap((n) => [n, 2 * n, 5 * n]),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800],
  ...Array.from({ length: 12 }, (_, i) => 2 ** i * 1209600),
];

function stepsOf(config: FieldConfig): number[] | undefined {
  const unit = unitOf(config.unit);
  if (unit.base === 2) return binarySteps;
  return config.unit === "s" || config.unit === "dtdurations" ? clockSteps : undefined;
}

/** How a time reads beside its neighbours, by the distance between ticks in milliseconds. */
export function timeTicks(splits: readonly number[], step: number, span: number, at: Surroundings): string[] {
  const style: Style =
    step < 1000
      ? "clockMillis"
      : step < 60_000
        ? "clock"
        : step < 86_400_000
          ? span > 86_400_000
            ? "dayMinutes"
            : "clockMinutes"
          : step < 28 * 86_400_000
            ? "day"
            : step < 360 * 86_400_000
              ? "month"
              : "year";
  return splits.map((split) => when(split, style, at));
}

function xAxis(chart: Chart, model: Drawable, sight: Sight): uPlot.Axis {
  const colors = ink[sight.theme];
  const spec = chart.x_axis;
  const axis: uPlot.Axis = {
    scale: "x",
    font,
    stroke: colors.axis,
    show: spec.side !== "hidden",
    size: 26,
    gap: 5,
    // A day with its time is the longest.
    space: model.xKind === "times" ? (_, __, from, to) => (to - from > 86_400_000 ? 120 : 90) : 60,
    grid: { show: model.xKind !== "strings" && spec.grid !== "never", stroke: colors.grid, width: 1 },
    ticks: { show: true, stroke: colors.grid, width: 1, size: 4 },
  };
  if (spec.label !== "") Object.assign(axis, { label: spec.label, labelSize: 18, labelFont: font, labelGap: 0 });
  if (model.xKind === "times")
    axis.values = (u, splits, _, __, step) => timeTicks(splits, step, (u.scales.x?.max ?? 0) - (u.scales.x?.min ?? 0), sight.at);
  else if (model.xKind === "strings") {
    axis.splits = (u) => everyNth(model.categories.length, Math.max(1, Math.floor(u.bbox.width / devicePixelRatio / 70)));
    axis.values = (_, splits) => splits.map((i) => model.categories[i] ?? "");
  } else axis.values = (_, splits) => ticks(splits, model.xConfig.unit, model.xConfig.decimals, sight.at);
  return axis;
}

function everyNth(length: number, most: number): number[] {
  const step = Math.max(1, Math.ceil(length / most));
  return Array.from({ length: Math.ceil(length / step) }, (_, i) => i * step);
}

function yAxis(spec: Axis, config: FieldConfig, i: number, sight: Sight, percent: boolean): uPlot.Axis {
  const colors = ink[sight.theme];
  const unit = percent ? "percentunit" : config.unit;
  const steps = percent ? undefined : stepsOf(config);
  const axis: uPlot.Axis = {
    scale: scaleOf(i),
    side: spec.side === "right" || (spec.side === "auto" && i > 0) ? 1 : 3,
    show: spec.side !== "hidden",
    font,
    stroke: colors.axis,
    gap: 6,
    space: 32,
    size: (u, values) => {
      u.ctx.save();
      u.ctx.font = font;
      const widest = (values ?? []).reduce((most, text) => Math.max(most, u.ctx.measureText(text).width), 0);
      u.ctx.restore();
      return Math.ceil(widest) + 14;
    },
    grid: { show: spec.grid === "always" || (spec.grid === "auto" && i === 0), stroke: colors.grid, width: 1 },
    ticks: { show: false },
    values: (_, splits) => {
      // On a logarithmic axis uPlot leaves out crowded labels by handing null.
      const shown = splits.filter((split): split is number => split != null);
      const texts = ticks(shown, unit, percent ? null : config.decimals, sight.at);
      return splits.map((split) => (split == null ? "" : (texts[shown.indexOf(split)] ?? "")));
    },
  };
  if (steps !== undefined && spec.scale.kind === "linear") axis.incrs = steps;
  if (spec.label !== "") Object.assign(axis, { label: spec.label, labelSize: 18, labelFont: font, labelGap: 0 });
  return axis;
}

function scaleFor(spec: Axis, config: FieldConfig, onZero: boolean): uPlot.Scale {
  const scale: uPlot.Scale = { auto: true, range: (_, low, high) => yEnds(low, high, spec, config, onZero) };
  if (spec.scale.kind === "log") Object.assign(scale, { distr: 3, log: spec.scale.value === 2 ? 2 : 10 });
  if (spec.scale.kind === "symlog") Object.assign(scale, { distr: 4, asinh: spec.scale.value[1] || 1 });
  return scale;
}

function pathOf(interpolation: Interpolation): uPlot.Series.PathBuilder | undefined {
  switch (interpolation) {
    case "smooth":
      return uPlot.paths.spline?.();
    case "step-before":
      return uPlot.paths.stepped?.({ align: -1 });
    case "step-after":
      return uPlot.paths.stepped?.({ align: 1 });
    default:
      return uPlot.paths.linear?.();
  }
}

/** Bars of several series share the room of one x, unless they are stacked. */
function barsPath(one: DrawnSeries, i: number, model: Drawable): uPlot.Series.PathBuilder | undefined {
  const mark = one.spec.mark;
  if (mark.kind !== "bars") return undefined;
  const align = mark.value.alignment === "before" ? -1 : mark.value.alignment === "after" ? 1 : 0;
  const side = model.series
    .map((other, at) => ({ other, at }))
    .filter(({ other }) => other.spec.mark.kind === "bars" && other.spec.stack === null);
  const width = Math.max(0.05, Math.min(1, mark.value.width || 0.7));
  if (model.xKind !== "strings" || side.length < 2 || one.spec.stack !== null)
    return uPlot.paths.bars?.({ align, size: [width, 120], gap: width === 1 ? 1 : 0 });
  const mine = side.findIndex(({ at }) => at === i);
  const each = width / side.length;
  return uPlot.paths.bars?.({
    disp: {
      x0: { unit: 1, values: (u) => (u.data[0] as number[]).map((x) => x - width / 2 + each * mine) },
      size: { unit: 1, values: (u) => (u.data[0] as number[]).map(() => each * 0.92) },
    },
  });
}

function fillOf(one: DrawnSeries, theme: Theme): uPlot.Series["fill"] {
  const opacity = one.spec.fill_opacity;
  if (opacity <= 0) return undefined;
  if (one.spec.gradient === "none") return faded(one.color, opacity);
  return (u) => {
    const { top, height } = u.bbox;
    // Before the first layout there is no height to spread colours over.
    if (!(height > 0)) return faded(one.color, opacity);
    const gradient = u.ctx.createLinearGradient(0, top, 0, top + height);
    if (one.spec.gradient === "scale") addThresholds(gradient, u, one, theme, opacity);
    else {
      gradient.addColorStop(0, faded(one.spec.gradient === "hue" ? turned(one.color, 30) : one.color, opacity));
      gradient.addColorStop(1, one.spec.gradient === "hue" ? faded(turned(one.color, -30), opacity) : faded(one.color, 0.02));
    }
    return gradient;
  };
}

/** Colours change at the heights of the thresholds. */
function addThresholds(gradient: CanvasGradient, u: uPlot, one: DrawnSeries, theme: Theme, opacity: number): void {
  const { min = 0, max = 1 } = (u.scales[scaleOf(one.spec.axis)] ?? {}) as { min?: number; max?: number };
  const steps = one.config.thresholds.map(({ value, color }) => ({ value: numberOf(value), color: colorOf(color, theme) ?? one.color }));
  const part = (value: number): number => 1 - Math.max(0, Math.min(1, (value - min) / (max - min || 1)));
  if (steps.length === 0) gradient.addColorStop(0, faded(one.color, opacity));
  steps.forEach(({ value, color }, i) => {
    gradient.addColorStop(part(Number.isFinite(value) ? value : min), faded(color, opacity));
    const next = steps[i + 1];
    gradient.addColorStop(part(next === undefined ? max : next.value), faded(color, opacity));
  });
}

function seriesOf(one: DrawnSeries, i: number, model: Drawable, sight: Sight, hidden: boolean): uPlot.Series {
  const { spec } = one;
  const line = spec.mark.kind === "line";
  const bars = spec.mark.kind === "bars";
  const series: uPlot.Series = {
    label: one.name,
    scale: scaleOf(spec.axis < model.axes.length ? spec.axis : 0),
    show: !hidden && !spec.hidden_from.includes("plot"),
    stroke: one.color,
    width: spec.mark.kind === "points" ? 0 : spec.line_width,
    spanGaps: false,
    points: {
      size: Math.max(2, spec.point_size || 5),
      width: 1,
      fill: one.color,
      stroke: one.color,
    },
  };
  const fill = fillOf(one, sight.theme);
  if (fill !== undefined) series.fill = fill;
  if (one.dash.length > 0) series.dash = one.dash;
  if (spec.mark.kind === "points") {
    series.paths = () => null;
    series.points = { ...series.points, show: true };
  } else {
    if (spec.points === "always") series.points = { ...series.points, show: true };
    // A single value between gaps has no line: only a point shows it.
    if (spec.points === "never")
      series.points = { ...series.points, show: true, filter: (u, at) => lonely(u.data[at] as (number | null | undefined)[]) };
  }
  const paths = line ? pathOf(spec.mark.kind === "line" ? spec.mark.value : "linear") : bars ? barsPath(one, i, model) : undefined;
  if (paths !== undefined) series.paths = paths;
  if (bars) {
    series.points = { show: false };
    // Bars without a fill would be outlines of nothing.
    if (fill === undefined) series.fill = faded(one.color, 0.8);
  }
  return series;
}

/** Places of values with a gap, or the end, on both sides. */
export function lonely(column: readonly (number | null | undefined)[]): number[] {
  const out: number[] = [];
  let before: number | null = null;
  let candidate = -1;
  for (let i = 0; i < column.length; i++) {
    const value = column[i];
    if (value === undefined) continue;
    if (value === null) {
      if (candidate >= 0) out.push(candidate);
      candidate = -1;
    } else {
      candidate = before === null ? i : -1;
    }
    before = value;
  }
  if (candidate >= 0) out.push(candidate);
  return out;
}

/** Thresholds of each axis and regions of x, below the lines. */
function underlay(chart: Chart, model: Drawable, sight: Sight): (u: uPlot) => void {
  return (u) => {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    for (const region of chart.regions) {
      const color = colorOf(region.color, sight.theme) ?? ink[sight.theme].axis;
      const from = u.valToPos(region.from, "x", true);
      const to = u.valToPos(region.to, "x", true);
      ctx.fillStyle = faded(color, 0.14);
      ctx.fillRect(from, top, to - from, height);
      ctx.fillStyle = faded(color, 0.8);
      ctx.fillRect(from, top, devicePixelRatio, height);
      if (region.to > region.from) ctx.fillRect(to - devicePixelRatio, top, devicePixelRatio, height);
    }
    model.axes.forEach(({ spec, config }, i) => {
      if (spec.thresholds === "areas" || spec.thresholds === "lines-and-areas") thresholdAreas(u, config, i, sight.theme);
    });
    ctx.restore();
  };
}

function thresholdAreas(u: uPlot, config: FieldConfig, axis: number, theme: Theme): void {
  const { left, top, width, height } = u.bbox;
  config.thresholds.forEach(({ value, color }, i) => {
    const low = numberOf(value);
    const next = config.thresholds[i + 1];
    const bottom = Number.isFinite(low) ? u.valToPos(low, scaleOf(axis), true) : top + height;
    const upper = next === undefined ? top : u.valToPos(numberOf(next.value), scaleOf(axis), true);
    u.ctx.fillStyle = faded(colorOf(color, theme) ?? "#888888", 0.09);
    u.ctx.fillRect(left, upper, width, bottom - upper);
  });
}

/** Threshold lines and titles of regions, above the lines. */
function overlay(chart: Chart, model: Drawable, sight: Sight): (u: uPlot) => void {
  return (u) => {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    model.axes.forEach(({ spec, config }, axis) => {
      if (spec.thresholds === "none" || spec.thresholds === "areas") return;
      ctx.setLineDash(spec.thresholds === "dashed" ? [8 * devicePixelRatio, 6 * devicePixelRatio] : []);
      ctx.lineWidth = 1.5 * devicePixelRatio;
      for (const { value, color } of config.thresholds) {
        const at = numberOf(value);
        if (!Number.isFinite(at)) continue;
        const y = u.valToPos(at, scaleOf(axis), true);
        ctx.strokeStyle = faded(colorOf(color, sight.theme) ?? "#888888", 0.8);
        ctx.beginPath();
        ctx.moveTo(left, y);
        ctx.lineTo(left + width, y);
        ctx.stroke();
      }
    });
    ctx.font = font.replace("12px", `${11 * devicePixelRatio}px`);
    ctx.textBaseline = "top";
    for (const region of chart.regions) {
      if (region.title === "") continue;
      ctx.fillStyle = ink[sight.theme].text;
      ctx.fillText(
        region.title,
        u.valToPos(region.from, "x", true) + 4 * devicePixelRatio,
        top + 3 * devicePixelRatio,
        Math.max(60 * devicePixelRatio, u.valToPos(region.to, "x", true) - u.valToPos(region.from, "x", true)),
      );
    }
    ctx.restore();
  };
}

/** Writes values on bars where the view asks for it. */
function barLabels(model: Drawable, sight: Sight): (u: uPlot) => void {
  return (u) => {
    const { ctx } = u;
    ctx.save();
    ctx.font = font.replace("12px", `${11 * devicePixelRatio}px`);
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    ctx.fillStyle = ink[sight.theme].text;
    model.series.forEach(({ spec, config }, i) => {
      if (spec.mark.kind !== "bars" || spec.mark.value.labels === "never" || !u.series[i + 1]?.show) return;
      const room = u.bbox.width / Math.max(1, model.x.length);
      if (spec.mark.value.labels === "auto" && room < 40 * devicePixelRatio) return;
      model.x.forEach((x, at) => {
        const value = model.own[i]?.[at];
        const drawn = model.y[i]?.[at];
        if (value == null || drawn == null) return;
        const [text = ""] = ticks([value], config.unit, config.decimals ?? 2, sight.at);
        ctx.fillText(text, u.valToPos(x, "x", true), u.valToPos(drawn, scaleOf(spec.axis), true) - 2);
      });
    });
    ctx.restore();
  };
}

/** The nearest row that the column has, a gap included; at most so many rows away that it still means this x. */
export function nearestRow(column: readonly (number | null | undefined)[], row: number, most = 100): number {
  for (let away = 0; away <= most; away++) {
    if (column[row - away] !== undefined) return row - away;
    if (column[row + away] !== undefined) return row + away;
  }
  return row;
}

/** The columns in the form that uPlot takes. */
export const dataOf = (model: Drawable): uPlot.AlignedData => [model.x, ...model.y] as uPlot.AlignedData;

/** All options except size; what moves with the data is read through `model()`. */
export function optionsOf(
  chart: Chart,
  model: Drawable,
  sight: Sight,
  hidden: ReadonlySet<number>,
  size: { width: number; height: number },
): uPlot.Options {
  const percent = (axis: number): boolean => model.series.some(({ spec }) => spec.axis === axis && spec.stack?.mode === "percent");
  const onZero = (axis: number): boolean =>
    model.series.some(({ spec }) => spec.axis === axis && (spec.mark.kind === "bars" || spec.stack !== null));
  const scales: uPlot.Scales = { x: xScale(model, sight) };
  model.axes.forEach(({ spec, config }, i) => {
    // Shares are of one, whatever the field's own limits are.
    scales[scaleOf(i)] = scaleFor(spec, percent(i) ? { ...config, min: config.min ?? 0, max: config.max ?? 1 } : config, onZero(i));
  });
  const synced = new Set(["mousemove", "mouseleave", "mouseenter"]);
  return {
    ...size,
    ms: 1,
    tzDate: (instant) => uPlot.tzDate(new Date(instant), sight.at.zone),
    padding: [10, model.axes.some(({ spec }) => spec.side === "right") ? 4 : 14, 2, 4],
    legend: { show: false },
    scales,
    axes: [xAxis(chart, model, sight), ...model.axes.map(({ spec, config }, i) => yAxis(spec, config, i, sight, percent(i)))],
    series: [{}, ...model.series.map((one, i) => seriesOf(one, i, model, sight, hidden.has(i)))],
    bands: model.bands.map(({ upper, lower }) => ({ series: [upper + 1, lower + 1] as [number, number] })),
    cursor: {
      x: true,
      y: false,
      points: { size: 7, width: 2 },
      drag: { x: model.xKind !== "strings", y: false, setScale: false, dist: 5 },
      focus: { prox: 24 },
      // Series that were scraped at other times have no row here; the nearest of their own speaks for them.
      dataIdx: (u, series, closest) => nearestRow(u.data[series] as (number | null | undefined)[], closest),
      ...(model.xKind === "times"
        ? {
            sync: {
              key: sight.group,
              setSeries: false,
              scales: ["x", null],
              filters: { pub: (type) => synced.has(type), sub: (type) => synced.has(type) },
            },
          }
        : {}),
    },
    focus: { alpha: 0.5 },
    hooks: {
      drawClear: [underlay(chart, model, sight)],
      draw: [overlay(chart, model, sight), barLabels(model, sight)],
      setSelect: [
        (u) => {
          if (u.select.width < 5) return;
          const from = u.posToVal(u.select.left, "x");
          const to = u.posToVal(u.select.left + u.select.width, "x");
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (model.xKind === "times" && to - from >= shortestZoom) sight.onZoom(Math.round(from), Math.round(to));
        },
      ],
    },
  };
}

/**
 * The ends of a time axis: those of the page, unless the data lies elsewhere because the panel has a range or a shift of its
 * own.
 */
export function timeEnds(x: readonly number[], { from, to }: { from: number; to: number }): [number, number] {
  const [first, last] = [x[0], x.at(-1)];
  if (first === undefined || last === undefined) return [from, to];
  const spare = (to - from) * 0.1;
  if (last < from - spare || first > to + spare) return last > first ? [first, last] : [first - 1, last + 1];
  return [first < from - spare ? first : from, last > to + spare ? last : to];
}

function xScale(model: Drawable, sight: Sight): uPlot.Scale {
  if (model.xKind === "times") {
    return {
      time: true,
      range: (u) => timeEnds(u.data[0] as number[], sight.range()),
    };
  }
  if (model.xKind === "strings") return { time: false, range: () => [-0.6, Math.max(0, model.categories.length - 1) + 0.6] };
  return { time: false };
}
