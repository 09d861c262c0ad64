import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { selectorOf } from "./catalog";
import { isCounter, metadataOf, plainSelector, rateOf, totalOf } from "./counter";
import { graphOf, mostDrawn, type Part, seriesName, tableOf, unitOf } from "./frames";
import { pastQueries, remember, withQueries } from "./history";
import { exploreLink, mostQueries } from "./link";
import { found, known } from "./metrics";
import { placeIn, plainMessage, positionOf, type SeriesResult, stretchAt } from "./run";
import { rangeOfLink, readState, writeState } from "./state";
import { autoStep, durationText, intervalOf, parseSeconds, rateWindow, stepFor } from "./steps";

const stateOf = (query: string) => readState(new URLSearchParams(query));
/** What the address becomes, and what is read from it again. */
function written(query: string): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(writeState(stateOf(query))))
    for (const one of value === null ? [] : typeof value === "string" ? [value] : value) out.append(name, one);
  return out.toString();
}

describe("the address", () => {
  it("holds several queries and how each is read", () => {
    const state = stateOf("expr=up&expr=a_total&expr=b_total&hide=A&total=B&rate=C&tab=table&step=15s&stack=1");
    expect(state.queries).toEqual([
      { expr: "up", hidden: true, reading: "plain" },
      { expr: "a_total", hidden: false, reading: "total" },
      { expr: "b_total", hidden: false, reading: "rate" },
    ]);
    expect([state.tab, state.step, state.stacked]).toEqual(["table", 15, true]);
  });

  it("is written as it is read", () => {
    for (const query of ["", "expr=up", "expr=&expr=up", "expr=a&expr=b&hide=B&total=A&tab=table&step=1m30s&stack=1&metrics=0"])
      expect(written(query)).toBe(query);
  });

  it("is one empty row without a query, and bounded with many", () => {
    expect(stateOf("").queries).toEqual([{ expr: "", hidden: false, reading: "plain" }]);
    expect(stateOf("expr=x&".repeat(50)).queries).toHaveLength(mostQueries);
    expect(stateOf("step=nonsense&tab=x").tab).toBe("graph");
  });

  it("takes the range of short and of old links", () => {
    const of = (query: string) => rangeOfLink(new URLSearchParams(query));
    expect(of("expr=up")).toBeUndefined();
    expect(of("range=6h")).toEqual({ from: "now-6h", to: "now" });
    expect(of("range=1h30m")).toEqual({ from: "now-5400s", to: "now" });
    expect(of("range=3600")).toEqual({ from: "now-3600s", to: "now" });
    expect(of("range=nonsense")).toEqual({ from: "now-3600s", to: "now" });
    const end = Date.UTC(2026, 10, 20, 9, 0);
    expect(of("range=1h&end=2026-11-20+09:00")).toEqual({ from: String(end - 3_600_000), to: String(end) });
    expect(of(`range=1h&end=${end / 1000}`)).toEqual({ from: String(end - 3_600_000), to: String(end) });
    expect(of("range=1h&end=yesterday")).toEqual({ from: "now-1h", to: "now" });
  });

  it("is made from queries", () => expect(exploreLink(["up", 'a{b="c"}'])).toMatch(/\/explore\?expr=up&expr=a%7Bb%3D%22c%22%7D&from=now-1h&to=now$/));
});

describe("lengths of time", () => {
  it("are written and read", () => {
    for (const text of ["1ms", "15s", "1m30s", "6h", "1d2h"]) expect(durationText((parseSeconds(text) ?? 0) * 1000)).toBe(text);
    expect([parseSeconds("2w"), parseSeconds("90"), parseSeconds(""), parseSeconds("5x"), parseSeconds("0")]).toEqual([1_209_600, 90, undefined, undefined, undefined]);
  });

  it("of a step give a point for about three pixels", () => {
    expect(autoStep(3_600_000, 1300)).toBe(10);
    expect(autoStep(60_000, 1300)).toBe(1);
    expect(autoStep(30 * 86_400_000, 1300)).toBe(7200);
    expect(autoStep(3_600_000, 0)).toBe(60);
  });

  it("of a step never ask for more points than the server gives", () => {
    expect(stepFor(1, 30 * 86_400_000, 1000)).toBe(300);
    expect(stepFor(15, 3_600_000, 1000)).toBe(15);
  });

  it("of a rate's window hold four scrapes and no less than a step", () => {
    expect(rateWindow(15, 10)).toBe(60);
    expect(rateWindow(60, 10)).toBe(300);
    expect(rateWindow(15, 7200)).toBe(10_800);
    expect(rateWindow(undefined, 10)).toBe(300);
    expect(intervalOf([0, 15, 30, 90, 105])).toBe(15);
    expect(intervalOf([5])).toBeUndefined();
  });
});

describe("counters", () => {
  const meta = {
    http_requests: [{ type: "counter", help: "Requests." }],
    latency: [{ type: "histogram", help: "Time." }],
    queue_count: [{ type: "gauge", help: "Waiting." }],
  };

  it("are known by their type, else by their name", () => {
    for (const name of ["http_requests", "http_requests_total", "latency_bucket", "latency_count", "x_total", "y_sum"])
      expect(isCounter(name, meta), name).toBe(true);
    for (const name of ["queue_count", "latency", "up", "total_x", "constructor"]) expect(isCounter(name, meta), name).toBe(false);
    expect(metadataOf("latency_sum", meta)?.help).toBe("Time.");
    expect(metadataOf("queue_total", meta)).toBeUndefined();
  });

  it("are offered for plain selectors alone", () => {
    expect(plainSelector(' x_total{a="b"} ')).toEqual({ text: 'x_total{a="b"}', metric: "x_total" });
    for (const expr of ["", "rate(x[5m])", "x offset 5m", "x[5m]", "x + y", '{__name__="x"}', "x{", "1", "-x", "x y"])
      expect(plainSelector(expr), expr).toBeUndefined();
  });

  it("are asked for their total as the test of the query language has it", () => {
    const script = readFileSync(join(import.meta.dirname, "../../../promql/tests/idioms/total_over_the_range.test"), "utf8");
    const flat = (text: string): string => text.replace(/\s+/g, " ");
    expect(flat(script)).toContain(flat(totalOf({ text: "born_total", metric: "born_total" }, "1h")));
    expect(totalOf({ text: "x_bucket", metric: "x_bucket" }, "1h")).toMatch(/^sum by \(le\) \(/);
    expect(rateOf({ text: "x", metric: "x" }, "1m")).toBe("rate(x[1m])");
  });
});

describe("mistakes", () => {
  it("have a place", () => {
    expect(placeIn('invalid parameter "query": 1:5: parse error: no')).toEqual({ line: 1, column: 5 });
    expect(placeIn("not a counter (2:7)")).toEqual({ line: 2, column: 7 });
    expect(placeIn("dial 10.0.0.1:9090: refused")).toBeUndefined();
    expect(plainMessage('invalid parameter "query": 1:5: no')).toBe("1:5: no");
  });

  it("are counted in bytes and shown in characters", () => {
    expect(positionOf("abc", { line: 1, column: 3 })).toBe(2);
    expect(positionOf('x{a="한글"} +', { line: 1, column: 14 })).toBe(9);
    expect(positionOf("ab\ncd", { line: 2, column: 2 })).toBe(4);
    expect(positionOf("ab", { line: 9, column: 1 })).toBe(2);
  });

  it("underline a word, and something at the end", () => {
    expect(stretchAt("sum(nosuch(x))", 4)).toEqual([4, 10]);
    expect(stretchAt("sum(", 4)).toEqual([3, 4]);
    expect(stretchAt("", 0)).toEqual([0, 0]);
  });
});

describe("answers", () => {
  const series = (n: number): SeriesResult[] =>
    Array.from({ length: n }, (_, i) => ({ metric: { __name__: "m", i: String(i) }, values: [[1, "1"], [2, "NaN"], [3, "+Inf"]] }));
  const part = (letter: string, n: number): Part => ({ letter, expr: "m", unit: "", data: { resultType: "matrix", result: series(n) } });

  it("become lines", () => {
    const { answer, shown, all } = graphOf([part("A", 2)], 1, false);
    expect([shown, all]).toEqual([2, 2]);
    expect(answer.frames[1]?.fields[1]).toMatchObject({ display_name: 'm{i="1"}', values: { kind: "numbers", value: [1, null, "+Inf"] } });
    expect(answer.frames[0]?.fields[0]?.values.value).toEqual([1000, 2000, 3000]);
  });

  it("are drawn up to a number, and each query has its share", () => {
    const { answer, shown, all } = graphOf([part("A", 3000), part("B", 3)], 1, false);
    expect([shown, all]).toEqual([mostDrawn, 3003]);
    expect(answer.frames.filter(({ query }) => query === "B")).toHaveLength(3);
    // The same name from two queries is told apart.
    expect(answer.frames.at(-1)?.fields[1]?.display_name).toBe('B: m{i="2"}');
  });

  it("become tables with a column for each label", () => {
    const { frames, rows } = tableOf(
      {
        letter: "A",
        expr: "x",
        unit: "",
        data: {
          resultType: "vector",
          result: [
            { metric: { b: "1" }, value: [1, "2"] },
            { metric: { __name__: "x", a: "3" }, value: [1, "NaN"] },
          ],
        },
      },
      "Value",
      "Time",
    );
    expect(rows).toBe(2);
    expect(frames[0]?.fields.map(({ name }) => name)).toEqual(["__name__", "a", "b", "Value"]);
    expect(frames[0]?.fields[3]?.values.value).toEqual([2, null]);
    expect(tableOf({ ...part("A", 5000) }, "Value", "Time").rows).toBe(10_000);
    expect(tableOf({ letter: "A", expr: "1", unit: "", data: { resultType: "scalar", result: [1, "7"] } }, "Value", "Time").rows).toBe(1);
  });

  it("have names and units", () => {
    expect(seriesName({ __name__: "up", job: 'a"b' })).toBe('up{job="a\\"b"}');
    expect(seriesName({})).toBe("");
    expect([unitOf("node_network_receive_bytes_total", true), unitOf("x_seconds", false), unitOf("x_seconds_count", false)]).toEqual(["binBps", "s", ""]);
  });
});

describe("the list of metrics", () => {
  const all = known(["a_total", "b_seconds", "seconds_first"], { b_seconds: [{ type: "gauge", help: "Time of A." }] });
  it("is searched in names and help, names first", () => {
    expect(found(all, "seconds").map(({ name }) => name)).toEqual(["seconds_first", "b_seconds"]);
    expect(found(all, "a").map(({ name }) => name)).toEqual(["a_total", "b_seconds"]);
    expect(found(all, "")).toHaveLength(3);
    expect(found(all, "nothing")).toEqual([]);
  });

  it("searches ten thousand names", () => {
    const many = known(Array.from({ length: 10_000 }, (_, i) => `metric_${i}`), {});
    expect(found(many, "metric_9999").map(({ name }) => name)).toEqual(["metric_9999"]);
  });

  it("writes selectors that the server reads", () => {
    expect(selectorOf("up")).toBe("up");
    expect(selectorOf("up", "job", 'a"\\')).toBe('up{job="a\\"\\\\"}');
    expect(selectorOf("my.metric", "a.b", "c")).toBe('{"my.metric", "a.b"="c"}');
  });
});

describe("past queries", () => {
  beforeEach(() => localStorage.clear());
  it("are kept once each, the latest first, and bounded", () => {
    expect(withQueries(["a", "b"], ["b", " ", "c"])).toEqual(["b", "c", "a"]);
    expect(withQueries(Array.from({ length: 60 }, (_, i) => `q${i}`), ["x".repeat(5000)])).toHaveLength(50);
    remember(["up"]);
    expect(pastQueries()).toEqual(["up"]);
    localStorage.setItem("skopos.explore.history", '{"no": "list"}');
    expect(pastQueries()).toEqual([]);
  });
});
