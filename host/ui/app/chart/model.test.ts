import { describe, expect, it } from "vitest";
import { toggled } from "./legend";
import { nameOf, ready, yEnds } from "./model";
import { lonely, nearestRow, timeEnds } from "./plot";
import { columnsFor, sparkPaths } from "./readings";
import { compare, rowsOf } from "./table";
import { type Axis, type Chart, type Field, type FieldConfig, type Frame, plainConfig as config, type Series } from "./view";

const texts = new Intl.Collator("en", { numeric: true });

const axis: Axis = {
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
const series = (frame: number, more: Partial<Series> = {}): Series => ({
  x: { frame, field: 0 },
  y: { frame, field: 1 },
  color: "",
  mark: { kind: "line", value: "linear" },
  axis: 0,
  line_width: 1,
  dash: [],
  fill_opacity: 0,
  gradient: "none",
  fill_below_to: null,
  points: "auto",
  point_size: 5,
  nulls: { kind: "gap" },
  stack: null,
  negate: false,
  hidden_from: [],
  ...more,
});
const frame = (name: string, x: number[], y: (number | null)[]): Frame => ({
  query: "A",
  name,
  fields: [
    { name: "Time", labels: {}, display_name: "", config: 0, values: { kind: "times", value: x } },
    { name: "Value", labels: { job: "a" }, display_name: "", config: 0, values: { kind: "numbers", value: y } },
  ],
});
const chart = (list: Series[]): Chart => ({
  series: list,
  x_axis: axis,
  axes: [axis],
  regions: [],
  legend: { placement: "bottom", table: false, calculations: [], sort_by: "", descending: false },
  tooltip: { mode: "all", sort: null },
});

describe("a chart made ready", () => {
  const frames = [frame("a", [1, 2, 3], [1, 2, null]), frame("", [1, 3], [5, 7])];
  it("joins times, negates and keeps values for calculations", () => {
    const made = ready(chart([series(0), series(1, { negate: true })]), frames, [config], "dark", new Set());
    expect(made.x).toEqual([1, 2, 3]);
    expect(made.y).toEqual([
      [1, 2, null],
      [-5, undefined, -7],
    ]);
    expect(made.series[1]?.values).toEqual([5, 7]);
    expect(made.series.map(({ name }) => name)).toEqual(["a", '{job="a"}']);
  });
  it("places categories by their text", () => {
    const words: Frame = {
      ...frames[0],
      query: "A",
      name: "w",
      fields: [
        { name: "x", labels: {}, display_name: "", config: 0, values: { kind: "strings", value: ["b", "a", "c"] } },
        frames[0]?.fields[1] as never,
      ],
    };
    const made = ready(chart([series(0)]), [words], [config], "dark", new Set());
    expect(made.categories).toEqual(["b", "a", "c"]);
    expect(made.x).toEqual([0, 1, 2]);
  });
  it("fills down to another series only if both are there", () => {
    const spec = chart([series(0), series(1, { fill_below_to: 0 }), series(1, { fill_below_to: 77 })]);
    expect(ready(spec, frames, [config], "dark", new Set()).bands).toEqual([{ upper: 1, lower: 0 }]);
    expect(ready(spec, frames, [config], "dark", new Set([0])).bands).toEqual([]);
  });
  it("refuses a view that mixes its x", () => {
    const other = { ...frame("n", [1], [1]) };
    other.fields[0] = { ...(other.fields[0] as never as object), values: { kind: "numbers", value: [1] } } as never;
    expect(() => ready(chart([series(0), series(1)]), [frames[0] as Frame, other], [config], "dark", new Set())).toThrow("different types");
  });
  it("names a series by what there is", () => {
    const bare = { name: "Value", labels: {}, display_name: "", config: 0, values: { kind: "numbers" as const, value: [] } };
    expect(nameOf(bare, undefined)).toBe("Value");
    expect(nameOf({ ...bare, display_name: "shown" }, frames[0])).toBe("shown");
  });
});

describe("the ends of an axis", () => {
  it.each<[string, number | null, number | null, Partial<Axis>, Partial<FieldConfig>, boolean, [number, number]]>([
    ["give room", 10, 20, {}, {}, false, [9, 21]],
    ["do not cross zero", 0.5, 20, {}, {}, false, [0, 21.95]],
    ["stand on zero", 10, 20, {}, {}, true, [0, 22]],
    ["hang from zero", -20, -10, {}, {}, true, [-22, 0]],
    ["hold a single value", 5, 5, {}, {}, false, [4.5, 5.5]],
    ["hold zero alone", 0, 0, {}, {}, false, [0, 1]],
    ["are there without data", null, null, {}, {}, false, [0, 1]],
    ["are fixed", 10, 20, {}, { min: 0, max: 100 }, false, [0, 100]],
    ["reach the soft limits", 10, 20, { soft_min: 0, soft_max: 50 }, {}, false, [0, 50]],
    ["pass the soft limits with the data", 10, 80, { soft_min: 0, soft_max: 50 }, {}, false, [0, 80]],
    ["are centred", -1, 4, { centered: true }, {}, false, [-4.5, 4.5]],
    ["survive a maximum below the minimum", 10, 20, {}, { min: 50, max: 40 }, false, [50, 51]],
    ["are powers", 3, 2000, { scale: { kind: "log", value: 10 } }, {}, false, [1, 10000]],
    ["are powers without what has no logarithm", -5, 64, { scale: { kind: "log", value: 2 } }, {}, false, [8, 64]],
  ])("%s", (_, low, high, spec, fixed, onZero, expected) => {
    const [from, to] = yEnds(low, high, { ...axis, ...spec }, { ...config, ...fixed }, onZero);
    expect(from).toBeCloseTo(expected[0], 9);
    expect(to).toBeCloseTo(expected[1], 9);
  });
});

it("a lonely value is found", () => {
  expect(lonely([1, null, 2, 3, null, 4])).toEqual([0, 5]);
  expect(lonely([null, 1, undefined, null])).toEqual([1]);
  expect(lonely([1, undefined, 2])).toEqual([]);
});

it.each<[string, number[], [number, number]]>([
  ["is the page's", [100, 150, 200], [100, 200]],
  ["is the page's with little data", [180], [100, 200]],
  ["is the page's without data", [], [100, 200]],
  ["begins with a panel's own range", [10, 200], [10, 200]],
  ["follows a panel's shift", [0, 20], [0, 20]],
  ["has a width", [5], [4, 6]],
])("a time axis %s", (_, x, expected) => expect(timeEnds(x, { from: 100, to: 200 })).toEqual(expected));

it("the nearest row of a series speaks for it", () => {
  expect(nearestRow([1, undefined, undefined, 4], 2)).toBe(3);
  expect(nearestRow([null, undefined], 1)).toBe(0);
  expect(nearestRow([undefined, undefined], 1)).toBe(1);
});

it("a legend's click isolates, comes back, adds and takes away", () => {
  expect([...toggled(new Set(), 1, 3, false)]).toEqual([0, 2]);
  expect([...toggled(new Set([0, 2]), 1, 3, false)]).toEqual([]);
  expect([...toggled(new Set([0, 2]), 0, 3, false)]).toEqual([1, 2]);
  expect([...toggled(new Set(), 1, 3, true)]).toEqual([1]);
  expect([...toggled(new Set([1]), 1, 3, true)]).toEqual([]);
});

it("readings fill their room", () => {
  expect(columnsFor(1, 300, 100, "auto")).toBe(1);
  expect(columnsFor(4, 800, 100, "auto")).toBe(4);
  expect(columnsFor(4, 100, 800, "auto")).toBe(1);
  expect(columnsFor(3, 100, 100, "vertical")).toBe(3);
  expect(columnsFor(0, 100, 100, "auto")).toBe(1);
});

it("a small line has a gap where there is no value", () => {
  const { line } = sparkPaths({ x: [0, 1, 2, 3, 4], y: [1, 2, null, 3, 4] }, 100, 20);
  expect(line.match(/M/g)).toHaveLength(2);
  expect(line).not.toContain("NaN");
});

it("cells sort by size, words by the language, what is missing last", () => {
  expect([3, NaN, 1, null, 2].toSorted((a, b) => compare(a, b, texts)).slice(0, 3)).toEqual([1, 2, 3]);
  expect(["b10", "b9", "a"].toSorted((a, b) => compare(a, b, texts))).toEqual(["a", "b9", "b10"]);
});

it("rows of a table are filtered by what is shown, then sorted, and what is missing stands last", () => {
  const percent = { ...config, unit: "percent" };
  const column = (name: string, values: Field["values"]): Field => ({ name, labels: {}, display_name: name, config: 0, values });
  const columns = [
    { field: column("name", { kind: "strings", value: ["b", "a10", "a9", "c"] }), config },
    { field: column("load", { kind: "numbers", value: [50, null, 7, 90] }), config: percent },
  ];
  const at = { language: "ko", zone: "UTC", now: 0 };
  const rows = (sort: [number, "ascending" | "descending"] | null, filters: [number, string][] = [], some: number[] | null = null): number[] =>
    rowsOf({ rows: some }, columns, sort, new Map(filters), at);
  expect(rows(null)).toEqual([0, 1, 2, 3]);
  expect(rows(null, [], [3, 0, 99])).toEqual([3, 0]);
  expect(rows([0, "ascending"])).toEqual([2, 1, 0, 3]);
  expect(rows([1, "ascending"])).toEqual([2, 0, 3, 1]);
  expect(rows([1, "descending"])).toEqual([3, 0, 2, 1]);
  expect(rows([7, "descending"])).toEqual([0, 1, 2, 3]);
  expect(rows([0, "descending"], [[0, " A"]])).toEqual([1, 2]);
  expect(rows(null, [[1, "90%"]])).toEqual([3]);
  expect(rows(null, [[9, "x"], [1, ""]])).toEqual([0, 1, 2, 3]);
});
