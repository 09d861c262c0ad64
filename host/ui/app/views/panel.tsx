/** A panel of a dashboard: asks for its view while it is in sight, and draws it. */
import type { RefObject } from "preact";
import { useEffect, useErrorBoundary, useRef, useState } from "preact/hooks";
import { ApiError, ask, type PanelPlace } from "../api";
import { answerInLanguage, inLanguage, type Translations } from "../board-text";
import { canDraw, Drawing, emptyReason } from "../chart/drawing";
import { surroundings } from "../chart/surroundings";
import { dataTable, TableView } from "../chart/table";
import type { PanelAnswer } from "../chart/view";
import { when } from "../dates";
import { exploreLink } from "../explore/link";
import { useAsked } from "../fetched";
import { from, range, to, zone } from "../page-state";
import { Empty, Failed, Loading } from "../parts/looks";
import { useSize } from "../parts/size";
import { follow } from "../router";
import { has, t } from "../text";
import { theme } from "../theme";
import type { Range } from "../time-range";

export type State = "loading" | "empty" | "error" | "stale" | "drawn";

/** True once the element is near what is seen, and whenever it is. */
function useInSight(ref: RefObject<HTMLElement | null>): boolean {
  const [inSight, setInSight] = useState(false);
  useEffect(() => {
    if (ref.current === null) return;
    const observer = new IntersectionObserver((entries) => setInSight(entries.at(-1)?.isIntersecting ?? false), { rootMargin: "300px" });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return inSight;
}

/** The first panels out of sight are drawn once, after those in sight, so that scrolling finds them ready. */
const laterMs = 1200;
const mostLater = 40;
/** Small changes of the window are not worth another question. */
const coarse = (pixels: number): number => Math.max(50, Math.round(pixels / 50) * 50);

export function Panel({
  uid,
  place,
  variables,
  order,
  translations,
}: {
  uid: string;
  place: PanelPlace;
  variables: Record<string, string[]>;
  order: number;
  translations: Translations | undefined;
}) {
  const root = useRef<HTMLElement>(null);
  const { ref: body, size } = useSize<HTMLDivElement>();
  const inSight = useInSight(root);
  const [later, setLater] = useState(false);
  useEffect(() => {
    if (order >= mostLater) return;
    const timer = setTimeout(() => setLater(true), laterMs + order * 60);
    return () => clearTimeout(timer);
  }, []);
  const [drawnOnce, setDrawnOnce] = useState(false);
  const [asTable, setAsTable] = useState(false);
  const [mistake, mended] = useErrorBoundary();

  const request = { width: coarse(size.width), height: coarse(size.height), theme: theme.value, timezone: zone.value, variables };
  const key = JSON.stringify([uid, place.id, from.value, to.value, request]);
  const path = `/api/v1/dashboards/${encodeURIComponent(uid)}/panels/${place.id}/view`;
  const drawable = place.kind === "panel";
  const fetched = useAsked<{ answer: PanelAnswer; span: Range }>(
    key,
    async (signal) => {
      const span = range.peek();
      const answer = await ask<PanelAnswer>(path, { body: { from: Math.round(span.from), to: Math.round(span.to), ...request }, signal });
      return { answer: answerInLanguage(translations, answer), span };
    },
    { enabled: drawable && size.width > 0 && (inSight || (later && !drawnOnce)), keep: true },
  );
  const { data } = fetched;
  useEffect(() => {
    if (data !== undefined) setDrawnOnce(true);
    if (mistake !== undefined) mended();
  }, [data]);

  const broken =
    mistake === undefined
      ? undefined
      : new ApiError(t("panel.mistake", { error: mistake instanceof Error ? mistake.message : String(mistake) }), 0);
  const reason = data === undefined ? undefined : emptyReason(data.answer);
  const state: State =
    !drawable || broken !== undefined
      ? "error"
      : data === undefined
        ? fetched.error === undefined
          ? "loading"
          : "error"
        : fetched.error !== undefined
          ? "stale"
          : !canDraw(data.answer.view)
            ? "error"
            : reason !== undefined
              ? "empty"
              : "drawn";
  const ownTitle = inLanguage(translations, place.title);
  const description = inLanguage(translations, place.description);
  const title = ownTitle || t("panel.untitled", { id: String(place.id) });
  const warnings = data?.answer.warnings ?? [];
  const notes = t("panel.notes", { notes: warnings.join("\n") });
  return (
    <section
      class={`panel${place.transparent ? " transparent" : ""}`}
      ref={root}
      data-panel={place.id}
      data-state={state}
      aria-label={title}
      aria-busy={state === "loading"}
    >
      <div class="panel-head">
        <h3 title={description || ownTitle}>{ownTitle}</h3>
        {description !== "" && (
          <span class="hint" tabIndex={0} role="note" aria-label={description} title={description}>
            i
          </span>
        )}
        {warnings.length > 0 && (
          <span class="hint warn-text" tabIndex={0} role="note" aria-label={notes} title={notes}>
            ▲
          </span>
        )}
        {state === "stale" && fetched.error !== undefined && (
          <span
            class="hint warn-text"
            tabIndex={0}
            role="status"
            title={t("look.stale", { time: when(fetched.at, "clock", surroundings()), error: fetched.error.message })}
          >
            ⚠ {t("panel.stale", { time: when(fetched.at, "clock", surroundings()) })}
          </span>
        )}
        {data?.answer.queries !== undefined && data.answer.queries.length > 0 && (
          <a
            class="panel-explore"
            href={exploreLink(data.answer.queries)}
            onClick={follow}
            title={t("explore.open", { title })}
            aria-label={t("explore.open", { title })}
          >
            ⌕
          </a>
        )}
        {data !== undefined && data.answer.frames.length > 0 && (
          <button
            type="button"
            class="icon table-toggle"
            aria-pressed={asTable}
            title={t("panel.table")}
            aria-label={t("panel.table")}
            onClick={() => setAsTable(!asTable)}
          >
            ▤
          </button>
        )}
      </div>
      <div class="panel-body" ref={body}>
        {!drawable ? (
          <Empty>
            <strong>{t("panel.type", { type: place.type })}</strong>
            <p>{place.reason}</p>
          </Empty>
        ) : broken !== undefined ? (
          <Failed error={broken} />
        ) : data === undefined ? (
          fetched.error === undefined ? (
            <Loading />
          ) : (
            <Failed error={fetched.error} what={t("panel.failed")} />
          )
        ) : asTable ? (
          <DataTables answer={data.answer} title={title} />
        ) : reason !== undefined ? (
          <Empty>
            {t("panel.empty")}
            <Reasons answer={data.answer} reason={reason} />
          </Empty>
        ) : (
          <Drawing answer={data.answer} title={title} span={data.span} />
        )}
      </div>
    </section>
  );
}

/** Why there is nothing: in the language of the page where the server says which kind of reason it is. */
function Reasons({ answer, reason }: { answer: PanelAnswer; reason: string }) {
  const said = (answer.hints ?? []).map(({ kind, metric = "", label = "", text }) => {
    const key = `hint.${kind}`;
    return has(key) ? t(key, { metric, label }) : text;
  });
  const all = said.length > 0 ? said : reason === "" ? [] : [reason];
  return (
    <>
      {all.map((line) => (
        <p key={line} class="small">
          {line}
        </p>
      ))}
    </>
  );
}

/** The frames as they came, one at a time. */
function DataTables({ answer, title }: { answer: PanelAnswer; title: string }) {
  const [frame, setFrame] = useState(0);
  const chosen = Math.min(frame, answer.frames.length - 1);
  return (
    <div class="data-table">
      {answer.frames.length > 1 && (
        <select value={String(chosen)} aria-label={t("panel.frame")} onChange={(event) => setFrame(Number(event.currentTarget.value))}>
          {answer.frames.map((one, i) => (
            <option key={i} value={String(i)}>
              {`${one.query} ${one.name || one.fields.at(-1)?.display_name || ""}`}
            </option>
          ))}
        </select>
      )}
      <TableView key={chosen} table={dataTable(answer.frames, chosen)} frames={answer.frames} configs={answer.configs} title={title} />
    </div>
  );
}
