// A Skopos of one's own in a real browser: below a path, with a file of one's own, a table and a receiver.
//
//   node prefix.mjs <path of the binary> [folder for screenshots]
//
// Starts the binary below `/skopos` on a configuration that scrapes itself, shows a dashboard with a table and tells a webhook
// that listens here. Opens the pages, sorts and filters the table, sends a test message and sees it arrive.

import { spawn } from "node:child_process";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [binary, shots] = process.argv.slice(2);
if (binary === undefined) {
  console.error("usage: node prefix.mjs <path of the binary> [folder for screenshots]");
  process.exit(2);
}

let passed = 0;
let failed = 0;
async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (e) {
    failed += 1;
    console.log(`FAIL ${name}\n     ${String(e?.message ?? e).split("\n").slice(0, 12).join("\n     ")}`);
  }
}
function assert(condition, message) {
  if (!condition) throw new Error(message);
}
async function until(what, ask) {
  const end = performance.now() + 30_000;
  let last;
  do {
    last = await ask().catch((e) => String(e));
    if (last === true) return;
    await new Promise((resolve) => setTimeout(resolve, 150));
  } while (performance.now() < end);
  throw new Error(`${what}: not within 30 s, last seen: ${JSON.stringify(last)}`);
}
const freePort = () =>
  new Promise((resolve) => {
    const socket = createSocket().listen(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });

const work = await mkdtemp(join(tmpdir(), "skopos-prefix-"));
const messages = [];
const hook = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    messages.push(Buffer.concat(parts).toString());
    response.end("ok");
  });
});
await new Promise((resolve) => hook.listen(0, "127.0.0.1", resolve));
const port = await freePort();
const address = `http://127.0.0.1:${port}/skopos`;

const override = (name, properties) => ({
  matcher: { id: "byName", options: name },
  properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
});
await mkdir(join(work, "boards"));
await writeFile(
  join(work, "boards", "targets.json"),
  JSON.stringify({
    uid: "own",
    title: "My targets",
    translations: { ko: { "My targets": "내 수집 대상", "Samples of each target": "대상별 샘플", Samples: "샘플 수" } },
    panels: [
      {
        id: 1,
        type: "table",
        title: "Samples of each target",
        gridPos: { x: 0, y: 0, w: 24, h: 10 },
        targets: [{ refId: "A", expr: "scrape_samples_scraped", format: "table", instant: true }],
        transformations: [
          {
            id: "organize",
            options: { excludeByName: { Time: true, __name__: true }, indexByName: { job: 0, instance: 1, Value: 2 }, renameByName: { Value: "Samples" } },
          },
        ],
        fieldConfig: {
          defaults: { custom: { filterable: true } },
          overrides: [
            override("Samples", { unit: "short", "custom.cellOptions": { type: "gauge", mode: "gradient" }, "custom.width": 300 }),
            override("instance", { links: [{ title: "Board", url: "/d/own?var-instance=${__value.raw}" }] }),
          ],
        },
        options: { showHeader: true, sortBy: [{ displayName: "Samples", desc: true }], footer: { show: true, reducer: ["sum"], fields: "" } },
      },
    ],
  }),
);
await writeFile(
  join(work, "skopos.yml"),
  `global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: one
    metrics_path: /skopos/metrics
    static_configs: [{targets: ["127.0.0.1:${port}"]}]
  - job_name: two
    metrics_path: /skopos/metrics
    static_configs: [{targets: ["localhost:${port}"]}]
dashboards: [boards]
alertmanager:
  route: {receiver: team}
  receivers:
    - name: team
      webhook_configs:
        - url: http://127.0.0.1:${hook.address().port}/hook
`,
);

const server = spawn(binary, ["--config.file=skopos.yml", `--web.listen-address=127.0.0.1:${port}`, "--web.route-prefix=/skopos"], {
  cwd: work,
  stdio: ["ignore", "pipe", "pipe"],
});
let log = "";
for (const stream of [server.stdout, server.stderr]) stream.on("data", (text) => (log += text));

const context = await chromium.launchPersistentContext(join(work, "profile"), {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  viewport: { width: 1280, height: 800 },
  timezoneId: "Asia/Seoul",
  locale: "ko-KR",
});
const complaints = [];
const page = context.pages()[0] ?? (await context.newPage());
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("requestfailed", (request) => request.failure()?.errorText !== "net::ERR_ABORTED" && complaints.push(request.url()));

await check("the server is ready", async () => {
  await until("ready", async () => (await fetch(`${address}/-/ready`)).ok);
  // The board does not refresh itself: what it is to show has to be there.
  await until("both targets", async () => {
    const answer = await (await fetch(`${address}/api/v1/query?query=${encodeURIComponent("count(scrape_samples_scraped > 0)")}`)).json();
    return answer.data.result[0]?.value[1] === "2";
  });
});

await check("a Korean browser gets the board in Korean, below the path", async () => {
  await page.goto(`${address}/d/own`);
  await until("drawn", async () => (await page.locator('[data-panel="1"]').getAttribute("data-state")) === "drawn");
  assert((await page.locator("main h1").innerText()) === "내 수집 대상", await page.locator("main h1").innerText());
  assert((await page.locator("[data-panel] h3").innerText()) === "대상별 샘플", await page.locator("[data-panel] h3").innerText());
  assert((await page.evaluate(() => document.documentElement.lang)) === "ko", "the document is not Korean");
});

await check("the table has its columns, order, bars, links and sum", async () => {
  const table = page.locator('[data-panel="1"]');
  await until("both rows", async () => (await table.locator("tbody tr:not(.gap)").count()) === 2);
  const names = await table.locator("th").allInnerTexts();
  assert(names.map((name) => name.trim()).join() === "job,instance,샘플 수 ▼", names.join());
  assert((await table.locator(".cell-gauge").count()) === 2, "no bars");
  assert(/^\/skopos\/d\/own\?var-instance=(127\.0\.0\.1|localhost)%3A\d+$/.test(await table.locator("tbody a").first().getAttribute("href")), "the link");
  assert(/\d/.test(await table.locator("tfoot").innerText()), "no sum");
  await table.locator(".filters input").first().fill("two");
  await until("filtered", async () => (await table.locator("tbody tr:not(.gap)").count()) === 1);
  await table.locator(".filters input").first().fill("");
  if (shots !== undefined) await page.screenshot({ path: join(shots, "own-table-ko.png") });
});

await check("the other pages are found below the path", async () => {
  for (const [path, selector] of [
    ["/targets", ".targets tbody tr"],
    ["/explore", ".explore-main"],
    ["/plugins", ".plugin"],
    ["/welcome", ".welcome li.card"],
  ]) {
    await page.locator(`nav a[href^="/skopos${path}"]`).or(page.locator(".skip")).first().waitFor({ state: "attached" });
    await page.goto(`${address}${path}`);
    await page.waitForSelector(selector);
  }
  assert((await page.locator(".welcome").innerText()).includes("skopos.yml"), "the page does not name the file");
});

await check("a test message arrives, and its result is shown", async () => {
  await page.goto(`${address}/alerts`);
  const team = page.locator('[data-receiver="team"]');
  await team.locator("button").click();
  await until("the result", async () => (await team.locator(".trial .badge.good").count()) === 1);
  assert(messages.length === 1 && JSON.parse(messages[0]).receiver === "team", `received: ${messages.join(" ")}`);
  hook.closeAllConnections();
  await new Promise((resolve) => hook.close(resolve));
  await team.locator("button").click();
  await until("the failure", async () => (await team.locator(".trial .badge.bad").count()) === 1);
  if (shots !== undefined) await page.screenshot({ path: join(shots, "own-test-message-ko.png") });
});

await check("no complaint", async () => assert(complaints.length === 0, [...new Set(complaints)].join("\n")));

await context.close();
server.kill();
await new Promise((resolve) => server.once("exit", resolve));
await rm(work, { recursive: true, force: true });
if (failed > 0) console.log(log.split("\n").slice(-30).join("\n"));
console.log(`browser, below a path: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
