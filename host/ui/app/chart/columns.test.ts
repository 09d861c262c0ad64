import { describe, expect, it } from "vitest";
import { fieldOf, join, numbersOf, thinned, treatNulls } from "./columns";
import { reduce } from "./reduce";
import { stack } from "./stacking";
import type { Field, Frame } from "./view";

const field = (values: Field["values"]): Field => ({ name: "v", labels: {}, display_name: "", config: 0, values });

it("reads numbers as JSON has them", () => {
  expect(numbersOf(field({ kind: "numbers", value: [1.5, null, "+Inf", "-Inf"] }))).toEqual([1.5, NaN, Infinity, -Infinity]);
  expect(numbersOf(field({ kind: "times", value: [1, 2] }))).toEqual([1, 2]);
  expect(numbersOf(field({ kind: "strings", value: ["1"] }))).toEqual([NaN]);
});

it("a column that is not there is an error that names it", () => {
  const frames: Frame[] = [{ query: "A", name: "", fields: [] }];
  expect(() => fieldOf(frames, { frame: 0, field: 3 })).toThrow("field 3 of frame 0");
  expect(() => fieldOf(frames, { frame: 9, field: 0 })).toThrow("frame 9");
});

describe("join", () => {
  it("leaves equal times as they are", () => {
    expect(
      join([
        { x: [1, 2], y: [5, null] },
        { x: [1, 2], y: [6, 7] },
      ]),
    ).toEqual({
      x: [1, 2],
      y: [
        [5, null],
        [6, 7],
      ],
    });
  });
  it("unites different times without making gaps", () => {
    expect(
      join([
        { x: [1, 3], y: [5, null] },
        { x: [2, 3], y: [6, 7] },
      ]),
    ).toEqual({
      x: [1, 2, 3],
      y: [
        [5, undefined, null],
        [undefined, 6, 7],
      ],
    });
  });
  it("sorts, and the last of equal times counts", () => {
    expect(join([{ x: [3, 1, 3], y: [1, 2, 4] }])).toEqual({ x: [1, 3], y: [[2, 4]] });
  });
  it("refuses columns of different lengths", () => {
    expect(() => join([{ x: [1, 2], y: [1] }])).toThrow(RangeError);
  });
  it("of nothing is nothing", () => expect(join([])).toEqual({ x: [], y: [] }));
});

describe("gaps", () => {
  const points = { x: [0, 10, 20, 100, 110], y: [1, null, 3, null, 5] };
  it("stay", () => expect(treatNulls(points, { kind: "gap" }).y).toEqual([1, null, 3, null, 5]));
  it("close", () => expect(treatNulls(points, { kind: "connect" }).y).toEqual([1, undefined, 3, undefined, 5]));
  it("close if they are short", () =>
    expect(treatNulls(points, { kind: "connect-below", value: 30 }).y).toEqual([1, undefined, 3, null, 5]));
  it("open where points are far apart", () => {
    expect(treatNulls({ x: [0, 10, 100], y: [1, 2, 3] }, { kind: "break-above", value: 50 })).toEqual({
      x: [0, 10, 55, 100],
      y: [1, 2, null, 3],
    });
  });
  it("at the ends stay", () => expect(treatNulls({ x: [0, 1, 2], y: [null, 1, null] }, { kind: "connect" }).y).toEqual([null, 1, null]));
});

describe("stack", () => {
  const normal = { stack: { group: "A", mode: "normal" as const } };
  const percent = { stack: { group: "A", mode: "percent" as const } };
  const none = { stack: null };
  const shown = () => false;
  it("adds up, and fills between", () => {
    const { y, bands } = stack(
      [normal, normal, none],
      [
        [1, 2],
        [3, null],
        [9, 9],
      ],
      shown,
    );
    expect(y).toEqual([
      [1, 2],
      [4, null],
      [9, 9],
    ]);
    expect(bands).toEqual([{ upper: 1, lower: 0 }]);
  });
  it("is of shares", () => {
    expect(
      stack(
        [percent, percent],
        [
          [1, 0],
          [3, 0],
        ],
        shown,
      ).y,
    ).toEqual([
      [0.25, 0],
      [1, 0],
    ]);
  });
  it("keeps what is below zero apart", () => {
    const { y, bands } = stack(
      [normal, normal, normal],
      [
        [1, 1],
        [-2, -2],
        [3, 3],
      ],
      shown,
    );
    expect(y).toEqual([
      [1, 1],
      [-2, -2],
      [4, 4],
    ]);
    expect(bands).toEqual([{ upper: 2, lower: 0 }]);
  });
  it("leaves out what is hidden, and keeps groups apart", () => {
    expect(stack([normal, normal], [[1], [3]], (i) => i === 0).y).toEqual([[1], [3]]);
    expect(stack([normal, { stack: { group: "B", mode: "normal" } }], [[1], [3]], shown).y).toEqual([[1], [3]]);
  });
});

describe("reduce", () => {
  const values = [NaN, 1, 4, 2, NaN];
  it.each([
    ["lastNotNull", 2],
    ["last", NaN],
    ["firstNotNull", 1],
    ["first", NaN],
    ["min", 1],
    ["max", 4],
    ["mean", 7 / 3],
    ["sum", 7],
    ["count", 5],
    ["range", 3],
    ["diff", 1],
    ["diffperc", 1],
    ["delta", 5],
    ["p50", 2],
    ["median", 2],
    ["p99", 4],
    ["changeCount", 2],
    ["distinctCount", 3],
    ["allIsZero", 0],
    ["allIsNull", 0],
    ["logmin", 1],
    ["constructor", undefined],
    ["nothing known", undefined],
  ])("%s", (id, expected) => {
    const got = reduce(values, id);
    if (expected === undefined) expect(got).toBeUndefined();
    else if (Number.isNaN(expected)) expect(got).toBeNaN();
    else expect(got).toBeCloseTo(expected, 12);
  });
  it("of nothing is no number", () => {
    for (const id of ["min", "max", "mean", "sum", "last", "p50", "stdDev"]) expect(reduce([], id)).toBeNaN();
    expect(reduce([NaN], "max")).toBeNaN();
  });
  it("takes a long series", () =>
    expect(
      reduce(
        Array.from({ length: 500_000 }, (_, i) => i),
        "max",
      ),
    ).toBe(499_999));
});

it("a thinned line keeps its highest and lowest points", () => {
  const x = Array.from({ length: 10_000 }, (_, i) => i);
  const y = x.map((i) => (i === 4321 ? 1e6 : i === 1234 ? -1e6 : Math.sin(i)));
  const thin = thinned({ x, y }, 200);
  expect(thin.x.length).toBeLessThanOrEqual(400);
  expect(Math.max(...(thin.y as number[]))).toBe(1e6);
  expect(Math.min(...(thin.y as number[]))).toBe(-1e6);
  expect(thin.x).toEqual(thin.x.toSorted((a, b) => a - b));
});
