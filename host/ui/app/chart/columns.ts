/** From frames to columns of numbers that charts draw. A gap is `null`, never 0. */
import { t } from "../text";
import type { Column, Field, Frame, JsonNumber, Nulls } from "./view";

export type Cell = number | null;
/** `undefined` where a series has no row at this x, `null` where its line breaks. */
export type Joined = (number | null | undefined)[];

/** The field that a column of a view names. A view that names one that is not there is the panel's mistake. */
export function fieldOf(frames: readonly Frame[], column: Column): Field {
  const field = frames[column.frame]?.fields[column.field];
  if (field === undefined) throw new RangeError(t("mistake.field", { field: String(column.field), frame: String(column.frame) }));
  return field;
}

export function numberOf(value: JsonNumber | undefined): number {
  if (value === "+Inf") return Infinity;
  if (value === "-Inf") return -Infinity;
  return value ?? NaN;
}

/** Cells as numbers, NaN where there is none. Strings are NaN: they are no quantity. */
export function numbersOf(field: Field): number[] {
  const { values } = field;
  if (values.kind === "numbers") return values.value.map(numberOf);
  if (values.kind === "times") return values.value;
  return values.value.map(() => NaN);
}

/** What a chart can draw of them: infinities have no place on an axis. */
export const drawable = (value: number): Cell => (Number.isFinite(value) ? value : null);

/** One series before it shares its x with others. */
export interface Points {
  x: number[];
  y: Cell[];
}

/** Breaks or closes gaps as the series asks, with distances in the unit of x. */
export function treatNulls(points: Points, nulls: Nulls): { x: number[]; y: Joined } {
  const { x, y } = points;
  if (nulls.kind === "break-above") return broken(points, nulls.value);
  const out: Joined = y.slice();
  if (nulls.kind === "gap") return { x, y: out };
  let last = -1;
  for (let i = 0; i < y.length; i++) {
    if (y[i] === null) continue;
    const near = nulls.kind === "connect" || (x[i] ?? 0) - (x[last] ?? 0) <= nulls.value;
    if (last >= 0 && near) out.fill(undefined, last + 1, i);
    last = i;
  }
  return { x, y: out };
}

/** Puts a gap in the middle of any two points that are further apart than that. */
function broken({ x, y }: Points, above: number): { x: number[]; y: Joined } {
  const xs: number[] = [];
  const ys: Joined = [];
  for (let i = 0; i < x.length; i++) {
    const at = x[i] ?? 0;
    const before = x[i - 1];
    if (before !== undefined && at - before > above) {
      xs.push((before + at) / 2);
      ys.push(null);
    }
    xs.push(at);
    ys.push(y[i] ?? null);
  }
  return { x: xs, y: ys };
}

const sameTimes = (a: readonly number[], b: readonly number[]): boolean =>
  a === b || (a.length === b.length && a.every((value, i) => value === b[i]));

const ascending = (x: readonly number[]): boolean => x.every((value, i) => i === 0 || value > (x[i - 1] ?? -Infinity));

/** The union of all x in ascending order, and each series' values on it. Of equal x in one series the last counts. */
export function join(series: readonly { x: readonly number[]; y: Joined }[]): { x: number[]; y: Joined[] } {
  for (const { x, y } of series) if (x.length !== y.length) throw new RangeError(t("mistake.lengths"));
  const first = series[0];
  if (first === undefined) return { x: [], y: [] };
  if (ascending(first.x) && series.every(({ x }) => sameTimes(x, first.x))) return { x: [...first.x], y: series.map(({ y }) => y) };
  const all = new Set<number>();
  for (const { x } of series) for (const at of x) if (Number.isFinite(at)) all.add(at);
  const union = [...all].sort((a, b) => a - b);
  const place = new Map(union.map((at, i) => [at, i]));
  const columns = series.map(({ x, y }) => {
    const column: Joined = new Array<undefined>(union.length).fill(undefined);
    x.forEach((at, i) => {
      const where = place.get(at);
      if (where !== undefined) column[where] = y[i];
    });
    return column;
  });
  return { x: union, y: columns };
}

/** Keeps about `most` points for a small line, with the lowest and highest of each stretch. */
export function thinned({ x, y }: Points, most: number): Points {
  if (x.length <= most) return { x, y };
  const stretch = Math.ceil((x.length / most) * 2);
  const out: Points = { x: [], y: [] };
  for (let start = 0; start < x.length; start += stretch) {
    let low = start;
    let high = start;
    for (let i = start; i < Math.min(start + stretch, x.length); i++) {
      const value = y[i];
      if (value == null) continue;
      if (value < (y[low] ?? Infinity)) low = i;
      if (value > (y[high] ?? -Infinity)) high = i;
    }
    for (const i of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
      out.x.push(x[i] ?? 0);
      out.y.push(y[i] ?? null);
    }
  }
  return out;
}
