// A server that answers like Skopos, with made-up data: for working on the pages, and for looks that a healthy server does
// not show. It serves a built bundle under the same strict policy as the real one.
//
//   node mock-server.mjs <folder with index.html> [port]
//
// The first line that it prints is its address. `GET /mock/fail?on=1` makes the API fail until `on=0`;
// `GET /mock/targets?more=10000` makes a long list of targets.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const root = process.argv[2];
const port = Number(process.argv[3] ?? 0);
if (root === undefined || !Number.isInteger(port)) {
  console.error("usage: node mock-server.mjs <folder with index.html> [port]");
  process.exit(2);
}

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
const pages = /^\/($|targets$|explore$|alerts$|plugins$|queries$|welcome$|dashboards$|d\/|nothing)/;
let failing = false;
let readOnly = false;
let restarted = 0;
let more = 0;

// --- Data -----------------------------------------------------------------------------------------------------------------

/** A number from 0 to 1 that depends on nothing but its arguments. */
function noise(seed, at) {
  const x = Math.sin(seed * 127.1 + at * 311.7) * 43758.5453;
  return x - Math.floor(x);
}

function wave(seed, time) {
  const hours = time / 3_600_000;
  return 0.5 + 0.3 * Math.sin(hours * 5 + seed) + 0.1 * Math.sin(hours * 31 + seed * 2) + 0.1 * noise(seed, Math.floor(time / 5000));
}

const plain = {
  unit: "",
  decimals: null,
  min: null,
  max: null,
  color: { kind: "palette" },
  thresholds: [],
  mappings: [],
  no_value: "",
  links: [],
  custom: {},
};
const levels = [
  { value: "-Inf", color: "green" },
  { value: 60, color: "orange" },
  { value: 85, color: "red" },
];

function times({ from, to }) {
  const step = Math.max(1000, Math.ceil((to - from) / 300 / 1000) * 1000);
  const out = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) out.push(at);
  return out;
}

function frame(name, x, y, config = 0, labels = {}) {
  return {
    query: "A",
    name,
    fields: [
      { name: "Time", labels: {}, display_name: "Time", config: 0, values: { kind: "times", value: x } },
      { name: "Value", labels, display_name: name, config, values: { kind: "numbers", value: y } },
    ],
  };
}

const axis = (more = {}) => ({
  label: "",
  side: "auto",
  config: 0,
  soft_min: null,
  soft_max: null,
  scale: { kind: "linear" },
  centered: false,
  grid: "auto",
  thresholds: "none",
  ...more,
});
const line = (i, more = {}) => ({
  x: { frame: i, field: 0 },
  y: { frame: i, field: 1 },
  color: "",
  mark: { kind: "line", value: "linear" },
  axis: 0,
  line_width: 1.5,
  dash: [],
  fill_opacity: 0.1,
  gradient: "opacity",
  fill_below_to: null,
  points: "never",
  point_size: 5,
  nulls: { kind: "gap" },
  stack: null,
  negate: false,
  hidden_from: [],
  ...more,
});

function chart(series, more = {}) {
  return {
    kind: "chart",
    value: {
      series,
      x_axis: axis({ side: "bottom" }),
      axes: [axis()],
      regions: [],
      legend: { placement: "bottom", table: false, calculations: [], sort_by: "", descending: false },
      tooltip: { mode: "all", sort: "descending" },
      ...more,
    },
  };
}

const reading = (i, value, more = {}) => ({
  source: { frame: i, field: 1 },
  value: { kind: "number", value },
  title: "",
  spark: { frame: i, field: 0 },
  change: null,
  ...more,
});
const stats = (readings, more = {}) => ({
  kind: "stats",
  value: { readings, orientation: "auto", show: "auto", paint: "value", centered: false, title_size: null, value_size: null, ...more },
});

/** Answers of panels by id: what they draw from a range. */
const drawings = {
  1: (r) =>
    one(
      r,
      3,
      (v) => 20 + 75 * v,
      { ...plain, unit: "percent", color: { kind: "thresholds" }, thresholds: levels },
      (last) => stats([reading(0, last)]),
    ),
  2: (r) =>
    one(
      r,
      5,
      (v) => 3e8 + 9e8 * v,
      { ...plain, unit: "bytes" },
      (last) => stats([reading(0, last, { change: 0.132 })], { paint: "none" }),
    ),
  3: (r) =>
    one(
      r,
      1,
      () => 3,
      {
        ...plain,
        color: { kind: "thresholds" },
        thresholds: [
          { value: "-Inf", color: "red" },
          { value: 3, color: "green" },
        ],
      },
      () => stats([reading(0, 3, { spark: null })], { paint: "background" }),
    ),
  4: (r) =>
    one(
      r,
      8,
      (v) => v / 200,
      { ...plain, unit: "s" },
      (last) => stats([reading(0, last)]),
    ),
  5: (r) =>
    several(
      r,
      ["GET 200", "GET 404", "POST 201", "POST 500"],
      (v, i) => (v * 40) / (i + 1),
      { ...plain, unit: "reqps" },
      (n) => chart(n.map((_, i) => line(i, { stack: { group: "A", mode: "normal" }, fill_opacity: 0.35, gradient: "none" }))),
    ),
  6: (r) => ({
    ...several(
      r,
      ["p50", "p90", "p99"],
      (v, i) => (0.02 + 0.1 * v) * (i + 1) ** 2,
      {
        ...plain,
        unit: "s",
        thresholds: [
          { value: "-Inf", color: "green" },
          { value: 0.8, color: "red" },
        ],
      },
      (n) =>
        chart(
          n.map((_, i) => line(i, { mark: { kind: "line", value: "smooth" } })),
          {
            axes: [axis({ thresholds: "dashed", soft_max: 1 })],
            regions: [{ from: r.from + (r.to - r.from) * 0.6, to: r.from + (r.to - r.from) * 0.7, title: "deploy 1.4", color: "purple" }],
            legend: { placement: "right", table: true, calculations: ["mean", "max", "lastNotNull"], sort_by: "max", descending: true },
          },
        ),
    ),
    warnings: ["The query returned 3 of 4 series."],
  }),
  7: (r) => {
    const x = times(r);
    const gaps = x.map((at, i) => (i % 60 > 50 ? null : 1024 ** 2 * (40 + 30 * wave(2, at))));
    return {
      frames: [
        frame("10.0.0.1:9100 received", x, gaps),
        frame(
          "10.0.0.1:9100 sent",
          x,
          x.map((at) => 1024 ** 2 * 20 * wave(9, at)),
        ),
      ],
      configs: [{ ...plain, unit: "binBps" }],
      view: chart([line(0), line(1, { negate: true })]),
      warnings: [],
    };
  },
  8: (r) =>
    several(
      r,
      ["user", "system", "iowait", "idle"],
      (v, i) => [30, 10, 4, 56][i] * (0.6 + v),
      { ...plain, unit: "percent" },
      (n) =>
        chart(
          n.map((_, i) =>
            line(i, {
              stack: { group: "A", mode: "percent" },
              fill_opacity: 0.6,
              gradient: "none",
              line_width: 1,
              mark: { kind: "line", value: "step-after" },
            }),
          ),
        ),
    ),
  9: (r) =>
    several(
      r,
      Array.from({ length: 14 }, (_, i) => `accesslog-${i + 1}`),
      (v, i) => Math.exp(v * 9 + i / 3),
      plain,
      (n) =>
        chart(
          n.map((_, i) => line(i, { fill_opacity: 0 })),
          { axes: [axis({ scale: { kind: "log", value: 10 } })] },
        ),
    ),
  10: (r) => {
    const step = (r.to - r.from) / 24;
    const x = Array.from({ length: 24 }, (_, i) => Math.round(r.from + i * step));
    return {
      frames: [
        frame(
          "scraps",
          x,
          x.map((at) => Math.round(500 * wave(4, at))),
        ),
      ],
      configs: [plain],
      view: chart(
        [
          line(0, {
            mark: { kind: "bars", value: { alignment: "after", width: 0.9, labels: "auto", horizontal: false } },
            fill_opacity: 0.8,
            gradient: "none",
          }),
        ],
        { tooltip: { mode: "one", sort: null } },
      ),
      warnings: [],
    };
  },
  11: (r) =>
    several(
      r,
      ["/", "/data", "/var/lib/docker", "/boot"],
      (v, i) => 20 + 20 * i + 10 * v,
      { ...plain, unit: "percent", min: 0, max: 100, color: { kind: "thresholds" }, thresholds: levels },
      (n, last) => ({
        kind: "bar-gauges",
        value: {
          readings: n.map((_, i) => reading(i, last[i])),
          orientation: "horizontal",
          style: "gradient",
          unfilled: true,
          show: "value-and-name",
        },
      }),
    ),
  12: (r) =>
    several(
      r,
      ["CPU", "Memory"],
      (v, i) => 45 + 25 * i + 20 * v,
      { ...plain, unit: "percent", min: 0, max: 100, color: { kind: "thresholds" }, thresholds: levels },
      (n, last) => ({
        kind: "gauges",
        value: { readings: n.map((_, i) => reading(i, last[i])), orientation: "auto", threshold_markers: true, threshold_labels: false },
      }),
    ),
  13: () => ({
    frames: [
      {
        query: "A",
        name: "",
        fields: [
          {
            name: "instance",
            labels: {},
            display_name: "Instance",
            config: 0,
            values: { kind: "strings", value: Array.from({ length: 10_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}:9100`) },
          },
          {
            name: "Value",
            labels: {},
            display_name: "Requests",
            config: 1,
            values: {
              kind: "numbers",
              value: Array.from({ length: 10_000 }, (_, i) => (i % 37 === 0 ? null : Math.round(1e6 * noise(1, i)))),
            },
          },
          {
            name: "State",
            labels: {},
            display_name: "State",
            config: 2,
            values: { kind: "numbers", value: Array.from({ length: 10_000 }, (_, i) => (i % 9 === 0 ? 0 : 1)) },
          },
        ],
      },
    ],
    configs: [
      { ...plain, links: [{ title: "Its board", url: "/d/many?var-instance=${__value.raw}", new_tab: false }] },
      { ...plain, unit: "short" },
      {
        ...plain,
        mappings: [
          { matches: { kind: "text", value: "1" }, text: "정상", color: "green" },
          { matches: { kind: "text", value: "0" }, text: "장애", color: "red" },
        ],
      },
    ],
    view: {
      kind: "table",
      value: {
        frame: 0,
        rows: null,
        columns: [0, 1, 2].map((field) => ({
          field,
          title: "",
          cell: field === 1 ? { kind: "gauge", value: "gradient" } : { kind: field === 2 ? "colored-background" : "auto" },
          align: "auto",
          width: null,
          wrap: false,
          filter: field === 0,
          footer: ["count", "sum", ""][field],
        })),
        header: true,
        sort: [1, "descending"],
        page_size: null,
      },
    },
    warnings: [],
  }),
  14: () => ({
    frames: [],
    configs: [],
    warnings: [],
    view: {
      kind: "text",
      value: {
        content:
          "# Runbook\n<b>Not bold</b>, <img src=x onerror=alert(1)> and no script.\n서비스 알람 정책: 디스크 사용량이 85 %를 넘으면 담당자에게.",
        format: { kind: "markdown" },
      },
    },
  }),
  15: () => ({
    frames: [],
    configs: [],
    warnings: [],
    view: { kind: "empty", value: "The query `rate(nothing_total[5m])` has no series." },
  }),
  16: () => ({
    frames: [],
    configs: [],
    warnings: [],
    view: {
      kind: "svg",
      value:
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 80"><script>document.title="no"</script><rect width="200" height="80" rx="8" fill="#4d94f5"/><text x="100" y="48" text-anchor="middle" fill="#fff" font-size="22">svg</text></svg>',
    },
  }),
  17: () => new Error("vector cannot contain metrics with the same labelset"),
  18: () => ({ frames: [], configs: [], warnings: [], view: { kind: "pie", value: {} } }),
  // A thousand points of each of ten series, whatever the range is.
  ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [200 + n, (r) => thousand(r, n)])),
  19: (r) => ({ ...drawings[5](r), view: chart([line(99)]) }),
};

function thousand({ from, to }, seed) {
  const x = Array.from({ length: 1000 }, (_, i) => Math.round(from + ((to - from) * i) / 999));
  return {
    frames: Array.from({ length: 10 }, (_, i) =>
      frame(
        `series ${i + 1}`,
        x,
        x.map((at) => wave(seed * 10 + i, at) + i),
      ),
    ),
    configs: [plain],
    view: chart(Array.from({ length: 10 }, (_, i) => line(i))),
    warnings: [],
  };
}

function one(r, seed, map, config, view) {
  const x = times(r);
  const y = x.map((at) => map(wave(seed, at)));
  return { frames: [frame("value", x, y)], configs: [config], view: view(y.at(-1)), warnings: [] };
}

function several(r, names, map, config, view) {
  const x = times(r);
  const columns = names.map((_, i) => x.map((at) => map(wave(i * 3 + 1, at), i)));
  return {
    frames: names.map((name, i) => frame(name, x, columns[i], 0, { name })),
    configs: [config],
    view: view(
      names,
      columns.map((y) => y.at(-1)),
    ),
    warnings: [],
  };
}

const panel = (id, title, type, x, y, w, h, more = {}) => ({
  id,
  title,
  description: "",
  type,
  kind: "panel",
  reason: "",
  collapsed: false,
  grid: { x, y, w, h },
  transparent: false,
  ...more,
});
const board = (uid, title, panels, more = {}) => ({
  uid,
  title,
  description: "",
  tags: [],
  time: { from: "now-1h", to: "now" },
  refresh: "2s",
  timezone: "",
  warnings: [],
  variables: [],
  panels,
  ...more,
});

const boards = [
  board("home", "Skopos at work", [
    panel(1, "CPU", "stat", 0, 0, 6, 4),
    panel(2, "Memory", "stat", 6, 0, 6, 4, { description: "Resident memory of this process." }),
    panel(3, "Targets up", "stat", 12, 0, 6, 4),
    panel(4, "Query time, 99 %", "stat", 18, 0, 6, 4),
    panel(5, "Requests by answer", "timeseries", 0, 4, 12, 8),
    panel(6, "Scrap latency", "timeseries", 12, 4, 12, 8),
    panel(7, "Network", "timeseries", 0, 12, 12, 8),
    panel(8, "CPU by mode", "timeseries", 12, 12, 12, 8),
    panel(9, "Series by instance", "timeseries", 0, 20, 16, 8),
    panel(10, "Scraps an hour", "timeseries", 16, 20, 8, 8),
  ]),
  board(
    "many",
    "Twenty panels of ten series",
    Array.from({ length: 20 }, (_, i) => panel(200 + i, `Panel ${i + 1}`, "timeseries", (i % 4) * 6, Math.floor(i / 4) * 5, 6, 5)),
    { refresh: "" },
  ),
  board(
    "looks",
    "Every look",
    [
      panel(100, "Readings", "row", 0, 0, 24, 1, { kind: "row" }),
      panel(11, "Disks", "bargauge", 0, 1, 8, 7),
      panel(12, "Load", "gauge", 8, 1, 8, 7),
      panel(13, "Instances", "table", 16, 1, 8, 7),
      panel(101, "Words and pictures", "row", 0, 8, 24, 1, { kind: "row" }),
      panel(14, "Runbook", "text", 0, 9, 8, 6),
      panel(15, "Nothing there", "timeseries", 8, 9, 8, 6),
      panel(16, "Picture", "svg", 16, 9, 8, 6),
      panel(17, "Broken query", "timeseries", 0, 15, 8, 6),
      panel(18, "Not drawn yet", "piechart", 8, 15, 8, 6),
      panel(20, "World", "geomap", 16, 15, 4, 6, {
        kind: "placeholder",
        reason: "No plugin draws panels of this type: put geomap.wasm into plugins/.",
      }),
      panel(19, "A view that is wrong", "timeseries", 20, 15, 4, 6),
      panel(102, "Folded", "row", 0, 21, 24, 1, { kind: "row", collapsed: true }),
      panel(5, "Requests", "timeseries", 0, 22, 24, 8),
    ],
    {
      tags: ["demo"],
      warnings: ["Panel 18: piechart is drawn from part 2 on."],
      variables: [
        {
          name: "job",
          label: "Job",
          type: "query",
          multi: false,
          include_all: false,
          hide: 0,
          current: ["access-log"],
          options: [
            { text: "access-log", value: "access-log" },
            { text: "iotd-api", value: "iotd-api" },
          ],
        },
        {
          name: "instance",
          label: "",
          type: "query",
          multi: true,
          include_all: true,
          hide: 0,
          current: ["$__all"],
          options: [1, 2, 3].map((i) => ({ text: `10.0.0.${i}:80`, value: `10.0.0.${i}:80` })),
        },
      ],
    },
  ),
];

function targets() {
  const now = Date.now();
  const target = (pool, i, health, lastError = "") => ({
    discoveredLabels: {
      __address__: `10.0.${i >> 8}.${i & 255}:80`,
      __meta_dns_name: "accesslog",
      __metrics_path__: "/metrics",
      __scheme__: "http",
      job: pool,
    },
    labels: { instance: `10.0.${i >> 8}.${i & 255}:80`, job: pool, zone: `z${i % 3}` },
    scrapePool: pool,
    scrapeUrl: `http://10.0.${i >> 8}.${i & 255}:80/metrics`,
    globalUrl: `http://10.0.${i >> 8}.${i & 255}:80/metrics`,
    lastError,
    lastScrape: health === "unknown" ? "0001-01-01T00:00:00Z" : new Date(now - 900 - (i % 9) * 700).toISOString(),
    lastScrapeDuration: 0.0013 * ((i % 7) + 1),
    health,
    scrapeInterval: "3s",
    scrapeTimeout: "3s",
  });
  const few = [
    target("skopos", 1, "up"),
    target("access-log", 2, "up"),
    target("access-log", 3, "up"),
    target("access-log", 4, "down", 'Get "http://10.0.0.4:80/metrics": dial tcp 10.0.0.4:80: connect: connection refused'),
    target("image-gallery", 5, "down", 'line 7, column 23: expected a number, found "12abc" in `http_requests_total{code="200"} 12abc`'),
    target("iotd-api", 6, "unknown"),
  ];
  const many = Array.from({ length: more }, (_, i) =>
    target(`pool-${i % 40}`, i + 10, i % 97 === 0 ? "down" : "up", i % 97 === 0 ? "context deadline exceeded" : ""),
  );
  return { activeTargets: [...few, ...many], droppedTargets: [], droppedTargetCounts: {} };
}

function rules() {
  const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
  const alert = (name, severity, state, seconds, value, more = {}) => ({
    labels: { alertname: name, severity, ...more },
    annotations: {
      summary: `${name} on ${more.instance ?? "all"}`,
      description: "Look at the dashboard first.\nThen call whoever is on duty.",
    },
    state,
    activeAt: ago(seconds),
    value,
  });
  const alerting = (name, query, alerts, more = {}) => ({
    type: "alerting",
    name,
    query,
    duration: 300,
    keepFiringFor: 0,
    labels: { severity: alerts[0]?.labels.severity ?? "info" },
    annotations: {},
    alerts,
    health: "ok",
    evaluationTime: 0.00021,
    lastEvaluation: ago(7),
    state: alerts.some(({ state }) => state === "firing") ? "firing" : alerts.length > 0 ? "pending" : "inactive",
    ...more,
  });
  return {
    groups: [
      {
        name: "availability",
        file: "rules/availability.yml",
        interval: 15,
        rules: [
          alerting("TargetDown", "up == 0", [
            alert("TargetDown", "critical", "firing", 3700, "0e+00", { instance: "10.0.0.4:80", job: "access-log" }),
            alert("TargetDown", "critical", "pending", 40, "0e+00", { instance: "10.0.0.5:80", job: "image-gallery" }),
          ]),
          alerting("DiskFillsUp", 'predict_linear(node_filesystem_avail_bytes{mountpoint="/"}[6h], 4 * 3600) < 0', [
            alert("DiskFillsUp", "warning", "firing", 90000, "-1.2345e+09", { instance: "10.0.0.1:9100", team: "인프라" }),
          ]),
          alerting("SlowScraps", "histogram_quantile(0.99, sum by (le) (rate(scrap_duration_seconds_bucket[5m]))) > 1", []),
        ],
      },
      {
        name: "records",
        file: "rules/records.yml",
        interval: 60,
        rules: [
          {
            type: "recording",
            name: "job:access_log:rate5m",
            query: "sum by (job) (rate(access_log_total[5m]))",
            labels: {},
            health: "ok",
            evaluationTime: 0.0004,
            lastEvaluation: ago(31),
          },
          {
            type: "recording",
            name: "job:broken",
            query: "sum by (job) (a / b)",
            labels: {},
            health: "err",
            lastError: "many-to-many matching not allowed: matching labels must be unique on one side",
            evaluationTime: 0.0001,
            lastEvaluation: ago(31),
          },
        ],
      },
    ],
  };
}

const deliveries = () => [
  {
    receiver: "slack/team",
    group_key: '{}:{alertname="TargetDown"}',
    labels: { alertname: "TargetDown" },
    alerts: 1,
    last: { at: Date.now() - 240_000, attempts: 1, error: "", pending: false },
    next_flush: Date.now() + 60_000,
  },
  {
    receiver: "slack/infra",
    group_key: '{}:{alertname="DiskFillsUp"}',
    labels: { alertname: "DiskFillsUp" },
    alerts: 1,
    last: { at: Date.now() - 12_000, attempts: 2, error: "429 Too Many Requests, again in 30 s", pending: true },
    next_flush: Date.now() + 18_000,
  },
];

const plugins = () => ({
  plugins: [
    {
      name: "dns",
      kinds: ["discovery"],
      origin: "embedded",
      error: "",
      version: "0.1.0",
      summary: "Finds targets by DNS records.",
      grants: ["dns: accesslog"],
      refused: [],
      calls: 1200,
      failures: 0,
      last_error: "",
      mean_call_us: 410,
    },
    {
      name: "opengraph",
      kinds: ["exporter", "http-handler"],
      origin: "embedded",
      error: "",
      version: "0.1.0",
      summary: "Reads the OpenGraph properties of a page.",
      grants: ["http: public", "serve: /api/v1/scrap"],
      refused: [
        {
          what: "http://169.254.169.254/latest/meta-data",
          count: 3,
          line_to_add: 'plugins:\n  opengraph:\n    grants: {http: ["http://169.254.169.254/"]}',
        },
      ],
      calls: 88,
      failures: 3,
      last_error: "169.254.169.254 is a link-local address, which `public` does not include",
      mean_call_us: 52300,
    },
    {
      name: "timeseries",
      kinds: ["panel"],
      origin: "embedded",
      error: "",
      version: "0.1.0",
      summary: "",
      grants: [],
      refused: [],
      calls: 42,
      failures: 0,
      last_error: "",
      mean_call_us: 730,
    },
    {
      name: "consul",
      kinds: [],
      origin: "file",
      error: "plugins/consul.wasm: unexpected end at offset 0x4a1: this is no complete component",
      refused: [],
    },
  ],
});

const token = () => `token-${restarted}`;
const session = () => ({
  token: token(),
  read_only: readOnly,
  reason: readOnly ? "no_users" : "none",
  loopback: !readOnly,
  tls: false,
  users: false,
  user: null,
});
const receivers = () => [
  { name: "team", integrations: ["slack", "webhook"] },
  { name: "nobody", integrations: [] },
];
const flags = () => ({ "config.file": "" });

/** As the server does it: a change from a page needs the token of this very process. */
function tested(name, { method, headers }) {
  if (method !== "POST") return failure(405, "bad_data", "only POST");
  if (readOnly) return failure(403, "forbidden", "read-only: this address can be reached by others and there are no users");
  if (headers["x-skopos-token"] !== token()) return failure(403, "forbidden", "the header X-Skopos-Token is not that of this process");
  if (name !== "team") return failure(404, "not_found", `there is no receiver ${name}`);
  return success({
    results: [
      { integration: "slack[0]", ok: true, error: "" },
      { integration: "webhook[0]", ok: false, error: "hook.example: connection refused" },
    ],
  });
}

// --- Queries that run: two, until one is stopped; none with /mock/running?on=0 --------------------------------------------------

let running = [];
function setRunning(on) {
  const one = { start: 1.7e9, end: 1.7e9, step: 0, samples_read: 0, samples: 0, samples_peak: 0, bytes: 0, bytes_peak: 0, user: null };
  running = on
    ? [
        {
          ...one, id: 7, query: 'sum by (job, instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))', start: 1.7e9 - 86400, step: 60, phase: "running",
          seconds: 12.3, samples_read: 24_000_000, samples: 7_200_000, samples_peak: 9_000_000, bytes: 61_000_000, bytes_peak: 80_000_000,
          client: "192.0.2.7", user: "mina", path: "/api/v1/query_range",
        },
        { ...one, id: 8, query: "up", phase: "queued", seconds: 0.4, client: "127.0.0.1", path: "/api/v1/query" },
      ]
    : [];
}
const runningQueries = () => ({ concurrent_max: 20, queries: running });

/** As the server does it. */
function stopped(id, { method, headers }) {
  if (method !== "POST") return failure(405, "bad_data", "only POST");
  if (readOnly) return failure(403, "forbidden", "read-only: this address can be reached by others and there are no users");
  if (headers["x-skopos-token"] !== token()) return failure(403, "forbidden", "the header X-Skopos-Token is not that of this process");
  const found = running.some((query) => query.id === id);
  running = running.filter((query) => query.id !== id);
  return found ? success({}) : failure(404, "not_found", `no query "${id}" is running: it may have ended`);
}

// --- Queries: a handful of metrics that the explorer can ask, and ten thousand names ------------------------------------------

const metrics = {
  access_log_total: ["counter", "Requests that were logged.", (i) => ({ instance: `10.0.0.${i + 1}:80`, job: "access-log" }), 3],
  go_goroutines: ["gauge", "Goroutines that exist at the moment.", (i) => ({ instance: `10.0.0.${i + 1}:80`, job: "iotd-api" }), 2],
  many_series: ["gauge", "Too many to draw.", (i) => ({ id: String(i) }), 3000],
  up: ["", "", (i) => ({ instance: `10.0.0.${i + 1}:80`, job: i < 3 ? "access-log" : "iotd-api" }), 5],
};
const named = (query) => Object.keys(metrics).find((name) => new RegExp(`\\b${name}\\b`).test(query));
const seriesOf = (query) => {
  const name = named(query);
  if (name === undefined) return [];
  const [, , labels, count] = metrics[name];
  return Array.from({ length: count }, (_, i) => ({ __name__: name, ...labels(i) }));
};

function query(path, parameters) {
  const text = parameters.get("query") ?? "";
  if (text.split("(").length !== text.split(")").length)
    return failure(400, "bad_data", `invalid parameter "query": 1:${text.length + 1}: parse error: unclosed left parenthesis`);
  if (text.includes("nosuch("))
    return failure(400, "bad_data", `invalid parameter "query": 1:${text.indexOf("nosuch(") + 1}: parse error: unknown function with name "nosuch"`);
  if (text.includes("boom")) return failure(422, "execution", "found duplicate series for the match group");
  const limit = Number(parameters.get("limit")) || Infinity;
  const stats = { timings: { execTotalTime: 0.0123 }, samples: { totalQueryableSamples: 4711 } };
  const end = Number(parameters.get("time") ?? parameters.get("end"));
  if (/^count\(/.test(text) && path.endsWith("/query")) {
    const value = [end, String(seriesOf(text).length)];
    return success({ resultType: "vector", result: [{ metric: {}, value }], stats });
  }
  const summed = /^(sum |count\()/.test(text);
  const all = summed ? [{}] : seriesOf(text);
  const value = (i, at) => String(/total/.test(text) && !/rate/.test(text) ? (summed ? 10 : Math.round(at / 60) % 1000) : wave(i, at * 1000).toFixed(4));
  const windowed = /^[\w{}]+\[\w+\]$/.test(text);
  const points = (i, from, to, step) => {
    const out = [];
    for (let at = from; at <= to; at += step) out.push([at, value(i, at)]);
    return out;
  };
  const result = all.slice(0, limit).map((metric, i) =>
    path.endsWith("query_range")
      ? { metric, values: points(i, Number(parameters.get("start")), end, Number(parameters.get("step"))) }
      : windowed
        ? { metric, values: points(i, end - 120, end, 15) }
        : { metric, value: [end, value(i, end)] },
  );
  const warnings = [
    ...(all.length > limit ? ["results truncated due to limit"] : []),
    ...(text.includes("go_") ? [`PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "go_goroutines" (1:6)`] : []),
  ];
  const answer = success({ resultType: path.endsWith("query_range") || windowed ? "matrix" : "vector", result, stats });
  if (warnings.length > 0) answer.body.warnings = warnings;
  return answer;
}

function catalog(path, parameters) {
  const match = parameters.get("match[]");
  if (path === "/api/v1/metadata")
    return success(
      Object.fromEntries(Object.entries(metrics).flatMap(([name, [type, help]]) => (type === "" ? [] : [[name, [{ type, help, unit: "" }]]]))),
    );
  if (path === "/api/v1/labels") return success(match === null ? ["__name__", "id", "instance", "job"] : Object.keys(seriesOf(match)[0] ?? {}));
  const label = /^\/api\/v1\/label\/(\w+)\/values$/.exec(path)?.[1];
  if (label === undefined) return undefined;
  if (label === "__name__")
    return success([...Object.keys(metrics), ...Array.from({ length: more }, (_, i) => `made_up_metric_${i}_seconds`)].sort());
  const list = match === null ? Object.keys(metrics).flatMap(seriesOf) : seriesOf(match);
  return success([...new Set(list.flatMap((one) => (one[label] === undefined ? [] : [one[label]])))].sort());
}

// --- Answers --------------------------------------------------------------------------------------------------------------

const success = (data) => ({ status: 200, body: { status: "success", data } });
const failure = (status, errorType, error) => ({ status, body: { status: "error", errorType, error } });

function api(path, body, parameters) {
  if (failing) return failure(503, "unavailable", "the mock was told to fail");
  if (path === "/api/v1/dashboards") return success(boards.map(({ uid, title, tags }) => ({ uid, title, tags })));
  if (path === "/api/v1/query" || path === "/api/v1/query_range") return query(path, parameters);
  const listed = catalog(path, parameters);
  if (listed !== undefined) return listed;
  const view = /^\/api\/v1\/dashboards\/([^/]+)\/panels\/(\d+)\/view$/.exec(path);
  if (view !== null) {
    const answer = drawings[view[2]]?.(body);
    if (answer === undefined) return failure(404, "not_found", `no panel ${view[2]}`);
    return answer instanceof Error ? failure(422, "execution", answer.message) : success({ queries: ["up"], ...answer });
  }
  const named = /^\/api\/v1\/dashboards\/([^/]+)$/.exec(path);
  if (named !== null) {
    const found = boards.find(({ uid }) => uid === decodeURIComponent(named[1]));
    return found === undefined ? failure(404, "not_found", `no dashboard has the uid ${named[1]}`) : success(found);
  }
  const answers = {
    "/api/v1/session": session,
    "/api/v1/receivers": receivers,
    "/api/v1/senders": () => ({ senders: [] }),
    "/api/v1/status/flags": flags,
    "/api/v1/queries/running": runningQueries,
    "/api/v1/targets": targets, "/api/v1/rules": rules, "/api/v1/deliveries": deliveries, "/api/v1/plugins": plugins };
  return answers[path] === undefined ? failure(404, "not_found", `nothing at ${path}`) : success(answers[path]());
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const form = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") ?? false;
  return { form: form ? text : "", json: form || text === "" ? {} : JSON.parse(text) };
}

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://mock");
  const answer = (status, type, body) =>
    response
      .writeHead(status, {
        "Content-Type": type,
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
      })
      .end(body);
  try {
    if (pathname === "/mock/fail") {
      failing = searchParams.get("on") === "1";
      return answer(200, "text/plain", String(failing));
    }
    if (pathname === "/mock/targets") {
      more = Math.max(0, Math.min(100_000, Number(searchParams.get("more")) || 0));
      return answer(200, "text/plain", String(more));
    }
    if (pathname === "/mock/read-only") {
      readOnly = searchParams.get("on") === "1";
      return answer(200, "text/plain", String(readOnly));
    }
    if (pathname === "/mock/running") {
      setRunning(searchParams.get("on") === "1");
      return answer(200, "text/plain", String(running.length));
    }
    if (pathname === "/mock/restart") {
      restarted += 1;
      return answer(200, "text/plain", String(restarted));
    }
    const stop = /^\/api\/v1\/queries\/(\d+)\/cancel$/.exec(pathname);
    if (stop !== null) {
      const { status, body } = stopped(Number(stop[1]), request);
      return answer(status, "application/json", JSON.stringify(body));
    }
    const trial = /^\/api\/v1\/receivers\/([^/]+)\/test$/.exec(pathname);
    if (trial !== null) {
      const { status, body } = tested(decodeURIComponent(trial[1]), request);
      return answer(status, "application/json", JSON.stringify(body));
    }
    if (pathname.startsWith("/api/")) {
      const { form, json } = await read(request);
      const { status, body } = api(pathname, json, form === "" ? searchParams : new URLSearchParams(form));
      return answer(status, "application/json", JSON.stringify(body));
    }
    const file = pages.test(pathname) ? "index.html" : normalize(pathname);
    return answer(200, types[extname(file)] ?? "application/octet-stream", await readFile(join(root, file)));
  } catch (e) {
    return answer(404, "text/plain", String(e));
  }
});
server.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
