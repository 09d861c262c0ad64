import { describe, expect, it } from "vitest";
import { colorFor, mapped, partOf, show, thresholdColor, whole } from "./format";
import { colorOf, faded, readable, scaleColor, seriesColor, seriesDash, wantsWhite } from "./palette";
import { type FieldConfig, type Mapping, plainConfig as plain } from "./view";

const at = { language: "en", zone: "UTC", now: 0 };
const levels: FieldConfig = {
  ...plain,
  color: { kind: "thresholds" },
  thresholds: [
    { value: "-Inf", color: "green" },
    { value: 60, color: "orange" },
    { value: 85, color: "#ff0000" },
  ],
};

describe("mappings", () => {
  const mappings: Mapping[] = [
    { matches: { kind: "text", value: "1" }, text: "up", color: "green" },
    { matches: { kind: "range", value: [2, "+Inf"] }, text: "many", color: "" },
    { matches: { kind: "range", value: ["-Inf", -1] }, text: "below", color: "" },
    { matches: { kind: "pattern", value: "/^10\\.0\\.(\\d+)\\./" }, text: "net $1", color: "" },
    { matches: { kind: "pattern", value: "[" }, text: "never", color: "" },
    { matches: { kind: "missing" }, text: "gone", color: "red" },
    { matches: { kind: "empty" }, text: "nothing", color: "" },
  ];
  it.each([
    [1, "up"],
    ["1", "up"],
    [2, "many"],
    [Infinity, "many"],
    [-5, "below"],
    ["10.0.7.1:80", "net 7"],
    [NaN, "gone"],
    [null, "gone"],
    ["", "nothing"],
    [0.5, undefined],
    ["other", undefined],
  ])("%j", (value, expected) => expect(mapped(value, mappings)?.text).toBe(expected));

  it("a mapping without a text keeps the value and gives the colour", () => {
    const config = { ...plain, unit: "s", mappings: [{ matches: { kind: "text", value: "5" }, text: "", color: "red" }] as Mapping[] };
    const shown = show(5, config, at);
    expect([whole(shown), shown.color]).toEqual(["5 s", "red"]);
  });
});

it("a missing value is what the configuration says", () => {
  expect(whole(show(NaN, plain, at))).toBe("–");
  expect(whole(show(null, { ...plain, no_value: "없음" }, at))).toBe("없음");
  expect(whole(show("<b>text</b>", plain, at))).toBe("<b>text</b>");
});

describe("thresholds", () => {
  it.each([
    [-1e9, "green"],
    [59.99, "green"],
    [60, "orange"],
    [85, "#ff0000"],
    [NaN, "green"],
  ])("%d", (value, expected) => expect(thresholdColor(value, levels)).toBe(expected));

  it("no thresholds, no colour", () => expect(thresholdColor(1, plain)).toBeUndefined());
});

describe("colours", () => {
  it("come from mapping, then configuration, then palette", () => {
    expect(colorFor(70, levels, 0, "dark", [0, 1], "blue")).toBe(colorOf("blue", "dark"));
    expect(colorFor(70, levels, 0, "dark")).toBe(colorOf("orange", "dark"));
    expect(colorFor(70, { ...plain, color: { kind: "fixed", value: "semi-dark-red" } }, 0, "dark")).toBe(colorOf("semi-dark-red", "dark"));
    expect(colorFor(70, { ...plain, color: { kind: "fixed", value: "no colour" } }, 3, "dark")).toBe(seriesColor(3, "dark"));
    expect(colorFor(70, plain, 13, "light")).toBe(seriesColor(13, "light"));
  });

  it.each([
    ["#ABCDEF", "#abcdef"],
    ["#abcdef80", "#abcdef80"],
    ["#abc", "#aabbcc"],
    ["rgba(255, 0, 0, 0.5)", "#ff000080"],
    ["transparent", "#00000000"],
    ["dark-red", "#b81f2b"],
    ["super-light-green", "#bfe8b8"],
    ["dark-", undefined],
    ["constructor", undefined],
    ["url(https://elsewhere.example/)", undefined],
    ["", undefined],
  ])("%j is %s", (name, expected) => expect(colorOf(name, "light")).toBe(expected));

  it("fade, read and scale", () => {
    expect(faded("#ff0000", 0.5)).toBe("#ff000080");
    expect(faded("#ff000080", 0.5)).toBe("#ff000040");
    expect(wantsWhite("#000000")).toBe(true);
    expect(wantsWhite("#ffffff")).toBe(false);
    expect(scaleColor("continuous-reds", 0)).toBe("#ffb3b8");
    expect(scaleColor("continuous-reds", NaN)).toBe("#ffb3b8");
    expect(scaleColor("not one", 1)).toBe(scaleColor("continuous-blues", 1));
    expect(readable("#ffffff", "light")).not.toBe("#ffffff");
    expect(readable("#ffffff", "dark")).toBe("#ffffff");
  });

  it("series of one colour differ in their dashes", () => {
    expect(seriesDash(0)).toEqual([]);
    expect(seriesColor(10, "dark")).toBe(seriesColor(0, "dark"));
    expect(seriesDash(10)).not.toEqual([]);
  });
});

it("a part stays between its ends", () => {
  expect([partOf(5, 0, 10), partOf(-5, 0, 10), partOf(50, 0, 10), partOf(5, 10, 10)]).toEqual([0.5, 0, 1, 0]);
});
