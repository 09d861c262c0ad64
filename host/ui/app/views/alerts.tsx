/** What is firing or about to, the rules behind it, and who was told. */
import { useState } from "preact/hooks";
import type { Alert, ApiError, Delivery, Rule, RuleGroup } from "../api";
import { quantity, whole } from "../chart/format";
import { surroundings } from "../chart/surroundings";
import { fromNow, type Surroundings } from "../chart/units";
import { whenText } from "../dates";
import { exploreLink } from "../explore/link";
import { useFetched } from "../fetched";
import { Badge, Labels, Search, type Tone } from "../parts/bits";
import { Failed, Loading, Stale } from "../parts/looks";
import { follow, query, setQuery } from "../router";
import { t } from "../text";
import { RefreshPicker } from "./range-picker";
import { Receivers } from "./receivers";

const tones: Record<string, Tone> = { firing: "bad", pending: "warn", inactive: "good", unknown: "calm" };
const severities = ["critical", "error", "warning", "info"];

export interface Active {
  alert: Alert;
  rule: Rule;
}

/** Firing before pending, then by severity, then the oldest first. */
export function active(groups: readonly RuleGroup[]): Active[] {
  const rank = ({ alert }: Active): number =>
    (alert.state === "firing" ? 0 : 10) +
    (severities.includes(alert.labels.severity ?? "") ? severities.indexOf(alert.labels.severity ?? "") : severities.length);
  return groups
    .flatMap(({ rules }) => rules.flatMap((rule) => (rule.alerts ?? []).map((alert) => ({ alert, rule }))))
    .sort((a, b) => rank(a) - rank(b) || Date.parse(a.alert.activeAt) - Date.parse(b.alert.activeAt));
}

/** More than these are counted. */
const most = 500;

export function Alerts() {
  const rules = useFetched<{ groups: RuleGroup[] }>("/api/v1/rules");
  const deliveries = useFetched<Delivery[]>("/api/v1/deliveries");
  const search = query.value.get("q") ?? "";
  const at = surroundings();
  const groups = rules.data?.groups ?? [];
  const alerts = active(groups);
  const text = ({ alert, rule }: Active): string =>
    [rule.name, alert.state, ...Object.entries(alert.labels).map(([name, value]) => `${name}=${value}`)].join("\n").toLowerCase();
  const found = alerts.filter((one) =>
    search
      .toLowerCase()
      .split(/\s+/)
      .every((word) => text(one).includes(word)),
  );
  const firing = alerts.filter(({ alert }) => alert.state === "firing").length;
  return (
    <>
      <div class="toolbar">
        <h1>{t("nav.alerts")}</h1>
        <p class="counts" role="status" aria-live="polite">
          {rules.data !== undefined && (
            <>
              <Badge tone={firing > 0 ? "bad" : "good"}>{t("alerts.firing", { n: firing })}</Badge>
              <Badge tone={alerts.length > firing ? "warn" : "calm"}>{t("alerts.pending", { n: alerts.length - firing })}</Badge>
            </>
          )}
        </p>
        <Search value={search} label={t("alerts.search")} onInput={(next) => setQuery({ q: next || null }, true)} />
        <span class="spring" />
        <RefreshPicker />
      </div>
      {rules.error !== undefined && rules.data !== undefined && <Stale error={rules.error} at={rules.at} />}
      {rules.data === undefined ? (
        rules.error === undefined ? (
          <Loading />
        ) : (
          <Failed error={rules.error} />
        )
      ) : (
        <>
          <section class="card">
            <h2>{t("alerts.active")}</h2>
            {alerts.length === 0 ? (
              <p class="calm-line">{groups.length === 0 ? t("alerts.no-rules") : t("alerts.none")}</p>
            ) : found.length === 0 ? (
              <p class="calm-line">{t("search.none")}</p>
            ) : (
              <ul class="alerts">
                {found.slice(0, most).map((one) => (
                  <ActiveAlert key={JSON.stringify(one.alert.labels)} one={one} at={at} />
                ))}
              </ul>
            )}
            {found.length > most && <p class="muted">{t("alerts.more", { n: found.length - most })}</p>}
          </section>
          <Deliveries {...deliveries} clock={at} />
          <Receivers />
          {groups.map((group) => (
            <Group key={`${group.file} ${group.name}`} group={group} at={at} />
          ))}
        </>
      )}
    </>
  );
}

function ActiveAlert({ one: { alert, rule }, at }: { one: Active; at: Surroundings }) {
  const since = Date.parse(alert.activeAt);
  const value = Number(alert.value);
  const said = alert.annotations.summary ?? alert.annotations.description ?? "";
  return (
    <li class={`alert ${alert.state}`}>
      <details>
        <summary>
          <Badge tone={tones[alert.state] ?? "calm"}>{t(alert.state === "firing" ? "state.firing" : "state.pending")}</Badge>
          <strong class="alert-name">{alert.labels.alertname ?? rule.name}</strong>
          <span class="alert-said">{said}</span>
          <Labels labels={alert.labels} without={["alertname"]} />
          <span class="alert-value" title={t("alerts.value")}>
            {Number.isNaN(value) ? alert.value : whole(quantity(value, "short", null, at))}
          </span>
          <time class="alert-age" dateTime={alert.activeAt} title={whenText(alert.activeAt, at)}>
            {fromNow(since, at)}
          </time>
        </summary>
        <dl class="facts">
          {Object.entries(alert.annotations).map(([name, text]) => (
            <>
              <dt key={`${name} name`}>{name}</dt>
              <dd key={name} class="prose">
                {text}
              </dd>
            </>
          ))}
          <dt>{t("alerts.expression")}</dt>
          <dd>
            <a href={exploreLink([rule.query])} onClick={follow} title={t("explore.open", { title: rule.name })}>
              <code>{rule.query}</code>
            </a>
          </dd>
          <dt>{t("alerts.value")}</dt>
          <dd>{alert.value}</dd>
          <dt>{t("alerts.since")}</dt>
          <dd>{whenText(alert.activeAt, at)}</dd>
        </dl>
      </details>
    </li>
  );
}

function Group({ group, at }: { group: RuleGroup; at: Surroundings }) {
  return (
    <section class="card">
      <h2>
        {group.name}{" "}
        <span class="muted">
          {group.file} · {t("alerts.every", { interval: whole(quantity(group.interval, "dtdurations", null, at)) })}
        </span>
      </h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">{t("alerts.state")}</th>
              <th scope="col">{t("alerts.rule")}</th>
              <th scope="col">{t("alerts.expression")}</th>
              <th scope="col" class="right">
                {t("alerts.for")}
              </th>
              <th scope="col" class="right">
                {t("alerts.evaluated")}
              </th>
              <th scope="col" class="right">
                {t("alerts.took")}
              </th>
            </tr>
          </thead>
          <tbody>
            {group.rules.map((rule, i) => (
              <RuleRow key={`${rule.name} ${i}`} rule={rule} at={at} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function RuleRow({ rule, at }: { rule: Rule; at: Surroundings }) {
  const failed = rule.health === "err";
  const words: Record<string, string> = { firing: t("state.firing"), pending: t("state.pending"), inactive: t("state.inactive") };
  const waiting = rule.lastEvaluation === "" || rule.lastEvaluation.startsWith("0001-");
  return (
    <tr class={failed ? "down" : ""}>
      <td>
        {failed ? (
          <Badge tone="bad">{t("state.failed")}</Badge>
        ) : rule.type === "recording" ? (
          <Badge tone="calm">{t("state.recording")}</Badge>
        ) : (
          <Badge tone={tones[rule.state ?? "unknown"] ?? "calm"}>{words[rule.state ?? ""] ?? t("state.unknown")}</Badge>
        )}
      </td>
      <td class="wrap">
        <strong>{rule.name}</strong> <Labels labels={rule.labels ?? {}} />
      </td>
      <td class="wrap">
        <a href={exploreLink([rule.query])} onClick={follow} title={t("explore.open", { title: rule.name })}>
          <code>{rule.query}</code>
        </a>
        {(rule.lastError ?? "") !== "" && <div class="said">{t("alerts.failed", { error: rule.lastError ?? "" })}</div>}
      </td>
      <td class="right" data-label={t("alerts.for")}>
        {rule.type === "alerting" && (rule.duration ?? 0) > 0 ? whole(quantity(rule.duration ?? 0, "dtdurations", null, at)) : "–"}
      </td>
      <td class="right" data-label={t("alerts.evaluated")}>
        {waiting ? (
          t("targets.never")
        ) : (
          <time dateTime={rule.lastEvaluation} title={whenText(rule.lastEvaluation, at)}>
            {fromNow(Date.parse(rule.lastEvaluation), at)}
          </time>
        )}
      </td>
      <td class="right" data-label={t("alerts.took")}>
        {waiting ? "–" : whole(quantity(rule.evaluationTime, "s", null, at))}
      </td>
    </tr>
  );
}

function Deliveries({
  data,
  error,
  at,
  clock,
}: {
  data: Delivery[] | undefined;
  error: ApiError | undefined;
  at: number;
  clock: Surroundings;
}) {
  const [all, setAll] = useState(false);
  const list = data ?? [];
  const shown = all ? list : list.slice(0, 50);
  return (
    <section class="card">
      <h2>{t("deliveries.title")}</h2>
      {error !== undefined && data !== undefined && <Stale error={error} at={at} />}
      {data === undefined ? (
        error === undefined ? (
          <Loading />
        ) : (
          <Failed error={error} />
        )
      ) : list.length === 0 ? (
        <p class="calm-line">{t("deliveries.none")}</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">{t("alerts.state")}</th>
                <th scope="col">{t("deliveries.receiver")}</th>
                <th scope="col">{t("deliveries.group")}</th>
                <th scope="col" class="right">
                  {t("deliveries.alerts")}
                </th>
                <th scope="col" class="right">
                  {t("deliveries.last")}
                </th>
                <th scope="col" class="right">
                  {t("deliveries.next")}
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((one) => (
                <tr key={`${one.receiver} ${one.group_key}`} class={one.last !== null && one.last.error !== "" ? "down" : ""}>
                  <td>
                    <DeliveryState one={one} />
                  </td>
                  <td>{one.receiver}</td>
                  <td class="wrap" title={one.group_key}>
                    <Labels labels={one.labels} />
                    {one.last !== null && one.last.error !== "" && <div class="said">{t("deliveries.error", { error: one.last.error })}</div>}
                  </td>
                  <td class="right" data-label={t("deliveries.alerts")}>
                    {one.alerts.toLocaleString(clock.language)}
                  </td>
                  <td class="right" data-label={t("deliveries.last")}>
                    {one.last === null ? t("targets.never") : fromNow(one.last.at, clock)}
                  </td>
                  <td class="right" data-label={t("deliveries.next")}>
                    {one.next_flush === null ? "–" : fromNow(one.next_flush, clock)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {shown.length < list.length && (
        <button type="button" onClick={() => setAll(true)}>
          {t("deliveries.all", { n: list.length })}
        </button>
      )}
    </section>
  );
}

function DeliveryState({ one: { last } }: { one: Delivery }) {
  if (last === null) return <Badge tone="calm">{t("deliveries.waiting")}</Badge>;
  if (last.pending) return <Badge tone="warn">{t("deliveries.retrying", { n: last.attempts })}</Badge>;
  return last.error === "" ? <Badge tone="good">{t("deliveries.sent")}</Badge> : <Badge tone="bad">{t("deliveries.failed")}</Badge>;
}
