/** The page where one asks: queries above, what they answer below, the list of metrics beside. Loaded when first opened. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useAsked } from "../fetched";
import { defaults, from, pressed, range, refreshNow, tick, to, usual, zone } from "../page-state";
import { Empty, Loading } from "../parts/looks";
import { useSize } from "../parts/size";
import { query as address, setQuery } from "../router";
import { t } from "../text";
import { RangePicker, RefreshPicker } from "../views/range-picker";
import { useAnswers, type Wanted } from "./answers";
import { type Asked, askQuery } from "./ask-query";
import { metadata as askMetadata, type Metadata } from "./catalog";
import { CopyLink } from "./copy-link";
import { plainSelector } from "./counter";
import type { EditorHandle } from "./editor";
import "./explore.css";
import { remember } from "./history";
import { mostQueries } from "./link";
import { Metrics } from "./metrics";
import { Results, type Shown } from "./results";
import { Row } from "./row";
import { type ExploreState, letterOf, type Query, rangeOfLink, readState, writeState } from "./state";
import { durationText, niceSeconds } from "./steps";

/** Nothing asks again by itself here unless somebody wants it: a query may be expensive. */
const calm = { ...usual, refresh: "off" };
/** Small changes of the window are not worth another question. */
const coarse = (pixels: number): number => Math.max(100, Math.round(pixels / 100) * 100);

/** What a row has besides what the address says of it. */
interface RowState {
  id: number;
  /** What stands in the editor. */
  draft: string;
  /** Counts up when the page and not the writer changes it. */
  revision: number;
}

let lastId = 0;
const fresh = (draft: string): RowState => ({ id: ++lastId, draft, revision: 0 });
const rewritten = (row: RowState, draft: string): RowState => (row.draft === draft ? row : { ...row, draft, revision: row.revision + 1 });

const none: Record<string, Metadata[]> = {};

export function Explore() {
  const linked = rangeOfLink(address.value);
  useLayoutEffect(() => {
    if (linked !== undefined) setQuery({ range: null, end: null, ...linked }, true);
  });
  useEffect(() => {
    defaults.value = calm;
    return () => {
      defaults.value = usual;
    };
  }, []);
  return linked !== undefined || defaults.value !== calm ? <Loading /> : <Page />;
}

function Page() {
  const state = useMemo(() => readState(address.value), [address.value]);
  const [rows, setRows] = useState<RowState[]>(() => state.queries.map(({ expr }) => fresh(expr)));
  const expressions = JSON.stringify(state.queries.map(({ expr }) => expr));
  // Back, forward and links change what stands in the editors; rows that stay keep their place.
  useLayoutEffect(() => {
    setRows((old) => state.queries.map(({ expr }, i) => rewritten(old[i] ?? fresh(expr), expr)));
  }, [expressions]);
  const handles = useRef(new Map<number, EditorHandle>());
  const active = useRef(0);
  const { ref, size } = useSize<HTMLDivElement>();
  const metadata = useAsked("metadata", () => askMetadata(), { clock: pressed, keep: true }).data ?? none;
  const empty = state.queries.every(({ expr }) => expr.trim() === "");
  const metricsOpen = state.metrics ?? (empty && innerWidth > 1000);

  const { tab, step, stacked } = state;
  const width = coarse(size.width);
  const asking = rows.flatMap((row, i): Wanted<Asked>[] => {
    const query = state.queries[i];
    if (query === undefined || query.hidden || query.expr.trim() === "") return [];
    const key = JSON.stringify([query.expr.trim(), query.reading, tab, step ?? width, from.value, to.value, zone.value]);
    return [{ id: row.id, key, run: (signal) => askQuery(query, { tab, span: range.peek(), width, step }, signal) }];
  });
  const slotOf = useAnswers(size.width > 0 ? asking : [], tick.value);

  /** Writes what the page is to show into the address; what stands in the editors goes along. */
  const commit = (change: (queries: Query[]) => Query[], more: Partial<ExploreState> = {}, drafts: readonly RowState[] = rows): void => {
    const queries = change(
      drafts.map(({ draft }, i): Query => {
        const query = state.queries[i] ?? { expr: "", hidden: false, reading: "plain" as const };
        // What is no longer a plain selector can only be asked as it stands.
        const same = plainSelector(draft) !== undefined;
        return { ...query, expr: draft.trim() === query.expr.trim() ? query.expr : draft.trim(), reading: same ? query.reading : "plain" };
      }),
    );
    remember(queries.map(({ expr }) => expr));
    const before = address.peek().toString();
    setQuery(writeState({ ...state, ...more, queries }));
    // The same question again is a wish for a new answer.
    if (address.peek().toString() === before) refreshNow();
  };
  const run = (): void => commit((queries) => queries);
  const edit = (i: number, change: Partial<Query>): void => commit((queries) => queries.map((query, k) => (k === i ? { ...query, ...change } : query)));
  const draftOf = (id: number, draft: string): void => setRows((old) => old.map((row) => (row.id === id ? { ...row, draft } : row)));
  const replace = (i: number, expr: string): void => {
    const next = rows.map((row, k) => (k === i ? rewritten(row, expr) : row));
    setRows(next);
    commit((queries) => queries.map((query, k) => (k === i ? { ...query, expr, reading: "plain" } : query)), {}, next);
  };
  const add = (): void => {
    const row = fresh("");
    const next = [...rows, row];
    setRows(next);
    active.current = row.id;
    commit((queries) => queries, {}, next);
    setTimeout(() => handles.current.get(row.id)?.focus());
  };
  const remove = (i: number): void => {
    const without = <T,>(list: readonly T[]): T[] => list.filter((_, k) => k !== i);
    setRows(without(rows));
    commit(without);
  };
  const insert = (selector: string): void => {
    const i = Math.max(0, rows.findIndex(({ id }) => id === active.current));
    const row = rows[i];
    if (row === undefined) return;
    // Into an empty row it is a question of its own, and is asked at once.
    if (row.draft.trim() === "" || plainSelector(row.draft) !== undefined) {
      const next = rows.map((one) => (one === row ? rewritten(one, selector) : one));
      setRows(next);
      commit((queries) => queries, { metrics: metricsOpen }, next);
      return;
    }
    handles.current.get(row.id)?.insert(selector);
    handles.current.get(row.id)?.focus();
  };

  useEffect(() => {
    // Not where a keyboard would cover half of the page.
    if (!empty || matchMedia("(pointer: coarse)").matches) return;
    const timer = setTimeout(() => handles.current.get(rows[0]?.id ?? 0)?.focus());
    return () => clearTimeout(timer);
  }, []);

  const shown = rows.flatMap((row, i): Shown[] => {
    const query = state.queries[i];
    const asked = slotOf(row.id).data;
    return query === undefined || asked === undefined || query.hidden || query.expr.trim() === "" ? [] : [{ letter: letterOf(i), query, asked }];
  });
  const waiting = rows.some((row, i) => slotOf(row.id).busy && slotOf(row.id).data === undefined && !state.queries[i]?.hidden);
  const steps = [...new Set([...niceSeconds.filter((seconds) => seconds <= 86_400), ...(step === undefined ? [] : [step])])].sort((a, b) => a - b);
  return (
    <>
      <div class="toolbar">
        <h1>{t("nav.explore")}</h1>
        <div class="segments" role="group" aria-label={t("explore.view")}>
          <button type="button" aria-pressed={tab === "graph"} title={t("explore.graph.hint")} onClick={() => commit((q) => q, { tab: "graph" })}>
            {t("explore.graph")}
          </button>
          <button type="button" aria-pressed={tab === "table"} title={t("explore.table.hint")} onClick={() => commit((q) => q, { tab: "table" })}>
            {t("explore.table")}
          </button>
        </div>
        {tab === "graph" && (
          <>
            <select
              value={step === undefined ? "" : String(step)}
              aria-label={t("explore.resolution")}
              title={t("explore.resolution")}
              onChange={(event) => commit((q) => q, { step: Number(event.currentTarget.value) || undefined })}
            >
              <option value="">{t("explore.resolution.auto")}</option>
              {steps.map((seconds) => (
                <option key={seconds} value={String(seconds)}>
                  {t("explore.resolution.step", { step: durationText(seconds * 1000) })}
                </option>
              ))}
            </select>
            <button type="button" aria-pressed={stacked} onClick={() => commit((q) => q, { stacked: !stacked })}>
              {t("explore.stacked")}
            </button>
          </>
        )}
        <button
          type="button"
          aria-pressed={metricsOpen}
          onClick={() => setQuery({ metrics: metricsOpen ? "0" : "1" }, true)}
          title={t("explore.metrics.hint")}
        >
          {t("explore.metrics")}
        </button>
        <span class="spring" />
        <CopyLink />
        <RangePicker />
        <RefreshPicker />
      </div>
      <div class={`explore${metricsOpen ? " with-metrics" : ""}`}>
        {metricsOpen && <Metrics metadata={metadata} onInsert={insert} />}
        <div class="explore-main" ref={ref}>
          <div class="queries card">
            {rows.map((row, i) => {
              const query = state.queries[i] ?? { expr: "", hidden: false, reading: "plain" as const };
              return (
                <Row
                  key={row.id}
                  letter={letterOf(i)}
                  query={query}
                  draft={row.draft}
                  revision={row.revision}
                  slot={slotOf(row.id)}
                  metadata={metadata}
                  removable={rows.length > 1}
                  onDraft={(text) => draftOf(row.id, text)}
                  onRun={run}
                  onReading={(reading) => edit(i, { reading })}
                  onHide={() => edit(i, { hidden: !query.hidden })}
                  onRemove={() => remove(i)}
                  onReplace={(expr) => replace(i, expr)}
                  onFocus={() => {
                    active.current = row.id;
                  }}
                  handle={(editor) => {
                    if (editor === undefined) handles.current.delete(row.id);
                    else handles.current.set(row.id, editor);
                  }}
                />
              );
            })}
            <div class="queries-foot">
              <button type="button" disabled={rows.length >= mostQueries} onClick={add}>
                {t("explore.add")}
              </button>
              <span class="muted small">{t("explore.keys")}</span>
            </div>
          </div>
          {shown.length > 0 ? <Results shown={shown} tab={tab} stacked={stacked} /> : waiting ? <Loading /> : empty && <Start />}
        </div>
      </div>
    </>
  );
}

function Start() {
  return (
    <Empty>
      <strong>{t("explore.start")}</strong>
      <p>{t("explore.start.next")}</p>
    </Empty>
  );
}
