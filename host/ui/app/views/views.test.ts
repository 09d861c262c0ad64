import { describe, expect, it } from "vitest";
import type { Alert, PanelPlace, Rule, RuleGroup, Target } from "../api";
import { inSight } from "../parts/virtual-rows";
import { active } from "./alerts";
import { gridLines, sections } from "./dashboard";
import { describe as describeRange } from "./range-picker";
import { aheadTexts } from "./senders";
import { byJob, fits } from "./targets";
import { chosen, switched } from "./variables";

const panel = (id: number, y: number, more: Partial<PanelPlace> = {}): PanelPlace => ({
  id,
  title: `p${id}`,
  description: "",
  type: "stat",
  kind: "panel",
  reason: "",
  collapsed: false,
  grid: { x: 0, y, w: 12, h: 4 },
  transparent: false,
  ...more,
});

describe("senders", () => {
  it("are named while their clock is ahead, and not for long after", () => {
    const ahead = { at: 1000, seconds: 3599.6, address: "10.0.0.7", job: "node", instance: "a:1" };
    const senders = [
      { name: "ann", rejected: { too_new: 12 }, ahead },
      { name: "bob", rejected: { too_new: 0 }, ahead: null },
    ];
    expect(aheadTexts({ senders }, 1060)).toEqual([
      'The clock of the sender ann (10.0.0.7) is 3,600 s ahead: 12 of its samples were refused, such as those of {job="node", instance="a:1"}. Set its clock.',
    ]);
    expect(aheadTexts({ senders }, 5000)).toEqual([]);
  });
});

describe("sections", () => {
  it("cuts at rows, and each begins at its own first line", () => {
    const cut = sections([panel(1, 5), panel(2, 1), panel(3, 9, { kind: "row", collapsed: true }), panel(4, 10), panel(5, 14)]);
    expect(cut.map(({ row, panels }) => [row?.id, panels.map(({ id, grid }) => [id, grid.y])])).toEqual([
      [
        undefined,
        [
          [2, 0],
          [1, 4],
        ],
      ],
      [
        3,
        [
          [4, 0],
          [5, 4],
        ],
      ],
    ]);
  });
  it("keeps a row without panels", () => expect(sections([panel(1, 0, { kind: "row" })])).toHaveLength(1));
});

it.each([
  [{ x: 20, y: 0, w: 12, h: 4 }, ["13", "1", "12", "4"]],
  [{ x: -3, y: -1, w: 0, h: 0 }, ["1", "1", "1", "1"]],
  [{ x: NaN, y: NaN, w: NaN, h: NaN }, ["1", "1", "1", "1"]],
  [{ x: 0, y: 1e12, w: 99, h: 1e9 }, ["1", "10000", "24", "200"]],
])("a place of %j stays in the grid", (grid, expected) => {
  const lines = gridLines({ grid });
  expect([lines["--x"], lines["--y"], lines["--w"], lines["--h"]]).toEqual(expected);
});

const target = (pool: string, url: string, health: Target["health"], labels = {}): Target => ({
  discoveredLabels: {},
  labels,
  scrapePool: pool,
  scrapeUrl: url,
  globalUrl: url,
  lastError: health === "down" ? "connection refused" : "",
  lastScrape: "",
  lastScrapeDuration: 0,
  health,
  scrapeInterval: "",
  scrapeTimeout: "",
});

it("targets stand by job, those that are down first", () => {
  const jobs = byJob([
    target("b", "http://b:1", "up"),
    target("a", "http://a:10", "up"),
    target("a", "http://a:9", "up"),
    target("a", "http://a:11", "down"),
  ]);
  expect(jobs.map(({ name, up, targets }) => [name, up, targets.map(({ scrapeUrl }) => scrapeUrl)])).toEqual([
    ["a", 2, ["http://a:11", "http://a:9", "http://a:10"]],
    ["b", 1, ["http://b:1"]],
  ]);
});

it("a search fits if each of its words does", () => {
  const one = target("access-log", "http://10.0.0.4:80/metrics", "down", { zone: "Seoul" });
  expect(["10.0.0.4", "ZONE=seoul", "access refused", "zone=seoul 4:80"].every((text) => fits(one, text))).toBe(true);
  expect(fits(one, "access busan")).toBe(false);
});

it("alerts stand by state, severity and age", () => {
  const alert = (state: Alert["state"], severity: string, activeAt: string): Alert => ({
    labels: { severity, id: `${state} ${severity} ${activeAt}` },
    annotations: {},
    state,
    activeAt,
    value: "1",
  });
  const alerts = [
    alert("pending", "critical", "2026-01-01T00:00:00Z"),
    alert("firing", "warning", "2026-01-01T00:00:00Z"),
    alert("firing", "critical", "2026-01-02T00:00:00Z"),
    alert("firing", "critical", "2026-01-01T00:00:00Z"),
    alert("firing", "strange", "2026-01-01T00:00:00Z"),
  ];
  const groups: RuleGroup[] = [
    {
      name: "g",
      file: "f",
      interval: 1,
      rules: [
        { type: "alerting", name: "r", query: "", health: "ok", evaluationTime: 0, lastEvaluation: "", alerts } as Rule,
        { type: "recording", name: "x", query: "", health: "ok", evaluationTime: 0, lastEvaluation: "" },
      ],
    },
  ];
  expect(active(groups).map((one) => alerts.indexOf(one.alert))).toEqual([3, 2, 1, 4, 0]);
});

it("variables come from the address, else from the dashboard", () => {
  const variable = { name: "job", label: "", type: "query", multi: true, include_all: true, hide: 0, current: ["a"], options: [] };
  expect(chosen([variable], new URLSearchParams(""))).toEqual({ job: ["a"] });
  expect(chosen([variable], new URLSearchParams("var-job=b&var-job=c&var-other=x"))).toEqual({ job: ["b", "c"] });
});

it("everything stands alone among the choices", () => {
  expect(switched(["$__all"], "a", true)).toEqual(["a"]);
  expect(switched(["a"], "b", true)).toEqual(["a", "b"]);
  expect(switched(["a", "b"], "$__all", true)).toEqual(["$__all"]);
  expect(switched(["a"], "a", true)).toEqual(["$__all"]);
  expect(switched(["a"], "a", false)).toEqual([]);
});

it("of a long table only what is in sight is drawn", () => {
  expect(inSight(0, 300, 30, 10_000)).toEqual({ first: 0, end: 26 });
  expect(inSight(30_000, 300, 30, 10_000)).toEqual({ first: 992, end: 1018 });
  expect(inSight(1e9, 300, 30, 10)).toEqual({ first: 0, end: 10 });
  expect(inSight(0, 300, 30, 0)).toEqual({ first: 0, end: 0 });
});

it("the button says the range in words", () => {
  const shown = { from: Date.UTC(2026, 10, 20, 9), to: Date.UTC(2026, 10, 20, 10, 30) };
  expect(describeRange("now-6h", "now", shown, "UTC")).toBe("Last 6 hours");
  expect(describeRange("now-1h", "now", shown, "UTC")).toBe("Last hour");
  expect(describeRange("0", "1", shown, "UTC")).toMatch(/^Nov 20, 2026, 09:00\s–\s10:30$/);
  expect(describeRange("0", "1", shown, "Asia/Seoul")).toMatch(/^Nov 20, 2026, 18:00\s–\s19:30$/);
});
