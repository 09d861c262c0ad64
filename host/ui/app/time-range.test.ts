import { describe, expect, it } from "vitest";
import { moves, offsetAt, parseDuration, parseRange, parseTime, shifted, wallClock, widened } from "./time-range";

const utc = "UTC";
/** Friday, 20 November 2026, 12:34:56.789 UTC. */
const now = Date.UTC(2026, 10, 20, 12, 34, 56, 789);
const at = (text: string): number => Date.parse(text);

describe("parseTime", () => {
  const cases: [text: string, zone: string, end: boolean, expected: number | undefined][] = [
    ["now", utc, false, now],
    ["  now-1h ", utc, false, now - 3_600_000],
    ["now-1h30m", utc, false, undefined],
    ["now-1h-30m", utc, false, now - 5_400_000],
    ["now+5s", utc, false, now + 5000],
    ["now-2w", utc, false, now - 14 * 86_400_000],
    ["now-1M", utc, false, at("2026-10-20T12:34:56.789Z")],
    ["now-1y", utc, false, at("2025-11-20T12:34:56.789Z")],
    ["now/d", utc, false, at("2026-11-20T00:00:00Z")],
    ["now/d", utc, true, at("2026-11-20T23:59:59.999Z")],
    ["now-1d/d", utc, false, at("2026-11-19T00:00:00Z")],
    ["now/w", utc, false, at("2026-11-16T00:00:00Z")],
    ["now/M", utc, true, at("2026-11-30T23:59:59.999Z")],
    ["now/y", utc, false, at("2026-01-01T00:00:00Z")],
    ["now/h", utc, false, at("2026-11-20T12:00:00Z")],
    // Seoul is nine hours ahead: its day began at 15:00 UTC of the day before.
    ["now/d", "Asia/Seoul", false, at("2026-11-19T15:00:00Z")],
    ["2026-11-20", "Asia/Seoul", false, at("2026-11-19T15:00:00Z")],
    ["2026-11-20", utc, true, at("2026-11-20T23:59:59.999Z")],
    ["2026-11-20 09:00", "Asia/Seoul", false, at("2026-11-20T00:00:00Z")],
    ["2026-11-20T09:00:01Z", "Asia/Seoul", false, at("2026-11-20T09:00:01Z")],
    ["2026-11-20T09:00:00+09:00", utc, false, at("2026-11-20T00:00:00Z")],
    ["1795198244382", utc, false, 1795198244382],
    ["1795198244", utc, false, 1795198244000],
    ["2026-02-31", utc, false, undefined],
    ["2026-11-20 25:00", utc, false, undefined],
    ["yesterday", utc, false, undefined],
    ["", utc, false, undefined],
    ["now-", utc, false, undefined],
    ["now-1x", utc, false, undefined],
    ["now/q", utc, false, undefined],
    ["now-999999999y", utc, false, undefined],
    ["99999999999999999999", utc, false, undefined],
  ];
  it.each(cases)("%j in %s, end %s", (text, zone, end, expected) => {
    expect(parseTime(text, now, zone, end)).toBe(expected);
  });

  it("stops at the end of a shorter month", () => {
    expect(parseTime("now-1M", at("2026-03-31T10:00:00Z"), utc)).toBe(at("2026-02-28T10:00:00Z"));
  });

  it("follows the clock over a change to summer time", () => {
    // 29 March 2026 has 23 hours in Berlin.
    const start = parseTime("2026-03-29", now, "Europe/Berlin") ?? 0;
    const end = parseTime("2026-03-29", now, "Europe/Berlin", true) ?? 0;
    expect(end - start + 1).toBe(23 * 3_600_000);
  });
});

describe("ranges", () => {
  it("has an end after its beginning, or is none", () => {
    expect(parseRange("now-1h", "now", now, utc)).toEqual({ from: now - 3_600_000, to: now });
    expect(parseRange("now", "now-1h", now, utc)).toBeUndefined();
    expect(parseRange("now", "now", now, utc)).toBeUndefined();
    expect(parseRange("never", "now", now, utc)).toBeUndefined();
  });

  it("shifts and widens", () => {
    expect(shifted({ from: 100, to: 200 }, -0.5)).toEqual({ from: 50, to: 150 });
    expect(widened({ from: 100, to: 200 }, 2)).toEqual({ from: 50, to: 250 });
  });

  it("knows what moves with the clock", () => {
    expect(moves("now-1h", "now")).toBe(true);
    expect(moves("1795198244382", "1795198963194")).toBe(false);
  });

  it("reads back what it writes", () => {
    for (const zone of [utc, "Asia/Seoul", "America/St_Johns"]) {
      const whole = Math.floor(now / 1000) * 1000;
      expect(parseTime(wallClock(whole, zone), now, zone)).toBe(whole);
    }
  });
});

describe("durations", () => {
  it.each([
    ["5s", 5000],
    ["1m30s", 90_000],
    ["500ms", 500],
    ["1d", 86_400_000],
    ["off", undefined],
    ["", undefined],
    ["0s", undefined],
    ["-5s", undefined],
    ["5", undefined],
    ["5s ", undefined],
  ])("%j", (text, expected) => expect(parseDuration(text)).toBe(expected));
});

it("knows how far a zone is ahead", () => {
  expect(offsetAt(now, "Asia/Seoul")).toBe(9 * 3_600_000);
  expect(offsetAt(now, "America/St_Johns")).toBe(-3.5 * 3_600_000);
});
