/** What is asked of the API and not answered yet: who asked, since when, what it holds, and a button to stop each. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { ApiError, change, type RunningQueries, type RunningQuery } from "../api";
import { quantity, whole } from "../chart/format";
import { surroundings } from "../chart/surroundings";
import { when } from "../dates";
import { useFetched } from "../fetched";
import { Badge, type Tone } from "../parts/bits";
import { Empty, Failed, Loading, Stale } from "../parts/looks";
import { session } from "../session";
import { locale, t } from "../text";
import { ReadOnlyNote } from "./access";

const tones: Record<RunningQuery["phase"], Tone> = { queued: "calm", running: "good", sending: "warn" };
/** How often the list is asked for while it is in sight: most queries are over sooner. */
const everyMs = 1000;
const clock = signal(0);

export function Queries() {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) clock.value += 1;
    }, everyMs);
    return () => clearInterval(timer);
  }, []);
  const { data, error, at } = useFetched<RunningQueries>("/api/v1/queries/running", { clock });
  const queries = data?.queries ?? [];
  return (
    <>
      <div class="toolbar">
        <h1>{t("nav.queries")}</h1>
        {data !== undefined && <span class="muted">{t("queries.count", { n: queries.length, max: data.concurrent_max })}</span>}
      </div>
      <ReadOnlyNote />
      {error !== undefined && data !== undefined && <Stale error={error} at={at} />}
      {data === undefined ? (
        error === undefined ? (
          <Loading />
        ) : (
          <Failed error={error} />
        )
      ) : queries.length === 0 ? (
        <Empty>
          <strong>{t("queries.none")}</strong>
          <p>{t("queries.none.next")}</p>
        </Empty>
      ) : (
        <div class="scroll card">
          <table class="running" aria-label={t("queries.label")}>
            <thead>
              <tr>
                <th>{t("queries.query")}</th>
                <th class="right">{t("queries.since")}</th>
                <th class="right">{t("queries.samples")}</th>
                <th class="right">{t("queries.memory")}</th>
                <th>{t("queries.client")}</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {queries.map((query) => (
                <QueryRow key={query.id} query={query} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

/** Which times it asks for, in words. */
function times({ start, end, step }: RunningQuery): string {
  const at = surroundings();
  if (step === 0) return `${t("queries.at")}, ${when(end * 1000, "full", at)}`;
  const of = (seconds: number): string => whole(quantity(seconds, "s", null, at));
  return t("queries.range", { range: of(end - start), step: of(step) });
}

function QueryRow({ query }: { query: RunningQuery }) {
  const [stopping, setStopping] = useState(false);
  const [failed, setFailed] = useState<string>();
  const at = surroundings();
  const readOnly = session.value?.read_only === true;
  const stop = (): void => {
    setStopping(true);
    setFailed(undefined);
    change(`/api/v1/queries/${query.id}/cancel`).then(
      () => {
        clock.value += 1;
      },
      (e: unknown) => {
        setStopping(false);
        // It may just have ended.
        if (!(e instanceof ApiError) || e.status !== 404) setFailed(e instanceof ApiError ? e.message : String(e));
        clock.value += 1;
      },
    );
  };
  const count = (n: number): string => n.toLocaleString(locale.value);
  const size = (bytes: number): string => whole(quantity(bytes, "bytes", null, at));
  return (
    <tr data-query={query.id}>
      <td class="wrap">
        <Badge tone={tones[query.phase] ?? "calm"}>{t(`phase.${query.phase}`)}</Badge> <code>{query.query}</code>
        <div class="muted">{times(query)}</div>
        {failed !== undefined && (
          <p class="said" role="alert">
            {t("queries.failed", { error: failed })}
          </p>
        )}
      </td>
      <td class="right" data-label={t("queries.since")}>
        {whole(quantity(query.seconds, "s", 1, at))}
      </td>
      <td class="right" data-label={t("queries.samples")}>
        {count(query.samples)}
        <div class="muted">{t("queries.read", { n: count(query.samples_read) })}</div>
      </td>
      <td class="right" data-label={t("queries.memory")}>
        {size(query.bytes)}
        <div class="muted">{t("queries.peak", { size: size(query.bytes_peak) })}</div>
      </td>
      <td>
        {query.user !== null && <strong>{query.user} </strong>}
        {query.client}
        <div class="muted">{query.path}</div>
      </td>
      <td>
        <button
          type="button"
          disabled={stopping || readOnly}
          title={readOnly ? t("access.read-only.why") : undefined}
          aria-label={t("queries.stop-of", { query: query.query })}
          onClick={stop}
        >
          {stopping ? t("queries.stopping") : t("queries.stop")}
        </button>
      </td>
    </tr>
  );
}
