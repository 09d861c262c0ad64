import { describe, expect, it } from "vitest";
import { quantity, whole } from "./chart/format";
import { dateBy } from "./chart/units";
import { chooseLanguage, fill, language, locale, startLanguage, switchLanguage, t } from "./text";
import en from "./text/en.json";
import ko from "./text/ko.json";

it("chooses the address's language, then the stored one, then the browser's, then English", () => {
  expect(chooseLanguage("en", "ko", ["ko-KR"])).toBe("en");
  expect(chooseLanguage("KO-kr", "en", ["en"])).toBe("ko");
  expect(chooseLanguage(null, "ko", ["en-GB"])).toBe("ko");
  expect(chooseLanguage("xx", "yy", ["fr", "ko-KR", "en"])).toBe("ko");
  expect(chooseLanguage(null, null, ["fr"])).toBe("en");
  expect(chooseLanguage("constructor", null, [])).toBe("en");
});

describe("fill", () => {
  it("puts values into their places, once", () => {
    expect(fill("{a} and {b}", { a: "{b}", b: "c" }, "en")).toBe("{b} and c");
    expect(fill("{missing}", {}, "en")).toBe("{missing}");
    expect(fill("{toString}", {}, "en")).toBe("{toString}");
  });

  it("chooses the plural form", () => {
    const entry = { one: "{n} thing", other: "{n} things" };
    expect(fill(entry, { n: 1 }, "en")).toBe("1 thing");
    expect(fill(entry, { n: 1200 }, "en")).toBe("1,200 things");
    expect(fill({ other: "{n}개" }, { n: 1 }, "ko")).toBe("1개");
  });
});

// --- The tables against each other -----------------------------------------------------------------------------------------

type Entry = string | Record<string, string>;
const english = en as Record<string, Entry>;
const korean = ko as Record<string, Entry>;
const forms = (entry: Entry): string[] => (typeof entry === "string" ? [entry] : Object.values(entry));
const places = (entry: Entry): string[] => [...new Set(forms(entry).flatMap((text) => text.match(/\{\w+\}/g) ?? []))].sort();

/** Equal in both: names, symbols and what is typed in as it stands. */
const sameInBoth = new Set<string>(["explore.promql"]);

it("both tables have the same keys in the same order", () => expect(Object.keys(korean)).toEqual(Object.keys(english)));

it("every sentence has the same places in both", () => {
  const differing = Object.entries(english).filter(([key, entry]) => String(places(entry)) !== String(places(korean[key] ?? "")));
  expect(differing.map(([key]) => key)).toEqual([]);
});

it("no sentence is the same in both, unless listed", () => {
  const same = Object.entries(english).filter(
    ([key, entry]) => !sameInBoth.has(key) && forms(korean[key] ?? "").some((text) => forms(entry).includes(text)),
  );
  expect(same.map(([key]) => key)).toEqual([]);
});

it("what is listed as the same is", () => {
  const stale = [...sameInBoth].filter((key) => key in english && JSON.stringify(english[key]) !== JSON.stringify(korean[key]));
  expect(stale).toEqual([]);
});

it("plural entries have the forms that their language tells apart, and no others", () => {
  for (const [tag, table] of [
    ["en", english],
    ["ko", korean],
  ] as const) {
    const known = new Intl.PluralRules(tag).resolvedOptions().pluralCategories.toSorted();
    const wrong = Object.entries(table).filter(([, entry]) => typeof entry !== "string" && String(Object.keys(entry).toSorted()) !== String(known));
    expect(wrong.map(([key]) => key)).toEqual([]);
  }
});

it("every sentence says something", () => {
  for (const table of [english, korean])
    expect(Object.entries(table).filter(([, entry]) => forms(entry).some((text) => text.trim() === ""))).toEqual([]);
});

it("Korean is Korean, and no particle hangs on a value whose last sound is not known", () => {
  // The switch names the other language in that language.
  const foreign = new Set(["language.name", "language.switch", ...sameInBoth]);
  const lacking = Object.entries(korean).filter(
    ([key, entry]) => !foreign.has(key) && forms(entry).some((text) => !/\p{Script=Hangul}/u.test(text.replace(/\{\w+\}/g, ""))),
  );
  expect(lacking.map(([key]) => key)).toEqual([]);
  // 을/를, 이/가, 은/는, 과/와, (으)로: which one depends on the sound before it. "{n}개를" is fine.
  const hanging = Object.entries(korean).filter(([, entry]) =>
    forms(entry).some((text) => /\}(?:을|를|이(?![가-힣])|가|은|는|과|와|으로|로)(?![가-힣])/u.test(text) || /[을를이가은는과와]\([을를이가은는과와]\)|\(으\)로/u.test(text)),
  );
  expect(hanging.map(([key]) => key)).toEqual([]);
});

it("changes the page's language, its tag and what numbers look like", async () => {
  expect(t("last.h", { n: 6 })).toBe("Last 6 hours");
  const ready = startLanguage();
  await ready;
  switchLanguage("ko");
  expect(location.search).toContain("lang=ko");
  for (let i = 0; i < 200 && language.value !== "ko"; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(document.documentElement.lang).toBe("ko");
  expect(locale.value).toMatch(/^ko/);
  expect(t("last.h", { n: 6 })).toBe("최근 6시간");
  expect(t("count.all", { n: 12345 })).toBe("12,345개");
  const at = { language: locale.value, zone: "UTC", now: 0 };
  const written = (value: number, unit: string): string => whole(quantity(value, unit, null, at));
  expect([written(90, "s"), written(0.25, "s"), written(93_784, "dtdurations"), written(1, "bool_yes_no"), written(123_456_789, "compact")]).toEqual([
    "1.5분",
    "250 ms",
    "1일 2시간",
    "예",
    "1.2억",
  ]);
  expect(dateBy("A h:mm", Date.UTC(2026, 10, 20, 21, 5), at)).toBe("오후 9:05");
  expect(localStorage.getItem("skopos.language")).toBe("ko");
  switchLanguage("en");
  expect(language.value === "en" || (await new Promise((resolve) => setTimeout(resolve, 20))) === undefined).toBe(true);
  expect(t("last.h", { n: 6 })).toBe("Last 6 hours");
});
