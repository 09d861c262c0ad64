/** What is scraped, by job: state, errors in full, labels, durations. */
import { useMemo, useState } from "preact/hooks";
import type { RefusedSeries, Target, Targets as TargetsData } from "../api";
import { quantity, whole } from "../chart/format";
import { surroundings } from "../chart/surroundings";
import { fromNow, type Surroundings } from "../chart/units";
import { whenText } from "../dates";
import { exploreLink } from "../explore/link";
import { useFetched } from "../fetched";
import { Address, Badge, Counts, Labels, Search, type Tone } from "../parts/bits";
import { Empty, Failed, Loading, Stale } from "../parts/looks";
import { Snippet } from "../parts/snippet";
import { VirtualRows } from "../parts/virtual-rows";
import { follow, query, setQuery } from "../router";
import { locale, t } from "../text";
import { parseDuration } from "../time-range";
import { RefreshPicker } from "./range-picker";
import { SendersAhead } from "./senders";

/** Up to so many rows stand in the document with their errors wrapped; more are drawn as one scrolls. */
const mostAtOnce = 300;
const tones: Record<Target["health"], Tone> = { up: "good", down: "bad", unknown: "calm" };
const states = ["all", "up", "down", "unknown"] as const;

interface Job {
  name: string;
  targets: Target[];
  up: number;
}

/** Jobs by name, their targets by address, those that are down first. */
export function byJob(targets: readonly Target[]): Job[] {
  const jobs = new Map<string, Job>();
  for (const target of targets) {
    const job = jobs.get(target.scrapePool) ?? { name: target.scrapePool, targets: [], up: 0 };
    jobs.set(target.scrapePool, job);
    job.targets.push(target);
    if (target.health === "up") job.up += 1;
  }
  const rank = { down: 0, unknown: 1, up: 2 };
  const order = new Intl.Collator(locale.value, { numeric: true }).compare;
  for (const job of jobs.values())
    job.targets.sort((a, b) => (rank[a.health] ?? 1) - (rank[b.health] ?? 1) || order(a.scrapeUrl, b.scrapeUrl));
  return [...jobs.values()].sort((a, b) => order(a.name, b.name));
}

/** Whether every word of the search stands somewhere in the target. */
export function fits(target: Target, search: string): boolean {
  const text = [
    target.scrapeUrl,
    target.scrapePool,
    target.lastError,
    target.refused?.label ?? "",
    target.refused?.reason ?? "",
    ...Object.entries(target.labels).map(([name, value]) => `${name}=${value}`),
  ]
    .join("\n")
    .toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

type Line = { job: Job } | { target: Target };

export function Targets() {
  const { data, error, at } = useFetched<TargetsData>("/api/v1/targets?state=active");
  const state = query.value.get("state") ?? "all";
  const job = query.value.get("job") ?? "";
  const search = query.value.get("q") ?? "";
  const all = data?.activeTargets ?? [];
  const jobs = useMemo(() => byJob(all), [data]);
  const found = useMemo(
    () =>
      all.filter(
        (target) =>
          (state === "all" || target.health === state) &&
          (job === "" || target.scrapePool === job) &&
          (search.trim() === "" || fits(target, search.trim())),
      ),
    [data, state, job, search],
  );
  const lines = useMemo<Line[]>(
    () =>
      byJob(found).flatMap((one) => [
        { job: jobs.find(({ name }) => name === one.name) ?? one },
        ...one.targets.map((target) => ({ target })),
      ]),
    [found],
  );
  const count = (health: string): number => (health === "all" ? all.length : all.filter((target) => target.health === health).length);
  return (
    <>
      <div class="toolbar">
        <h1>{t("nav.targets")}</h1>
        <div class="segments" role="group" aria-label={t("targets.state")}>
          {states.map((one) => (
            <button type="button" key={one} aria-pressed={state === one} onClick={() => setQuery({ state: one === "all" ? null : one })}>
              {t(`targets.${one}`)} <span class="muted">{count(one).toLocaleString(locale.value)}</span>
            </button>
          ))}
        </div>
        <select value={job} aria-label={t("targets.job")} onChange={(event) => setQuery({ job: event.currentTarget.value || null })}>
          <option value="">{t("targets.every-job")}</option>
          {jobs.map(({ name, up, targets }) => (
            <option key={name} value={name}>
              {`${name} (${up}/${targets.length})`}
            </option>
          ))}
        </select>
        <Search value={search} label={t("targets.search")} onInput={(text) => setQuery({ q: text || null }, true)} />
        {data !== undefined && <Counts shown={found.length} all={all.length} />}
        <span class="spring" />
        <RefreshPicker />
      </div>
      {error !== undefined && data !== undefined && <Stale error={error} at={at} />}
      <SendersAhead />
      {data === undefined ? (
        error === undefined ? (
          <Loading />
        ) : (
          <Failed error={error} />
        )
      ) : all.length === 0 ? (
        <Empty>
          <strong>{t("targets.none")}</strong>
          <p>{t("targets.none.next")}</p>
        </Empty>
      ) : found.length === 0 ? (
        <Empty>{t("search.none")}</Empty>
      ) : (
        <Lines lines={lines} />
      )}
    </>
  );
}

function Lines({ lines }: { lines: readonly Line[] }) {
  const [open, setOpen] = useState<string | null>(null);
  const at = surroundings();
  const many = lines.length > mostAtOnce;
  const head = (
    <tr>
      <th scope="col">{t("targets.state")}</th>
      <th scope="col">{t("targets.endpoint")}</th>
      <th scope="col">{t("targets.labels")}</th>
      <th scope="col" class="right">
        {t("targets.last")}
      </th>
      <th scope="col" class="right">
        {t("targets.took")}
      </th>
    </tr>
  );
  const cells = (line: Line) => {
    if ("job" in line) return <JobHead job={line.job} />;
    const key = keyOf(line.target);
    return (
      <TargetCells target={line.target} at={at} open={open === key} wrapped={!many} onOpen={() => setOpen(open === key ? null : key)} />
    );
  };
  const chosen = lines.find((line) => "target" in line && keyOf(line.target) === open);
  const rowClass = (line: Line | undefined): string =>
    line === undefined ? "" : "job" in line ? "group-head" : line.target.health === "down" ? "down" : "";
  if (many) {
    return (
      <div class="fill">
        <VirtualRows
          label={t("nav.targets")}
          count={lines.length}
          rowHeight={30}
          head={head}
          row={(i) => cells(lines[i] as Line)}
          rowClass={(i) => rowClass(lines[i])}
        />
        {chosen !== undefined && "target" in chosen && (
          <aside class="detail" aria-label={t("targets.details")}>
            <TargetDetails target={chosen.target} />
          </aside>
        )}
      </div>
    );
  }
  return (
    <div class="scroll">
      <table class="targets">
        <thead>{head}</thead>
        <tbody>
          {lines.map((line, i) => (
            <>
              <tr key={"job" in line ? `job ${line.job.name}` : keyOf(line.target)} class={rowClass(line)}>
                {cells(line)}
              </tr>
              {"target" in line && keyOf(line.target) === open && (
                <tr key={`open ${i}`} class="open">
                  <td colSpan={5}>
                    <TargetDetails target={line.target} />
                  </td>
                </tr>
              )}
            </>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const keyOf = (target: Target): string => JSON.stringify([target.scrapePool, target.scrapeUrl, target.labels]);

function JobHead({ job }: { job: Job }) {
  const tone: Tone =
    job.up === job.targets.length ? "good" : !job.targets.some(({ health }) => health === "down") ? "calm" : job.up === 0 ? "bad" : "warn";
  return (
    <th colSpan={5} scope="rowgroup">
      <span class="group-name">{job.name}</span> <Badge tone={tone}>{t("targets.of", { up: job.up, n: job.targets.length })}</Badge>
    </th>
  );
}

/** `1m30s` as the language of the page writes it. */
function spoken(duration: string): string {
  const length = parseDuration(duration);
  return length === undefined ? duration : whole(quantity(length, "dtdurationms", null, surroundings()));
}

/** Go's zero time: never scraped. */
const never = (time: string): boolean => time === "" || time.startsWith("0001-");

function TargetCells({
  target,
  at,
  open,
  wrapped,
  onOpen,
}: {
  target: Target;
  at: Surroundings;
  open: boolean;
  wrapped: boolean;
  onOpen: () => void;
}) {
  return (
    <>
      <td>
        <button type="button" class="fold" aria-expanded={open} aria-label={t("targets.details")} onClick={onOpen}>
          <span aria-hidden="true">{open ? "▾" : "▸"}</span>
        </button>
        <Badge tone={tones[target.health] ?? "calm"}>{t(`targets.${target.health in tones ? target.health : "unknown"}`)}</Badge>
      </td>
      <td class={wrapped ? "wrap" : ""}>
        <Address url={target.scrapeUrl} />
        {target.lastError !== "" && <div class="said">{t("targets.failed", { error: target.lastError })}</div>}
        {target.refused !== undefined && <div class="said">{refusedText(target.refused)}</div>}
      </td>
      <td class={wrapped ? "wrap" : ""}>
        <Labels labels={target.labels} without={["job"]} />
      </td>
      <td class="right" data-label={t("targets.last")}>
        {never(target.lastScrape) ? (
          t("targets.never")
        ) : (
          <time dateTime={target.lastScrape} title={whenText(target.lastScrape, at)}>
            {fromNow(Date.parse(target.lastScrape), at)}
          </time>
        )}
        {target.lastScrapeLate === undefined ? null : (
          <small> {t("targets.late", { time: whole(quantity(target.lastScrapeLate, "s", null, at)) })}</small>
        )}
      </td>
      <td class="right" data-label={t("targets.took")}>
        {never(target.lastScrape) ? "–" : whole(quantity(target.lastScrapeDuration, "s", null, at))}
      </td>
    </>
  );
}

/** What every scrape leaves of itself. */
function aboutTarget({ labels: { job = "", instance = "" } }: Target): string[] {
  const selector = `{job=${JSON.stringify(job)}, instance=${JSON.stringify(instance)}}`;
  return ["up", "scrape_duration_seconds", "scrape_samples_scraped"].map((metric) => metric + selector);
}

/** What is not stored, and which label makes it so much. */
export function refusedText({ series, limit, label, labelValues, example }: RefusedSeries): string {
  const n = series.toLocaleString(locale.value);
  if (label === "") return t("targets.refused", { n, limit });
  return t("targets.refused.label", { n, limit, label, values: labelValues.toLocaleString(locale.value), example });
}

function TargetDetails({ target }: { target: Target }) {
  return (
    <dl class="facts">
      {target.lastError !== "" && (
        <>
          <dt>{t("targets.error")}</dt>
          <dd class="said">{target.lastError}</dd>
        </>
      )}
      {target.refused !== undefined && (
        <>
          <dt>{t("targets.refused.title")}</dt>
          <dd class="said">
            <p>{refusedText(target.refused)}</p>
            <p>{target.refused.reason}</p>
            {target.refused.rule === "" ? (
              <p>{t("targets.refused.no-label")}</p>
            ) : (
              <>
                <p>{t("targets.refused.rule", { job: target.scrapePool })}</p>
                <Snippet text={target.refused.rule.trimEnd()} label={t("targets.refused.rule", { job: target.scrapePool })} />
              </>
            )}
          </dd>
        </>
      )}
      <dt>{t("targets.endpoint")}</dt>
      <dd>
        <Address url={target.globalUrl || target.scrapeUrl} />{" "}
        <a href={exploreLink(aboutTarget(target))} onClick={follow}>
          {t("nav.explore")}
        </a>
      </dd>
      <dt>{t("targets.interval")}</dt>
      <dd>{t("targets.interval.value", { interval: spoken(target.scrapeInterval), timeout: spoken(target.scrapeTimeout) })}</dd>
      <dt>{t("targets.labels")}</dt>
      <dd>
        <Labels labels={target.labels} />
      </dd>
      <dt>{t("targets.discovered")}</dt>
      <dd>
        <Labels labels={target.discoveredLabels} />
      </dd>
    </dl>
  );
}
