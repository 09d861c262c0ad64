/** One query of the page: its editor, what can be done with it, and what became of it. */
import { useMemo } from "preact/hooks";
import { Popover } from "../parts/popover";
import { locale, t } from "../text";
import type { Slot } from "./answers";
import type { Asked } from "./ask-query";
import type { Metadata } from "./catalog";
import { isCounter, plainSelector } from "./counter";
import { type EditorHandle, type Mistake, PromqlEditor } from "./editor";
import { forgetQueries, pastQueries } from "./history";
import { placeIn, plainMessage, positionOf, stretchAt } from "./run";
import type { Query, Reading } from "./state";
import { durationText } from "./steps";

export interface RowProps {
  letter: string;
  query: Query;
  /** What stands in the editor now. */
  draft: string;
  /** Counts up when somebody else than its writer changed it. */
  revision: number;
  slot: Slot<Asked>;
  metadata: Readonly<Record<string, Metadata[]>>;
  removable: boolean;
  onDraft: (text: string) => void;
  onRun: () => void;
  onReading: (reading: Reading) => void;
  onHide: () => void;
  onRemove: () => void;
  /** Puts another text in the place of this query, and runs it as it stands. */
  onReplace: (expr: string) => void;
  onFocus: () => void;
  handle: (editor: EditorHandle | undefined) => void;
}

const readings: Reading[] = ["plain", "total", "rate"];

/** Where the server saw the mistake, if it is in the text that people wrote. */
export function mistakeOf(query: Query, slot: Slot<Asked>): Mistake | undefined {
  if (slot.error === undefined || slot.error.status !== 400) return undefined;
  const expr = query.expr.trim();
  const place = placeIn(plainMessage(slot.error.message));
  if (place === undefined) return undefined;
  const [from, to] = stretchAt(expr, positionOf(expr, place));
  return { expr, from, to, message: plainMessage(slot.error.message) };
}

export function Row({
  letter,
  query,
  draft,
  revision,
  slot,
  metadata,
  removable,
  onDraft,
  onRun,
  onReading,
  onHide,
  onRemove,
  onReplace,
  onFocus,
  handle,
}: RowProps) {
  const selector = useMemo(() => plainSelector(draft), [draft]);
  const counter = selector !== undefined && isCounter(selector.metric, metadata);
  const changed = draft.trim() !== query.expr.trim();
  const { data, error, busy } = slot;
  const reading: Reading = counter || selector !== undefined ? query.reading : "plain";
  return (
    <section class={`query${query.hidden ? " hidden-query" : ""}`} aria-label={t("explore.query", { letter })} data-query-row={letter}>
      <div class="query-line">
        <span class="query-letter" aria-hidden="true">
          {letter}
        </span>
        <div class="query-editor">
          <PromqlEditor
            value={draft}
            revision={revision}
            label={t("explore.query", { letter })}
            mistake={mistakeOf(query, slot)}
            onChange={onDraft}
            onRun={onRun}
            onFocus={onFocus}
            handle={handle}
          />
        </div>
        <div class="query-buttons">
          <button type="button" class={changed && draft.trim() !== "" ? "primary" : ""} onClick={onRun}>
            {t("explore.run")}
          </button>
          <Popover label={t("explore.history")} button="↶" className="icon-pop">
            {(close) => (
              <Past
                onChoose={(expr) => {
                  onReplace(expr);
                  close();
                }}
                close={close}
              />
            )}
          </Popover>
          <button
            type="button"
            class="icon"
            aria-pressed={query.hidden}
            title={query.hidden ? t("explore.show") : t("explore.hide")}
            aria-label={`${query.hidden ? t("explore.show") : t("explore.hide")} (${letter})`}
            onClick={onHide}
          >
            {query.hidden ? "◌" : "◉"}
          </button>
          <button
            type="button"
            class="icon"
            title={t("explore.remove")}
            aria-label={`${t("explore.remove")} (${letter})`}
            disabled={!removable}
            onClick={onRemove}
          >
            ✕
          </button>
        </div>
      </div>
      {(counter || reading !== "plain") && (
        <div class="query-note">
          <div class="segments" role="group" aria-label={t("explore.counter")}>
            {readings.map((one) => (
              <button type="button" key={one} aria-pressed={reading === one} title={t(`explore-explain.${one}`)} onClick={() => onReading(one)}>
                {t(`explore-as.${one}`)}
              </button>
            ))}
          </div>
          <span class="muted small">{t(`explore-explain.${reading}`)}</span>
        </div>
      )}
      {reading !== "plain" && data !== undefined && data.expr !== query.expr && (
        <details class="query-asked">
          <summary class="muted small">{t("explore.asked")}</summary>
          <pre class="code line-to-add">{data.expr}</pre>
          <button type="button" onClick={() => onReplace(data.expr)}>
            {t("explore.edit")}
          </button>
        </details>
      )}
      <div class="query-status" role="status">
        {query.hidden ? (
          <span class="muted small">{t("explore.hidden")}</span>
        ) : error !== undefined ? (
          <p class="said" role="alert">
            {plainMessage(error.message)}
            {data !== undefined && <span class="muted"> {t("explore.old")}</span>}
          </p>
        ) : data !== undefined ? (
          <Took asked={data} busy={busy} />
        ) : busy ? (
          <span class="muted small">{t("look.loading")}</span>
        ) : null}
        {!query.hidden && error === undefined && data !== undefined && <Notes asked={data} />}
      </div>
    </section>
  );
}

/** How much came, and what it cost. */
function Took({ asked: { answer, all, cut, step, tab }, busy }: { asked: Asked; busy: boolean }) {
  const { data } = answer;
  const came = data.resultType === "matrix" || data.resultType === "vector" ? data.result.length : 1;
  const parts = [
    cut
      ? all === undefined
        ? t("explore.series.first", { n: came })
        : t("explore.series.some", { shown: came, n: all })
      : t("explore.series", { n: came }),
    t("explore.took", { ms: (answer.serverMs ?? answer.ms).toLocaleString(locale.value, { maximumFractionDigits: 1 }) }),
    ...(tab === "graph" && data.resultType === "matrix" ? [t("explore.step", { step: durationText(step * 1000) })] : []),
  ];
  const samples = answer.samples === undefined ? "" : t("explore.samples", { n: answer.samples });
  return (
    <span class="muted small" title={[samples, t("explore.round-trip", { ms: Math.round(answer.ms) })].filter(Boolean).join("\n")}>
      {parts.join(" · ")}
      {busy && <span class="spinner tiny" aria-hidden="true" />}
    </span>
  );
}

function Notes({ asked: { answer } }: { asked: Asked }) {
  const notes = [...answer.warnings.map((text) => ["warn-text", "▲", text]), ...answer.infos.map((text) => ["muted", "ⓘ", text])];
  if (notes.length === 0) return null;
  return (
    <ul class="query-notes small">
      {notes.map(([tone, sign, text]) => (
        <li key={text} class={tone}>
          <span aria-hidden="true">{sign}</span> {text}
        </li>
      ))}
    </ul>
  );
}

function Past({ onChoose, close }: { onChoose: (expr: string) => void; close: () => void }) {
  const past = pastQueries();
  if (past.length === 0) return <p class="muted">{t("explore.history.none")}</p>;
  return (
    <div class="past">
      <ul>
        {past.map((expr) => (
          <li key={expr}>
            <button type="button" class="code" title={expr} onClick={() => onChoose(expr)}>
              {expr}
            </button>
          </li>
        ))}
      </ul>
      <button
        type="button"
        onClick={() => {
          forgetQueries();
          close();
        }}
      >
        {t("explore.history.clear")}
      </button>
    </div>
  );
}
