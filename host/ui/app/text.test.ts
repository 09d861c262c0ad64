import { describe, expect, it } from "vitest";
import { chooseLanguage, fill } from "./text";
import en from "./text/en.json";

const rules = new Intl.PluralRules("en");

it("chooses the address's language, then the browser's, then English", () => {
  expect(chooseLanguage("en", ["ko-KR"])).toBe("en");
  expect(chooseLanguage("xx", ["en-GB"])).toBe("en");
  expect(chooseLanguage(null, ["xx"])).toBe("en");
  expect(chooseLanguage("constructor", [])).toBe("en");
});

describe("fill", () => {
  it("puts values into their places, once", () => {
    expect(fill("{a} and {b}", { a: "{b}", b: "c" }, rules)).toBe("{b} and c");
    expect(fill("{missing}", {}, rules)).toBe("{missing}");
    expect(fill("{toString}", {}, rules)).toBe("{toString}");
  });

  it("chooses the plural form", () => {
    const entry = { one: "{n} thing", other: "{n} things" };
    expect(fill(entry, { n: 1 }, rules)).toBe("1 thing");
    expect(fill(entry, { n: 1200 }, rules)).toBe("1,200 things");
  });
});

it("every plural entry has the form that all languages have", () => {
  const lacking = Object.entries(en).filter(([, entry]) => typeof entry !== "string" && !("other" in entry));
  expect(lacking).toEqual([]);
});
