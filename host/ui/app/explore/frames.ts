/** Answers of queries as the frames and views that `chart/` draws. */
import { type Chart, type Field, type FieldConfig, type Frame, type JsonNumber, type PanelAnswer, plainConfig, type Series, type Table } from "../chart/view";
import { quoted } from "./catalog";
import type { Result, Sample, SeriesResult } from "./run";

/** A query's answer and what to call it. */
export interface Part {
  letter: string;
  expr: string;
  data: Result;
  /** The unit of its values, empty if nobody knows. */
  unit: string;
}

/** So many series are drawn of all queries together: more are a black area that takes seconds. */
export const mostDrawn = 500;
/** So many rows a table asks for. */
export const mostRows = 10_000;

const config = (unit: string): FieldConfig => ({ ...plainConfig, unit });

/** A value as it comes, as a view carries it. */
export function numberOf(text: string): JsonNumber {
  if (text === "+Inf" || text === "Inf") return "+Inf";
  if (text === "-Inf") return "-Inf";
  const value = Number(text);
  return Number.isNaN(value) ? null : value;
}

/** A series as PromQL writes it: `up{job="node"}`. */
export function seriesName({ __name__: name = "", ...labels }: Record<string, string>): string {
  const texts = Object.entries(labels).map(([label, value]) => `${label}=${quoted(value)}`);
  return texts.length > 0 ? `${name}{${texts.join(", ")}}` : name;
}

/** The points of a series; of native histograms the number of observations. */
function points(one: SeriesResult): Sample[] {
  if (one.values !== undefined) return one.values;
  if (one.histograms !== undefined) return one.histograms.map(([at, { count }]) => [at, count]);
  return [];
}

const field = (name: string, values: Field["values"], more: Partial<Field> = {}): Field => ({
  name,
  labels: {},
  display_name: "",
  config: 0,
  values,
  ...more,
});

const ms = (seconds: number): number => Math.round(seconds * 1000);

function seriesOf({ data, expr, letter }: Part): { name: string; labels: Record<string, string>; values: Sample[]; letter: string }[] {
  if (data.resultType === "scalar") return [{ name: expr, labels: {}, values: [data.result], letter }];
  if (data.resultType !== "matrix") return [];
  return data.result.map((one) => ({ name: seriesName(one.metric) || expr, labels: one.metric, values: points(one), letter }));
}

/** The graph of several answers: one line for each series, in the order of the queries. `step` is in seconds. */
export function graphOf(parts: readonly Part[], step: number, stacked: boolean): { answer: PanelAnswer; shown: number; all: number } {
  const lists = parts.map(seriesOf);
  const all = lists.reduce((sum, list) => sum + list.length, 0);
  // Each query has its share; what one does not need the others may use.
  let left = mostDrawn;
  const ordered = lists.map((list, i) => ({ list, i })).sort((a, b) => a.list.length - b.list.length);
  const shares = new Map<number, number>();
  ordered.forEach(({ list, i }, k) => {
    const share = Math.min(list.length, Math.floor(left / (ordered.length - k)));
    shares.set(i, share);
    left -= share;
  });
  const drawn = lists.flatMap((list, i) => list.slice(0, shares.get(i) ?? 0).map((one) => ({ ...one, part: i })));
  const several = parts.length > 1;
  const twice = new Set<string>();
  const seen = new Set<string>();
  if (several) for (const { name } of drawn) (seen.has(name) ? twice : seen).add(name);
  const frames: Frame[] = drawn.map((one) => ({
    query: one.letter,
    name: "",
    fields: [
      field("Time", { kind: "times", value: one.values.map(([at]) => ms(at)) }),
      field(
        "Value",
        { kind: "numbers", value: one.values.map(([, value]) => numberOf(value)) },
        { labels: one.labels, config: one.part, display_name: twice.has(one.name) ? `${one.letter}: ${one.name}` : one.name },
      ),
    ],
  }));
  const series = drawn.map(
    (_, i): Series => ({
      x: { frame: i, field: 0 },
      y: { frame: i, field: 1 },
      color: "",
      mark: { kind: "line", value: "linear" },
      axis: 0,
      line_width: 1.5,
      dash: [],
      fill_opacity: stacked ? 0.35 : drawn.length <= 3 ? 0.08 : 0,
      gradient: "none",
      fill_below_to: null,
      points: "never",
      point_size: 5,
      // A step without a value is a gap and no straight line.
      nulls: { kind: "break-above", value: step * 1500 },
      stack: stacked ? { group: "all", mode: "normal" } : null,
      negate: false,
      hidden_from: [],
    }),
  );
  const axis = {
    label: "",
    soft_min: null,
    soft_max: null,
    scale: { kind: "linear" },
    centered: false,
    grid: "auto",
    thresholds: "none",
  } as const;
  const chart: Chart = {
    series,
    x_axis: { ...axis, side: "bottom", config: 0 },
    // One axis serves all lines; it has a unit if they agree.
    axes: [{ ...axis, side: "auto", config: parts.length }],
    regions: [],
    legend: { placement: "bottom", table: false, calculations: [], sort_by: "", descending: false },
    tooltip: { mode: "all", sort: "descending" },
  };
  const units = new Set(parts.map(({ unit }) => unit));
  const shared = units.size === 1 ? ([...units][0] ?? "") : "";
  const configs = [...parts.map(({ unit }) => config(unit)), config(shared)];
  return { answer: { view: { kind: "chart", value: chart }, frames, configs, warnings: [] }, shown: drawn.length, all };
}

/** The table of one answer: a column for each label that some series has, then the value. */
export function tableOf({ data, letter, unit }: Part, valueTitle: string, timeTitle: string): { frames: Frame[]; configs: FieldConfig[]; table: Table; rows: number } {
  const rows: { metric: Record<string, string>; value: string; at: number }[] = [];
  let cut = false;
  if (data.resultType === "scalar" || data.resultType === "string") rows.push({ metric: {}, value: data.result[1], at: data.result[0] });
  else {
    for (const one of data.result) {
      const own: Sample[] = one.value !== undefined ? [one.value] : one.histogram !== undefined ? [[one.histogram[0], one.histogram[1].count]] : points(one);
      for (const [at, value] of own) {
        if (rows.length >= mostRows) cut = true;
        else rows.push({ metric: one.metric, value, at });
      }
      if (cut) break;
    }
  }
  const names = new Set<string>();
  for (const { metric } of rows) for (const name of Object.keys(metric)) names.add(name);
  const labels = [...names].sort((a, b) => Number(b === "__name__") - Number(a === "__name__") || a.localeCompare(b));
  // Samples of a range vector have times of their own.
  const timed = data.resultType === "matrix";
  const strings = data.resultType === "string";
  const fields: Field[] = [
    ...labels.map((name) => field(name, { kind: "strings", value: rows.map(({ metric }) => metric[name] ?? "") })),
    ...(timed ? [field(timeTitle, { kind: "times", value: rows.map(({ at }) => ms(at)) })] : []),
    field(
      valueTitle,
      strings ? { kind: "strings", value: rows.map(({ value }) => value) } : { kind: "numbers", value: rows.map(({ value }) => numberOf(value)) },
      { config: 1 },
    ),
  ];
  const table: Table = {
    frame: 0,
    rows: null,
    columns: fields.map((_, i) => ({ field: i, title: "", cell: { kind: "auto" }, align: "auto", width: null, wrap: false, filter: false, footer: "" })),
    header: true,
    sort: null,
    page_size: null,
  };
  return { frames: [{ query: letter, name: "", fields }], configs: [config(""), config(unit)], table, rows: rows.length };
}

/** How many series an answer has. */
export const seriesCount = (data: Result): number => (data.resultType === "matrix" || data.resultType === "vector" ? data.result.length : 1);

/** The unit that a metric's name tells, by the convention of base units; a rate is per second. */
export function unitOf(metric: string, rate: boolean): string {
  const base = metric.replace(/_(total|sum)$/, "");
  if (/_(count|bucket)$/.test(metric)) return rate ? "" : "";
  if (base.endsWith("_bytes")) return rate ? "binBps" : "bytes";
  if (base.endsWith("_seconds")) return rate ? "" : "s";
  if (base.endsWith("_ratio")) return rate ? "" : "percentunit";
  return "";
}
