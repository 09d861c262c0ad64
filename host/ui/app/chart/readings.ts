/** What stats, gauges and bars share: a reading's text, name, colour and place in a grid. */
import type { Theme } from "../theme";
import { type Cell, drawable, fieldOf, numbersOf, type Points, thinned } from "./columns";
import { colorFor, rawOf, show, type Shown } from "./format";
import { nameOf } from "./model";
import { colorOf } from "./palette";
import { reduce } from "./reduce";
import type { Surroundings } from "./units";
import type { FieldConfig, Frame, Orientation, Reading, ShownText } from "./view";

export interface Read {
  name: string;
  shown: Shown;
  /** NaN if it is no number. */
  number: number;
  color: string;
  config: FieldConfig;
  spark: Points | undefined;
  change: number | null;
  /** Ends of the data, where the configuration has none. */
  ends: [number, number];
}

const plainConfig: FieldConfig = {
  unit: "",
  decimals: null,
  min: null,
  max: null,
  color: { kind: "thresholds" },
  thresholds: [],
  mappings: [],
  no_value: "",
  links: [],
  custom: {},
};

export function read(
  reading: Reading,
  i: number,
  frames: readonly Frame[],
  configs: readonly FieldConfig[],
  theme: Theme,
  at: Surroundings,
): Read {
  const field = fieldOf(frames, reading.source);
  const configured = configs[field.config] ?? plainConfig;
  const config = reading.value.kind === "time" && configured.unit === "" ? { ...configured, unit: "dateTimeAsLocal" } : configured;
  const raw = rawOf(reading.value);
  const shown = show(raw, config, at);
  const number = typeof raw === "number" ? raw : NaN;
  const values = numbersOf(field);
  const ends: [number, number] = [finite(reduce(values, "min"), 0), finite(reduce(values, "max"), 100)];
  const color =
    Number.isNaN(number) && shown.color === undefined
      ? (colorOf("text", theme) ?? "#888888")
      : colorFor(number, config, i, theme, ends, shown.color);
  const spark = reading.spark === null ? undefined : sparkOf(numbersOf(fieldOf(frames, reading.spark)), values.map(drawable));
  return {
    name: reading.title || nameOf(field, frames[reading.source.frame]),
    shown,
    number,
    color,
    config,
    spark,
    change: reading.change,
    ends,
  };
}

const finite = (value: number | undefined, other: number): number => (value !== undefined && Number.isFinite(value) ? value : other);

function sparkOf(x: number[], y: Cell[]): Points | undefined {
  return x.length === y.length && y.filter((value) => value !== null).length > 1 ? thinned({ x, y }, 240) : undefined;
}

/** Whether the name is to be shown: `auto` names what could be confused. */
export const namesShown = (show: ShownText, count: number): boolean =>
  show === "name" || show === "value-and-name" || (show === "auto" && count > 1);
export const valuesShown = (show: ShownText): boolean => show !== "name" && show !== "none";

/** Columns of a grid in which so many cells come closest to a shape. */
export function columnsFor(count: number, width: number, height: number, orientation: Orientation, shape = 2): number {
  if (orientation === "horizontal") return 1;
  if (orientation === "vertical") return Math.max(1, count);
  let best = 1;
  let badness = Infinity;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const bad = Math.abs(Math.log(width / columns / (height / rows) / shape)) + 0.1 * (columns * rows - count);
    if (bad < badness) [best, badness] = [columns, bad];
  }
  return best;
}

/** The path of a small line, and of the area below it, over the whole width. */
export function sparkPaths({ x, y }: Points, width: number, height: number): { line: string; area: string } {
  const known = y.filter((value): value is number => value !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const first = x[0] ?? 0;
  const span = (x.at(-1) ?? 1) - first || 1;
  const place = (i: number): string => {
    const part = high > low ? ((y[i] ?? 0) - low) / (high - low) : 0.5;
    return `${((((x[i] ?? 0) - first) / span) * width).toFixed(1)} ${(height - 2 - part * (height - 4)).toFixed(1)}`;
  };
  let line = "";
  let area = "";
  let start = -1;
  for (let i = 0; i <= x.length; i++) {
    const gap = i === x.length || y[i] === null;
    if (!gap && start < 0) start = i;
    if (!gap || start < 0) continue;
    const run = Array.from({ length: i - start }, (_, k) => place(start + k));
    line += `M${run.join("L")}`;
    area += `M${run[0]?.split(" ")[0]} ${height}L${run.join("L")}L${run.at(-1)?.split(" ")[0]} ${height}Z`;
    start = -1;
  }
  return { line, area };
}
