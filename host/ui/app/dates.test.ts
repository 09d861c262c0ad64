import { describe, expect, it } from "vitest";
import { timeTicks } from "./chart/plot";
import { fromNow } from "./chart/units";
import { between, when, whenText } from "./dates";

const at = Date.UTC(2026, 10, 20, 0, 5, 7);
const korea = { language: "ko-KR", zone: "Asia/Seoul" };
const britain = { language: "en-GB", zone: "UTC" };

describe("dates as their language writes them", () => {
  it("in Korean", () => {
    expect(when(at, "full", korea)).toBe("2026년 11월 20일 (금) 09:05:07");
    expect(when(at, "clock", korea)).toBe("09:05:07");
    expect(when(at, "dayMinutes", korea)).toBe("11월 20일 09:05");
    expect(between(at, at + 5_400_000, korea).replace(/\s/g, " ")).toBe("2026년 11월 20일 09:05 ~ 10:35");
    expect(fromNow(at, { ...korea, now: at + 300_000 })).toBe("5분 전");
  });
  it("in English", () => {
    expect(when(at, "full", britain)).toBe("Fri, 20 Nov 2026, 00:05:07");
    expect(between(at, at + 86_400_000, britain).replace(/\s/g, " ")).toBe("20 Nov 2026, 00:05 – 21 Nov 2026, 00:05");
  });
  it("midnight is the beginning of its day", () => expect(when(Date.UTC(2026, 0, 1), "minutes", britain)).toBe("1 Jan 2026, 00:00"));
  it("what is no date is none", () => {
    expect([NaN, Infinity, 8.65e15].map((instant) => when(instant, "full", korea))).toEqual(["–", "–", "–"]);
    expect(between(NaN, 0, korea)).toBe("–");
    expect(whenText("soon", korea)).toBe("soon");
    expect(whenText("2026-11-20T00:05:07Z", korea)).toBe("2026년 11월 20일 (금) 09:05:07");
  });
});

it("axes name days and months in the language", () => {
  const day = 86_400_000;
  const ticks = (step: number, span: number) => timeTicks([at], step, span, { ...korea, now: at })[0];
  expect([ticks(500, 1e4), ticks(1e4, 1e5), ticks(3.6e6, day), ticks(3.6e6, 3 * day), ticks(2 * day, 20 * day), ticks(60 * day, 900 * day), ticks(366 * day, 9999 * day)]).toEqual(
    ["09:05:07.000", "09:05:07", "09:05", "11월 20일 09:05", "11월 20일", "2026년 11월", "2026년"],
  );
});
