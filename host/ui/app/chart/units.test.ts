import { describe, expect, it } from "vitest";
import { quantity, ticks, whole } from "./format";
import { dateBy, fromNow } from "./units";

const at = { language: "en", zone: "Asia/Seoul", now: Date.UTC(2026, 10, 20, 12, 0, 0) };
const text = (value: number, unit: string, decimals: number | null = null): string => whole(quantity(value, unit, decimals, at));

describe("quantity", () => {
  const cases: [value: number, unit: string, decimals: number | null, expected: string][] = [
    [0, "", null, "0"],
    [-0, "", null, "0"],
    [-0.001, "", 1, "0.0"],
    [1.5, "", null, "1.5"],
    [12345.678, "", null, "12346"],
    [0.000123456, "", null, "0.000123"],
    [2.34567, "none", 3, "2.346"],
    [NaN, "bytes", null, "NaN"],
    [Infinity, "s", null, "+∞"],
    [-Infinity, "s", null, "−∞"],
    [1234, "short", null, "1.23 K"],
    [1.5e9, "short", null, "1.5 Bil"],
    [999.999, "short", null, "1 K"],
    [999_999, "short", null, "1 Mil"],
    [999_800, "short", null, "1 Mil"],
    [1023.9996, "bytes", null, "1 KiB"],
    [59.9999, "s", null, "1 min"],
    [12.345, "percent", null, "12.3%"],
    [0.5, "percentunit", null, "50%"],
    [0.12345, "percentunit", 2, "12.35%"],
    [0, "bytes", null, "0 B"],
    [1023, "bytes", null, "1023 B"],
    [1536, "bytes", null, "1.5 KiB"],
    [1024 ** 3, "bytes", null, "1 GiB"],
    [-1536, "bytes", null, "-1.5 KiB"],
    [1e30, "bytes", null, "827181 YiB"],
    [1500, "decbytes", null, "1.5 kB"],
    [2048, "kbytes", null, "2 MiB"],
    [2048, "mbytes", null, "2 GiB"],
    [1e6, "bps", null, "1 Mb/s"],
    [1e6, "Bps", null, "1 MB/s"],
    [1024, "binBps", null, "1 KiB/s"],
    [1024, "KiBs", null, "1 MiB/s"],
    [1000, "MBs", null, "1 GB/s"],
    [8000, "decbits", null, "8 kb"],
    [1500, "reqps", null, "1.5 K req/s"],
    [3, "ops", null, "3 ops/s"],
    [3, "opm", null, "3 ops/min"],
    [0.3, "s", null, "300 ms"],
    [0.0003, "s", null, "300 µs"],
    [90, "s", null, "1.5 min"],
    [5400, "s", null, "1.5 h"],
    [86400, "s", null, "1 d"],
    [0, "s", null, "0 s"],
    [1500, "ms", null, "1.5 s"],
    [0.5, "ms", null, "500 µs"],
    [1500, "ns", null, "1.5 µs"],
    [90, "m", null, "1.5 h"],
    [93784, "dtdurations", null, "1 d 2 h"],
    [93784, "dtdurations", 3, "1 d 2 h 3 min 4 s"],
    [300, "dtdurations", null, "5 min"],
    [0, "dtdurations", null, "0 s"],
    [1500, "dtdurationms", null, "1 s 500 ms"],
    [93784, "dthms", null, "26:03:04"],
    [93784, "dtdhms", null, "1 d 02:03:04"],
    [3600, "clocks", null, "01:00:00"],
    [1.5e6, "hertz", null, "1.5 MHz"],
    [21.5, "celsius", null, "21.5 °C"],
    [0.0015, "volt", null, "1.5 mV"],
    [1.5, "kwatt", null, "1.5 kW"],
    [3, "rotrpm", null, "3 rpm"],
    [1500, "currencyKRW", null, "₩1.5K"],
    [1500, "currencyUSD", 2, "$1.50K"],
    [1234567.8, "locale", null, "1,234,567.8"],
    [255, "hex", null, "FF"],
    [255, "hex0x", null, "0xFF"],
    [1, "bool", null, "True"],
    [0, "bool_yes_no", null, "No"],
    [1, "bool_on_off", null, "On"],
    [5, "suffix:req", null, "5 req"],
    [5, "prefix:#", null, "#5"],
    [5000, "si:W", null, "5 kW"],
    [5000, "si:mF", null, "5 F"],
    [5000, "count:pods", null, "5 K pods"],
    [5000, "currency:원", null, "원5K"],
    [Date.UTC(2026, 10, 20, 0, 30), "dateTimeAsIso", null, "2026-11-20 09:30:00"],
    [Date.UTC(2026, 10, 20, 0, 30), "dateTimeAsIsoNoDateIfToday", null, "09:30:00"],
    [Date.UTC(2026, 10, 20, 11, 55), "dateTimeFromNow", null, "5m ago"],
    [1e20, "dateTimeAsIso", null, "–"],
    [Date.UTC(2026, 10, 20, 0, 30), "time:YYYY/MM/DD [at] HH:mm", null, "2026/11/20 at 09:30"],
    [5, "a unit nobody knows", null, "5 a unit nobody knows"],
    [5, "constructor", null, "5 constructor"],
    [5, "__proto__", null, "5 __proto__"],
  ];
  it.each(cases)("%d as %j with %s decimals", (value, unit, decimals, expected) => {
    expect(text(value, unit, decimals)).toBe(expected);
  });
});

describe("ticks", () => {
  it.each<[number[], string, number | null, string[]]>([
    [[0, 0.5, 1], "", null, ["0", "0.5", "1"]],
    [[0.25, 0.5, 0.75], "", null, ["0.25", "0.5", "0.75"]],
    [[0, 500, 1000, 1500], "short", null, ["0", "500", "1 K", "1.5 K"]],
    [[0.25, 0.5], "", 0, ["0.25", "0.5"]],
    [[0.2, 0.4], "percentunit", 0, ["20%", "40%"]],
    [[1, 2], "", 2, ["1.00", "2.00"]],
    [[0.1 + 0.2, 0.4], "", null, ["0.3", "0.4"]],
    [[0, 1024 ** 2 * 32], "bytes", null, ["0 B", "32 MiB"]],
  ])("%j as %s", (values, unit, decimals, expected) => expect(ticks(values, unit, decimals, at)).toEqual(expected));
});

it("writes dates by the zone", () => {
  expect(dateBy("ddd, D MMM YYYY HH:mm:ss.SSS", Date.UTC(2026, 10, 19, 23, 0, 0, 7), at)).toBe("Fri, 20 Nov 2026 08:00:00.007");
  expect(fromNow(at.now + 90_000, at)).toBe("in 2m");
});
