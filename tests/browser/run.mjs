// The dashboard in a real browser.
//
//   node run.mjs <base URL> [folder for screenshots]
//
// Opens the home dashboard of a running Skopos, waits until every panel is drawn, sees the series move, zooms, switches the
// theme and visits every page. Meanwhile nothing may reach the console as an error, break the Content-Security-Policy or ask
// another origin. Prints each check and `browser: N passed, N failed`; exits 1 if one failed, 2 if it was called wrongly.
//
// CHROMIUM names another browser than /usr/bin/chromium. A base URL of `mock:<folder of a built bundle>` tests the pages
// against made-up data, failures included.

import { spawn } from "node:child_process";
import { mkdtemp, mkdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const limit = 30_000;
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const [base, shots] = process.argv.slice(2);
if (base === undefined) {
  console.error("usage: node run.mjs <base URL | mock:folder> [folder for screenshots]");
  process.exit(2);
}

let passed = 0;
const failures = [];

/** One check: what it says must come true. The ones after it run in any case. */
async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (e) {
    const reason = String(e?.message ?? e)
      .split("\n")
      .slice(0, 20)
      .join("\n     ");
    failures.push(name);
    console.log(`FAIL ${name}\n     ${reason}`);
  }
}

function assert(condition, message) {
  if (!condition) throw new Error(message);
}

/** Waits until `ask` answers something true; says what it saw last if that never comes. */
async function until(what, ask, within = limit) {
  const end = performance.now() + within;
  let last;
  do {
    last = await ask();
    if (last === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  } while (performance.now() < end);
  throw new Error(`${what}: not within ${within / 1000} s${last === false ? "" : `, last seen: ${JSON.stringify(last)}`}`);
}

/** Starts the mock and answers its address and how to stop it. */
async function mock(folder) {
  const script = fileURLToPath(new URL("mock-server.mjs", import.meta.url));
  const child = spawn(process.execPath, [script, folder], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise((resolve, reject) => {
    lines.once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the mock server ended with ${code}`)));
  });
  return { url, stop: () => child.kill() };
}

const mocked = base.startsWith("mock:") ? await mock(base.slice(5)) : undefined;
const origin = (mocked?.url ?? base).replace(/\/$/, "");
const profile = await mkdtemp(join(tmpdir(), "skopos-browser-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: flags,
  viewport: { width: 1440, height: 900 },
  timezoneId: "Asia/Seoul",
  locale: "en-GB",
  colorScheme: "light",
});

// --- What must not happen on any page --------------------------------------------------------------------------------------

const complaints = [];
/** Addresses whose failure a check provokes: the browser writes those to the console too. */
let expected = () => false;

await context.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP: ${event.violatedDirective} refused ${event.blockedURI || "inline"} (${event.sourceFile}:${event.lineNumber})`),
  );
});
context.on("console", (message) => {
  if (message.type() === "error" && !expected(message.location().url))
    complaints.push(`console: ${message.text()} ${message.location().url}`);
});
context.on("weberror", (error) => complaints.push(`not caught: ${error.error().stack ?? error.error()}`));
context.on("request", (request) => {
  const url = new URL(request.url());
  if (url.origin !== new URL(origin).origin && url.protocol !== "blob:") complaints.push(`another origin was asked: ${request.url()}`);
});

const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(limit);

async function shot(name, full = true) {
  if (shots === undefined) return;
  await mkdir(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: full });
}

const states = () => page.$$eval("[data-panel]", (panels) => panels.map((panel) => [panel.dataset.panel, panel.dataset.state]));

async function allDrawn(least = 1) {
  await until("every panel is drawn", async () => {
    const seen = await states();
    return seen.length >= least && seen.every(([, state]) => state === "drawn") ? true : seen;
  });
}

/** What each panel shows, so that two moments can be compared: its text, its paths and the pixels of its canvas. */
const pictures = () =>
  page.$$eval("[data-panel]", (panels) =>
    Object.fromEntries(
      panels.map((panel) => {
        const body = panel.querySelector(".panel-body");
        const canvas = panel.querySelector("canvas");
        const text =
          (body?.textContent ?? "") + [...(body?.querySelectorAll("svg path") ?? [])].map((path) => path.getAttribute("d")).join("");
        return [panel.dataset.panel, { text, pixels: canvas === null ? "" : canvas.toDataURL() }];
      }),
    ),
  );

/** True if the canvas has more than one colour where the lines are. */
const blank = () =>
  page.$$eval("[data-panel] canvas", (canvases) =>
    canvases
      .filter((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size < 8;
      })
      .map((canvas) => canvas.closest("[data-panel]").dataset.panel),
  );

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What keeps people from using the page as it is now, by the rules of WCAG 2.2 AA that a program can check. */
async function barriers() {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
    return violations.flatMap(({ id, help, nodes }) =>
      nodes
        .slice(0, 3)
        .map(
          ({ target, failureSummary }) =>
            `${id}: ${help} at ${target.join(" ")}: ${failureSummary.split("\n").slice(1, 2).join("").trim()}`,
        ),
    );
  });
}

// --- The home dashboard ----------------------------------------------------------------------------------------------------

await check("the home page opens", async () => {
  const answer = await page.goto(`${origin}/?refresh=2s`);
  assert(answer?.status() === 200, `status ${answer?.status()}`);
  const policy = answer.headers()["content-security-policy"] ?? "";
  assert(policy !== "" && !policy.includes("unsafe-inline"), `no strict Content-Security-Policy: "${policy}"`);
  assert(answer.headers()["x-content-type-options"] === "nosniff", "no X-Content-Type-Options: nosniff");
  await page.waitForSelector("[data-panel]");
});

if (failures.length > 0) {
  // Every check after this one would only wait for what cannot come.
  await context.close();
  mocked?.stop();
  console.log(`browser: ${passed} passed, ${failures.length} failed`);
  process.exit(1);
}

await check("it has at least six panels, all drawn", () => allDrawn(6));
await check("no chart is blank", async () => {
  await until("every canvas has lines", async () => {
    const empty = await blank();
    return empty.length === 0 ? true : empty;
  });
});

await check("series move in every chart", async () => {
  const before = await pictures();
  await until("every chart differs from before", async () => {
    const now = await pictures();
    const still = Object.keys(before).filter((id) => before[id].pixels !== "" && before[id].pixels === now[id]?.pixels);
    return still.length === 0 ? true : { still };
  });
});

await check("values change with time", async () => {
  const before = await pictures();
  await until("some text or small line changed", async () => {
    const now = await pictures();
    return Object.keys(before).some((id) => before[id].text !== now[id]?.text);
  });
});
await shot("home-light");

await check("a hidden page does not ask", async () => {
  // Headless Chromium calls every tab visible, so the page is told otherwise.
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  // Questions that were under way may still come in.
  await page.waitForLoadState("networkidle");
  let asked = 0;
  const count = (request) => {
    if (request.url().includes("/view")) asked += 1;
  };
  page.on("request", count);
  await new Promise((resolve) => setTimeout(resolve, 4500));
  assert(asked === 0, `${asked} questions in 4.5 s with a refresh of 2 s`);
  const again = page.waitForRequest((request) => request.url().includes("/view"));
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await again;
  page.off("request", count);
});

await check("the pointer shows values", async () => {
  const plot = page.locator("[data-panel] .u-over").first();
  await plot.scrollIntoViewIfNeeded();
  await plot.hover();
  await page.waitForSelector(".tooltip");
  assert((await page.locator(".tooltip").count()) === 1, "more than one tooltip");
  assert(/\d/.test(await page.locator(".tooltip").innerText()), "no number in it");
});

await check("dragging zooms, and the address knows", async () => {
  const before = new URL(page.url());
  const box = await page.locator("[data-panel] .u-over").first().boundingBox();
  const y = box.y + box.height / 2;
  // To the end, where a server that was just started has its values.
  await page.mouse.move(box.x + box.width * 0.6, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.995, y, { steps: 8 });
  await page.mouse.up();
  await page.waitForURL((url) => url.searchParams.has("from") && url.search !== before.search);
  const { searchParams } = new URL(page.url());
  const [from, to] = [Number(searchParams.get("from")), Number(searchParams.get("to"))];
  assert(Number.isInteger(from) && Number.isInteger(to) && to > from, `from=${from} to=${to}`);
  await allDrawn();
  await shot("zoomed");
});

await check("going back leaves the zoom", async () => {
  await page.goBack();
  await page.waitForURL((url) => !url.searchParams.has("from"));
  await allDrawn();
});

await check("the theme switches, stays in the address and is remembered", async () => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.locator("[data-theme-toggle]").click();
  await page.waitForURL((url) => url.searchParams.get("theme") === "dark");
  assert((await ground()) !== light, `the ground is ${light} in both`);
  await allDrawn();
  await shot("home-dark");
  await page.goto(`${origin}/`);
  assert((await ground()) !== light, "the choice was forgotten");
  await page.goto(`${origin}/?theme=light`);
  assert((await ground()) === light, "the address does not win");
  await allDrawn();
});

await check("the time range is chosen by keyboard", async () => {
  await page.locator(".range-picker .pop > button").focus();
  await page.keyboard.press("Enter");
  // What opens takes the focus a moment after it is there.
  await page.waitForSelector(".popover input:focus");
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type("now-30m");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("from") === "now-30m" && url.searchParams.get("to") === "now");
  await allDrawn();
});

await check("a chart is walked along by keyboard", async () => {
  await page.locator("[data-panel] .plot").first().focus();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  await page.waitForSelector(".tooltip");
  const label = await page.locator("[data-panel] .plot").first().getAttribute("aria-label");
  assert(/\d/.test(label ?? ""), `the chart does not say what it shows: ${label}`);
});

await check("a legend's name shows its series alone", async () => {
  const names = page
    .locator("[data-panel] .legend")
    .filter({ has: page.locator(".legend-name >> nth=1") })
    .first()
    .locator(".legend-name");
  if ((await names.count()) === 0) return;
  const pressed = () => names.evaluateAll((buttons) => buttons.filter((button) => button.getAttribute("aria-pressed") === "true").length);
  const all = await pressed();
  await names.first().click();
  assert((await pressed()) === 1, "the others are still shown");
  await names.first().click();
  assert((await pressed()) === all, "not all came back");
});

await check("a panel shows its data as a table", async () => {
  const panel = page.locator("[data-panel]:has(canvas)").first();
  const id = await panel.getAttribute("data-panel");
  const toggle = page.locator(`[data-panel="${id}"] .table-toggle`);
  await toggle.focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector(`[data-panel="${id}"] .rows tbody td`);
  await page.keyboard.press("Enter");
  await page.waitForSelector(`[data-panel="${id}"] canvas`);
});

// --- The other pages -------------------------------------------------------------------------------------------------------

const pages = [
  ["/dashboards", ".list li", "dashboards"],
  ["/targets", ".targets tbody tr, .rows tbody tr", "targets"],
  ["/alerts", ".card", "alerts"],
  ["/plugins", ".plugin", "plugins"],
  ["/queries", "[data-query], .look strong", "queries"],
  ["/tsdb-status", ".card tbody tr", "tsdb-status"],
  ["/welcome", ".welcome li.card", "welcome"],
];
for (const [path, selector, name] of pages) {
  await check(`${path} shows what there is`, async () => {
    await page.goto(`${origin}${path}?theme=light`);
    await page.waitForSelector(selector);
    assert((await page.locator(".failed").count()) === 0, `it says: ${(await page.locator(".failed").allInnerTexts()).join(" / ")}`);
    assert((await page.locator("main h1").count()) === 1, "no heading");
    await shot(name);
  });
}

await check("the pages are reached by their links and keys, without loading anew", async () => {
  await page.goto(`${origin}/?theme=dark&from=now-15m&to=now`);
  await page.evaluate(() => {
    window.same = true;
  });
  await page.locator("nav a", { hasText: "Targets" }).click();
  await page.waitForURL(
    (url) => url.pathname === "/targets" && url.searchParams.get("theme") === "dark" && url.searchParams.get("from") === "now-15m",
  );
  await page.keyboard.press("g");
  await page.keyboard.press("p");
  await page.waitForURL((url) => url.pathname === "/plugins");
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open]");
  await page.keyboard.press("Escape");
  assert(await page.evaluate(() => window.same === true), "the page was loaded anew");
});

await check("targets are filtered, and the address knows", async () => {
  await page.goto(`${origin}/targets`);
  await page.waitForSelector(".targets tbody tr, .rows tbody tr");
  await page.keyboard.press("/");
  await page.keyboard.type("no target has this in it");
  await page.waitForURL((url) => url.searchParams.get("q") === "no target has this in it");
  await page.waitForSelector(".look");
});

// --- The explorer ----------------------------------------------------------------------------------------------------------

/** What stands in the editor of a query. */
const written = (row = "A") => page.locator(`[data-query-row="${row}"] .cm-content`);
const exprs = () => new URL(page.url()).searchParams.getAll("expr");
/** Empties the editor and writes into it. */
async function write(text, row = "A") {
  await written(row).click();
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  await page.keyboard.type(text);
}
async function graphDrawn() {
  await until("the graph has lines", () =>
    page.evaluate(() => {
      const canvas = document.querySelector('[data-explore="graph"] canvas');
      if (canvas === null) return "no canvas";
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size >= 8 || "blank";
    }),
  );
}

await check("explore completes a metric's name, and Enter runs the query", async () => {
  await page.goto(`${origin}/explore?theme=light&from=now-15m&to=now`);
  await written().waitFor();
  await shot("explore-empty");
  await until("the editor has the focus", () => page.evaluate(() => document.activeElement?.closest("[data-query]") !== null));
  await page.keyboard.type("access_log_t");
  const option = page.locator(".cm-tooltip-autocomplete li", { hasText: /^access_log_total/ });
  await option.waitFor();
  await until("its type is told", async () => (await option.innerText()).includes("counter"));
  await shot("explore-completion");
  await page.keyboard.press("Enter");
  await until("the name is completed", async () => (await written().innerText()) === "access_log_total");
  assert(exprs().length === 0, "it ran before anybody asked");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("expr") === "access_log_total");
  await graphDrawn();
  assert(/\d+ series/.test(await page.locator(".query-status").innerText()), "the number of series is not told");
  await shot("explore-graph");
});

await check("labels and their values are completed", async () => {
  await write("access_log_total{");
  await page.keyboard.type("jo");
  await page.locator(".cm-tooltip-autocomplete li", { hasText: /^job/ }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.type('b="');
  await page.locator(".cm-tooltip-autocomplete li", { hasText: "access-log" }).waitFor();
  await page.keyboard.press("Escape");
});

await check("a counter is offered as a total, which is a whole number, and as a rate", async () => {
  await write("access_log_total");
  await page.keyboard.press("Escape");
  await page.locator(".query-note button", { hasText: "Total over the range" }).click();
  await page.waitForURL((url) => url.searchParams.get("total") === "A");
  const total = page.locator('[data-explore="total"] .total-value');
  await total.waitFor();
  const value = await total.getAttribute("title");
  assert(/^\d+$/.test(value ?? "") && Number(value) > 0, `the total is ${value}`);
  await shot("explore-total");
  await page.locator(".query-note button", { hasText: "Rate" }).click();
  await page.waitForURL((url) => url.searchParams.get("rate") === "A");
  await graphDrawn();
  await page.locator(".query-asked summary").click();
  assert(/^rate\(access_log_total\[\d+\w\]\)$/.test(await page.locator(".query-asked pre").innerText()), "the window is not told");
  await shot("explore-rate");
});

await check("a table shows the values at the end of the range", async () => {
  await page.locator(".toolbar .segments button", { hasText: "Table" }).click();
  await page.waitForURL((url) => url.searchParams.get("tab") === "table");
  await page.waitForSelector('[data-explore="table"] tbody td');
  await shot("explore-table");
  await page.goBack();
  await graphDrawn();
});

await check("a mistake is underlined, and told with its place", async () => {
  expected = (url) => url.includes("/api/v1/query");
  await write("sum(");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Delete");
  await page.waitForSelector(".cm-lintRange-error");
  await page.keyboard.press("Enter");
  await page.locator(".query-status .said", { hasText: /1:\d+: parse error/ }).waitFor();
  await write("sum(nosuch(up))");
  await page.keyboard.press("Escape");
  await page.locator(".query-buttons button", { hasText: "Run" }).click();
  await page.locator(".query-status .said", { hasText: /1:5: parse error/ }).waitFor();
  await page.waitForSelector(".cm-lintRange-error");
  await shot("explore-mistake");
  expected = () => false;
});

await check("Enter belongs to the input method while it composes", async () => {
  await write("up");
  await page.keyboard.press("Escape");
  const before = page.url();
  const cdp = await context.newCDPSession(page);
  await cdp.send("Input.imeSetComposition", { text: "\ud55c", selectionStart: 1, selectionEnd: 1 });
  await written().evaluate((editor) =>
    editor.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", code: "Enter", keyCode: 229, isComposing: true, bubbles: true, cancelable: true })),
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert(page.url() === before, "it ran");
  await cdp.send("Input.insertText", { text: "\ud55c" });
  assert((await written().innerText()) === "up\ud55c", `the editor has ${await written().innerText()}`);
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Shift+Enter");
  assert(page.url() === before && /^up\n/.test(await written().innerText()), "Shift+Enter does not begin a line");
});

await check("several queries are added, hidden and taken away, and the address holds them all", async () => {
  await write("up");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.waitForURL(() => String(exprs()) === "up");
  await page.locator("button", { hasText: "Add a query" }).click();
  await written("B").waitFor();
  await write("count(up)", "B");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.waitForURL(() => String(exprs()) === "up,count(up)");
  await graphDrawn();
  const link = page.url();
  await page.locator('[data-query-row="A"] [aria-label^="Hide"]').click();
  await page.waitForURL((url) => url.searchParams.get("hide") === "A");
  await until("one line is left", async () => (await page.locator('[data-explore="graph"] .legend-name').count()) === 1);
  await page.goBack();
  await until("all are back", async () => (await page.locator('[data-explore="graph"] .legend-name').count()) > 1);
  await page.goto("about:blank");
  await page.goto(link);
  await graphDrawn();
  assert((await written("B").innerText()) === "count(up)", "the link does not bring the second query");
  await page.locator('[data-query-row="A"] [aria-label^="Remove"]').click();
  await page.waitForURL(() => String(exprs()) === "count(up)");
  await until("the other moved up", async () => (await written("A").innerText()) === "count(up)");
  await page.locator(".query-buttons .pop > button").click();
  await page.locator(".past button", { hasText: /^up$/ }).click();
  await page.waitForURL(() => String(exprs()) === "up");
});

await check("short and old links are understood", async () => {
  await page.goto(`${origin}/explore?expr=up&range=15m`);
  await page.waitForURL((url) => url.searchParams.get("from") === "now-15m" && url.searchParams.get("range") === null);
  await graphDrawn();
  if (mocked === undefined) {
    await page.goto(`${origin}/graph?g0.expr=up&g0.range_input=30m&g0.tab=0`);
    await page.waitForURL((url) => url.pathname === "/explore" && url.searchParams.get("from") === "now-30m");
    await graphDrawn();
  }
});

await check("the list of metrics writes selectors", async () => {
  await page.goto(`${origin}/explore?theme=light&metrics=1&from=now-15m&to=now`);
  await page.locator(".metrics .search").fill("access_log_total");
  await page.locator(".metric", { hasText: "access_log_total" }).first().click();
  await page.locator(".metric-details", { hasText: "counter" }).waitFor();
  await page.locator(".fold-label", { hasText: "job" }).click();
  await page.locator(".metric-values button", { hasText: "access-log" }).click();
  await page.waitForURL(() => /^access_log_total\{job="access-log"\}$/.test(exprs()[0] ?? ""));
  await graphDrawn();
  await shot("explore-metrics");
});

for (const theme of ["light", "dark"]) {
  await check(`explore keeps nobody out, ${theme}`, async () => {
    await page.goto(`${origin}/explore?theme=${theme}&expr=access_log_total&expr=up&metrics=1`);
    await graphDrawn();
    const found = await barriers();
    await page.goto(`${origin}/explore?theme=${theme}&expr=access_log_total&tab=table`);
    await page.waitForSelector('[data-explore="table"] tbody td');
    found.push(...(await barriers()));
    assert(found.length === 0, found.join("\n"));
    if (theme === "dark") await shot("explore-dark");
  });
}

await check("explore fits 360 pixels", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  for (const query of ["expr=access_log_total&rate=A&expr=up", "expr=access_log_total&tab=table&metrics=1&lang=ko"]) {
    // On so narrow a page an hour has a point a minute, and a young server may have nothing at the last of them.
    await page.goto(`${origin}/explore?theme=dark&range=15m&${query}`);
    await page.waitForSelector("[data-explore]");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= 360, `${query} is ${wide} pixels wide`);
    await shot(`narrow-explore${query.includes("lang=ko") ? "-ko" : ""}`);
  }
  await page.evaluate(() => localStorage.removeItem("skopos.language"));
  await page.setViewportSize({ width: 1440, height: 900 });
});

await check("a panel leads to its queries", async () => {
  await page.goto(`${origin}/?theme=light&refresh=off`);
  await allDrawn();
  const link = page.locator(".panel-explore").first();
  await link.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === "/explore" && url.searchParams.getAll("expr").length > 0);
  await page.waitForSelector("[data-explore]");
});

if (mocked !== undefined) {
  await check("thousands of series are drawn in part, and it says so", async () => {
    await page.goto(`${origin}/explore?theme=light&expr=many_series`);
    await graphDrawn();
    await page.locator(".query-status", { hasText: "500 of 3,000 series" }).waitFor();
  });

  await check("ten thousand metrics are scrolled and searched", async () => {
    await context.request.get(`${origin}/mock/targets?more=10000`);
    await page.goto(`${origin}/explore?theme=light&metrics=1`);
    await page.waitForSelector(".metric");
    assert((await page.locator(".metric").count()) < 100, "all of them stand in the document");
    await page.locator(".metrics .search").fill("metric_9999");
    await until("one is left", async () => (await page.locator(".metric").count()) === 1);
    await context.request.get(`${origin}/mock/targets?more=0`);
  });
}

await check("every dashboard opens", async () => {
  await page.goto(`${origin}/dashboards`);
  await page.waitForSelector(".list li a");
  const links = await page.$$eval(".list li a", (list) => list.map((link) => link.getAttribute("href")));
  expected = (url) => url.includes("/view");
  for (const link of links.slice(0, 10)) {
    await page.goto(`${origin}${link}`);
    await page.waitForSelector("[data-panel], .look");
    await until(`the panels of ${link} are done`, async () => {
      const waiting = (await states()).filter(([, state]) => state === "loading");
      return waiting.length === 0 ? true : waiting;
    });
  }
  expected = () => false;
});

await check("an address without a page says so", async () => {
  expected = () => true;
  await page.goto(`${origin}/d/no-such-dashboard?theme=light`);
  await page.waitForSelector(".look a");
  await page.locator(".look a").first().click();
  await page.waitForURL((url) => url.pathname === "/dashboards");
  expected = () => false;
});

for (const theme of ["light", "dark"]) {
  await check(`nothing keeps people out, ${theme}`, async () => {
    const found = [];
    for (const path of ["/", "/targets", "/alerts", "/plugins", "/queries", "/tsdb-status", "/dashboards", "/welcome"]) {
      await page.goto(`${origin}${path}?theme=${theme}&refresh=off`);
      await page.waitForSelector("[data-panel], .card, .targets, .rows, .list, .look");
      if (path === "/") await allDrawn();
      found.push(...(await barriers()).map((barrier) => `${path} ${barrier}`));
    }
    assert(found.length === 0, found.join("\n"));
  });
}

// --- Languages -------------------------------------------------------------------------------------------------------------

const tables = Object.fromEntries(
  await Promise.all(
    ["en", "ko"].map(async (tag) => [
      tag,
      JSON.parse(await readFile(fileURLToPath(new URL(`../../host/ui/app/text/${tag}.json`, import.meta.url)), "utf8")),
    ]),
  ),
);
/** Sentences of a language without places, so that one that stayed behind is found. Bare words might be names of labels. */
const sentences = (tag) => Object.values(tables[tag]).filter((entry) => typeof entry === "string" && !entry.includes("{") && entry.trim().length > 3 && !/^[a-z]+$/.test(entry));

/** Texts and names that the page shows now. */
const shownTexts = () =>
  page.evaluate(() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    // The switch names the other language in that language.
    while (walker.nextNode()) if (walker.currentNode.parentElement?.closest("[lang]") === document.documentElement) found.push(walker.currentNode.data.trim());
    for (const name of ["aria-label", "title", "placeholder"])
      for (const one of document.querySelectorAll(`[${name}]`)) if (one.closest("[lang]") === document.documentElement) found.push(one.getAttribute(name).trim());
    return found;
  });

/** Buttons, headings and badges whose text does not fit them. */
const clipped = () =>
  page.$$eval("button, .button, .badge, h1, h2, thead th, label, .segments, .top, .toolbar, summary", (all) =>
    all
      .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
      // What is cut with an ellipsis has its whole text in a title.
      .filter((one) => one.closest(".legend, .range-text") === null)
      .map((one) => `${one.tagName} ${one.className}: ${one.textContent.slice(0, 40)}`),
  );

for (const [tag, other] of [
  ["en", "ko"],
  ["ko", "en"],
]) {
  await check(`every page in ${tag}, wide and narrow`, async () => {
    const strangers = new Set(sentences(other).filter((text) => !sentences(tag).includes(text)));
    const found = [];
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      for (const path of ["/", "/targets", "/alerts", "/plugins", "/queries", "/tsdb-status", "/dashboards", "/welcome", "/explore", "/d/nothing-here"]) {
        expected = (url) => url.includes("nothing-here");
        await page.goto(`${origin}${path}?theme=light&lang=${tag}&refresh=off`);
        await page.waitForSelector("[data-panel], .card, .targets, .rows, .list, .look, .explore");
        if (path === "/") await allDrawn();
        await until("what is asked for is there", async () => (await page.locator(".spinner").count()) === 0);
        const lang = await page.evaluate(() => document.documentElement.lang);
        if (lang !== tag) found.push(`${path}: the document's language is ${lang}`);
        const stayed = (await shownTexts()).filter((text) => strangers.has(text));
        if (stayed.length > 0) found.push(`${path}: in the other language: ${[...new Set(stayed)].join(" | ")}`);
        const cut = await clipped();
        if (cut.length > 0) found.push(`${path} at ${width}: cut: ${[...new Set(cut)].slice(0, 6).join(" | ")}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        if (wide > width) found.push(`${path} is ${wide} pixels wide, not ${width}`);
        await shot(`${tag}-${width}${path === "/" ? "-home" : path.replace(/[/]+/g, "-")}`);
      }
    }
    expected = () => false;
    await page.setViewportSize({ width: 1440, height: 900 });
    assert(found.length === 0, found.join("\n"));
  });
}

await check("an empty panel says why in the language of the page", async () => {
  const hints = [{ kind: "no-metric", metric: "x_total", text: "no series is named x_total in this time range" }];
  const data = { view: { kind: "empty", value: hints[0].text }, frames: [], configs: [], warnings: [], queries: [], hints };
  await page.route("**/panels/*/view", (route) => route.fulfill({ json: { status: "success", data } }));
  for (const tag of ["ko", "en"]) {
    await page.goto(`${origin}/?theme=light&lang=${tag}&refresh=off`);
    await page.waitForSelector('[data-state="empty"] .look');
    const said = await page.locator('[data-state="empty"] .look').first().innerText();
    assert(said.includes(tables[tag]["hint.no-metric"].replace("{metric}", "x_total")), `${tag}: ${said}`);
  }
  await page.unroute("**/panels/*/view");
});

await check("the switch changes the language, the address and what is remembered", async () => {
  await page.goto(`${origin}/targets?theme=light&lang=en&refresh=off`);
  await page.waitForSelector(".targets tbody tr, .rows tbody tr");
  await page.locator("[data-language-switch]").click();
  await page.waitForURL((url) => url.searchParams.get("lang") === "ko");
  await until("the page is Korean", async () => (await page.locator("main h1").innerText()) === tables.ko["nav.targets"]);
  await page.goto(`${origin}/alerts`);
  await until("the choice is remembered", async () => (await page.locator("main h1").count()) === 1 && (await page.locator("main h1").innerText()) === tables.ko["nav.alerts"]);
  assert((await page.title()).startsWith(tables.ko["nav.alerts"]), `the title is ${await page.title()}`);
  await page.goto(`${origin}/alerts?lang=en`);
  await until("the address wins", async () => (await page.locator("main h1").count()) === 1 && (await page.locator("main h1").innerText()) === tables.en["nav.alerts"]);
  // What follows expects English.
  await page.evaluate(() => localStorage.removeItem("skopos.language"));
});

await check("Enter while a syllable is composed does nothing", async () => {
  await page.goto(`${origin}/?theme=light&refresh=off`);
  await page.locator(".range-picker .pop > button").click();
  const input = page.locator(".popover input").first();
  await input.fill("now-30m");
  // What an input method sends for the Enter that ends a syllable, and for the Escape that gives one up.
  const composed = (key) =>
    input.evaluate((box, key) => box.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, isComposing: true, keyCode: 229 })), key);
  await composed("Enter");
  await composed("Escape");
  assert((await page.locator(".popover").count()) === 1, "the popover was closed");
  assert(!page.url().includes("now-30m"), "the range was applied");
  // With a Hangul keyboard the letters of shortcuts are others.
  await page.keyboard.press("Escape");
  await page.evaluate(() => {
    for (const [key, code] of [["ㅎ", "KeyG"], ["ㅅ", "KeyT"]]) document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true }));
  });
  await page.waitForURL((url) => url.pathname === "/targets");
});

await check("everything fits 360 pixels", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  for (const path of ["/", "/targets", "/alerts", "/plugins", "/queries", "/dashboards"]) {
    await page.goto(`${origin}${path}?theme=dark`);
    await page.waitForSelector("[data-panel], .card, .targets, .rows, .list, .look");
    if (path === "/") await allDrawn();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= 360, `${path} is ${wide} pixels wide`);
    await shot(`narrow${path === "/" ? "-home" : path.replace("/", "-")}`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
});

// --- With made-up data: what a healthy server does not show -----------------------------------------------------------------

if (mocked !== undefined) {
  await check("every look of a panel", async () => {
    expected = (url) => url.includes("/view");
    await page.goto(`${origin}/d/looks?theme=light&refresh=off`);
    const wanted = {
      11: "drawn",
      12: "drawn",
      13: "drawn",
      14: "drawn",
      15: "empty",
      16: "drawn",
      17: "error",
      18: "error",
      19: "error",
      20: "error",
    };
    await until("each panel has its look", async () => {
      const seen = Object.fromEntries(await states());
      return JSON.stringify(seen) === JSON.stringify(wanted) ? true : seen;
    });
    assert((await page.locator('[data-panel="14"] .text').innerHTML()).includes("&lt;b&gt;"), "markup was not shown as text");
    const found = await barriers();
    assert(found.length === 0, found.join("\n"));
    assert((await page.title()) === "Every look · Skopos", "the picture ran a script");
    assert((await page.locator('[data-panel="13"] tbody tr').count()) < 60, "10,000 rows stand in the document");
    await shot("looks");
  });

  await check("ten thousand rows of a table are scrolled, sorted, filtered and linked", async () => {
    const table = page.locator('[data-panel="13"]');
    const rows = table.locator("tbody tr:not(.gap)");
    const frames = await table.locator(".rows").evaluate(async (box) => {
      const times = [];
      let last = performance.now();
      for (let i = 0; i < 60; i++) {
        box.scrollTo(0, (box.scrollHeight * i) / 60);
        await new Promise((done) => requestAnimationFrame(done));
        const now = performance.now();
        times.push(now - last);
        last = now;
      }
      return times.sort((a, b) => a - b);
    });
    console.log(`     10,000 rows: a frame takes ${frames[30].toFixed(1)} ms in the middle, ${frames[57].toFixed(1)} ms at most in 95 of 100`);
    await until("the last row is there", async () => {
      await table.locator(".rows").evaluate((box) => box.scrollTo(0, box.scrollHeight));
      return (await table.locator('tr[aria-rowindex="10001"]').count()) === 1;
    });
    assert((await rows.count()) < 60, `${await rows.count()} rows stand in the document`);
    const began = performance.now();
    await table.locator("th .sort").first().click();
    await table.locator(".rows").evaluate((box) => box.scrollTo(0, 0));
    await until("sorted", async () => (await table.locator("th").first().getAttribute("aria-sort")) === "ascending");
    console.log(`     sorted by a text in ${(performance.now() - began).toFixed(0)} ms`);
    await until("the first row is the first", async () => (await rows.first().innerText()).trim().startsWith("10.0.0.0:9100"));
    await table.locator(".filters input").fill("10.0.7.");
    await until("filtered", async () => (await table.locator("table").getAttribute("aria-rowcount")) === "257");
    assert((await table.locator("tfoot").innerText()).includes("256 rows"), await table.locator("tfoot").innerText());
    assert((await rows.first().locator("a").getAttribute("href")) === "/d/many?var-instance=10.0.7.0%3A9100", await rows.first().innerHTML());
    await table.locator(".filters input").fill("");
  });

  await check("variables are chosen, and the address knows", async () => {
    await page.locator(".variable select").first().selectOption("iotd-api");
    await page.waitForURL((url) => url.searchParams.get("var-job") === "iotd-api");
    await page.locator(".variable .pop > button").click();
    await page.locator(".checks label", { hasText: "10.0.0.2:80" }).click();
    await page.waitForURL((url) => url.searchParams.get("var-instance") === "10.0.0.2:80");
    await page.keyboard.press("Escape");
  });

  await check("a row folds and unfolds", async () => {
    const panel = page.locator('[data-panel="5"]');
    assert((await panel.count()) === 0, "it is open");
    await page.locator(".row button", { hasText: "Folded" }).click();
    await panel.waitFor();
    await page.locator(".row button", { hasText: "Folded" }).click();
    await panel.waitFor({ state: "detached" });
    expected = () => false;
  });

  await check("ten thousand targets are scrolled and searched", async () => {
    await context.request.get(`${origin}/mock/targets?more=10000`);
    await page.goto(`${origin}/targets?theme=light`);
    await page.waitForSelector(".rows tbody tr");
    const rows = page.locator(".rows tbody tr:not(.gap)");
    assert((await rows.count()) < 150, `${await rows.count()} rows stand in the document`);
    await page.locator(".rows").evaluate((box) => box.scrollTo(0, box.scrollHeight));
    await page.waitForSelector('.rows tr[aria-rowindex="10048"]');
    assert((await rows.count()) < 150, `${await rows.count()} rows stand in the document`);
    await page.locator(".segments button", { hasText: "Down" }).click();
    await page.waitForURL((url) => url.searchParams.get("state") === "down");
    await page.waitForSelector(".targets tr.down");
    await page.locator("[data-search]").fill("deadline pool-7");
    await page.locator(".targets .fold").first().click();
    await page.waitForSelector(".facts");
    await shot("targets-many");
    await context.request.get(`${origin}/mock/targets?more=0`);
  });

  await check("a test message is sent, its result shown, its token renewed", async () => {
    await page.goto(`${origin}/alerts?theme=light&refresh=off`);
    const team = page.locator('[data-receiver="team"]');
    await team.locator("button").click();
    await team.locator(".trial li").nth(1).waitFor();
    assert((await team.locator(".trial").innerText()).includes("connection refused"), await team.innerText());
    assert(await page.locator('[data-receiver="nobody"] button').isDisabled(), "nobody can be told nothing");
    await shot("receivers");
    // A server that was started anew has another token.
    await context.request.get(`${origin}/mock/restart`);
    expected = (url) => url.includes("/test");
    await team.locator("button").click();
    await until("sent again", async () => (await team.locator(".trial li").count()) === 2);
    expected = () => false;
  });

  await check("where nothing may be changed, pages say why and how to change that", async () => {
    await context.request.get(`${origin}/mock/read-only?on=1`);
    for (const lang of ["en", "ko"]) {
      await page.goto(`${origin}/alerts?theme=light&refresh=off&lang=${lang}`);
      await page.waitForSelector(".read-only");
      await page.waitForSelector("#receivers .stale-line a");
      assert(await page.locator('[data-receiver="team"] button').isDisabled(), "the button can be pressed");
      assert((await barriers()).length === 0, (await barriers()).join("\n"));
      await shot(`read-only-${lang}`);
      await page.locator("#receivers .stale-line a").click();
      await page.waitForURL((url) => url.pathname === "/welcome");
      await until("the page tells", async () => (await page.locator(".welcome").innerText()).includes(tables[lang]["access.read-only.why"]));
      await shot(`welcome-read-only-${lang}`);
    }
    await context.request.get(`${origin}/mock/read-only?on=0`);
  });

  await check("the card on the home page is put away for good", async () => {
    await page.goto(`${origin}/?theme=light&refresh=off&lang=en`);
    await page.waitForSelector(".welcome-card");
    await page.locator(".welcome-card button").click();
    await page.goto(`${origin}/?theme=light&refresh=off&lang=en`);
    await allDrawn();
    assert((await page.locator(".welcome-card").count()) === 0, "it came again");
  });

  await check("twenty panels of ten series with a thousand points are drawn", async () => {
    const times = [];
    for (let i = 0; i < 5; i++) {
      await page.goto(`${origin}/d/many?theme=light&refresh=off`);
      await page.waitForSelector("[data-panel]");
      await allDrawn(20);
      // From the moment that answers were there until the last canvas was painted, by the page's own clock.
      times.push(await page.evaluate(() => {
        const answers = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/view"));
        return Math.max(...answers.map(({ responseEnd }) => responseEnd)) - Math.min(...answers.map(({ startTime }) => startTime));
      }));
    }
    console.log(`     asked and answered within ${times.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  });

  await check("queries that run are listed with what they use, and stopped by their button", async () => {
    await context.request.get(`${origin}/mock/running?on=0`);
    await page.goto(`${origin}/queries?lang=ko&theme=light`);
    await page.getByText("실행 중인 쿼리가 없습니다.").waitFor();
    await context.request.get(`${origin}/mock/running?on=1`);
    // Within a second or two, without anybody pressing anything.
    const row = page.locator('[data-query="7"]');
    await row.waitFor();
    const text = await row.innerText();
    for (const part of ["실행 중", "sum by (job, instance)", "12.3", "7,200,000", "58.2 MiB", "mina", "192.0.2.7", "/api/v1/query_range"])
      assert(text.includes(part), `${part} is not in: ${text}`);
    await page.goto(`${origin}/queries?lang=en&theme=dark`);
    await row.waitFor();
    await shot("queries-running");
    // A page that was opened before the server restarted gets its new token by itself.
    await context.request.get(`${origin}/mock/restart`);
    expected = (url) => url.includes("/cancel");
    await row.getByRole("button", { name: /^Stop the query sum/ }).click();
    await row.waitFor({ state: "detached" });
    expected = () => false;
    assert((await page.locator("[data-query]").count()) === 1, "another one is gone too");
    await context.request.get(`${origin}/mock/read-only?on=1`);
    await page.reload();
    await page.locator('[data-query="8"]').waitFor();
    await until("nothing can be stopped on a read-only server", () => page.locator('[data-query="8"] button').isDisabled());
    await context.request.get(`${origin}/mock/read-only?on=0`);
    await context.request.get(`${origin}/mock/running?on=0`);
  });

  await check("a server that fails leaves the drawings, marked as stale", async () => {
    expected = (url) => url.includes("/api/");
    await page.goto(`${origin}/?refresh=2s&theme=light`);
    await allDrawn();
    await context.request.get(`${origin}/mock/fail?on=1`);
    await until("the panels in sight are stale", async () => (await states()).some(([, state]) => state === "stale"));
    assert(
      (await states()).every(([, state]) => state === "stale" || state === "drawn"),
      "a drawing was lost",
    );
    await shot("stale");
    await page.goto(`${origin}/targets?theme=light`);
    await page.waitForSelector(".failed button");
    await shot("failed");
    await context.request.get(`${origin}/mock/fail?on=0`);
    await page.locator(".failed button").click();
    await page.waitForSelector(".targets tbody tr");
  });

  await check("a page that was opened too early recovers by itself", async () => {
    await context.request.get(`${origin}/mock/fail?on=1`);
    await page.goto(`${origin}/?refresh=off`);
    await page.waitForSelector(".failed");
    await context.request.get(`${origin}/mock/fail?on=0`);
    await allDrawn();
    expected = () => false;
  });
}

// --- The end ---------------------------------------------------------------------------------------------------------------

await check("no error, no violation, no other origin", () =>
  assert(complaints.length === 0, [...new Set(complaints)].slice(0, 12).join("\n")),
);

await context.close();
await rm(profile, { recursive: true, force: true });
mocked?.stop();
console.log(`browser: ${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
