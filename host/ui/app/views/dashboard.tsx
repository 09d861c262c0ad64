/** A dashboard: its variables and its grid of panels. */
import { useEffect, useState } from "preact/hooks";
import type { Dashboard as DashboardData, PanelPlace } from "../api";
import { inLanguage } from "../board-text";
import { useFetched } from "../fetched";
import { defaults, pressed, usual } from "../page-state";
import { PageLink } from "../parts/bits";
import { Empty, Failed, Loading, Stale } from "../parts/looks";
import { query } from "../router";
import { t } from "../text";
import { Panel } from "./panel";
import { RangePicker, RefreshPicker } from "./range-picker";
import { chosen, Variables } from "./variables";
import { WelcomeCard } from "./access";

/** A row and the panels below it. The first one may have no heading. */
export interface Section {
  row: PanelPlace | undefined;
  panels: PanelPlace[];
}

/** Cuts the list at its rows; each section's own grid begins at its first line. */
export function sections(panels: readonly PanelPlace[]): Section[] {
  const out: Section[] = [{ row: undefined, panels: [] }];
  for (const panel of panels) {
    if (panel.kind === "row") out.push({ row: panel, panels: [] });
    else out.at(-1)?.panels.push(panel);
  }
  return out
    .filter(({ row, panels }) => row !== undefined || panels.length > 0)
    .map(({ row, panels }) => {
      const top = panels.reduce((least, { grid }) => Math.min(least, grid.y), Infinity);
      // The document has the order in which one reads, whatever the file has.
      const sorted = panels.toSorted((a, b) => a.grid.y - b.grid.y || a.grid.x - b.grid.x);
      return { row, panels: sorted.map((panel) => ({ ...panel, grid: { ...panel.grid, y: panel.grid.y - top } })) };
    });
}

/** Grid lines of a panel, within the 24 columns whatever the file says. */
export function gridLines({ grid }: Pick<PanelPlace, "grid">): Record<string, string> {
  const whole = (value: number, low: number, high: number): number =>
    Math.max(low, Math.min(high, Math.round(Number.isFinite(value) ? value : low)));
  const w = whole(grid.w, 1, 24);
  const x = whole(grid.x, 0, 24 - w);
  return { "--x": String(x + 1), "--y": String(whole(grid.y, 0, 9999) + 1), "--w": String(w), "--h": String(whole(grid.h, 1, 200)) };
}

export function Dashboard({ uid, home }: { uid: string; home: boolean }) {
  const asked = new URLSearchParams([...query.value].filter(([name]) => name.startsWith("var-"))).toString();
  const path = `/api/v1/dashboards/${encodeURIComponent(uid)}${asked && `?${asked}`}`;
  const { data, error, at } = useFetched<DashboardData>(path, { clock: pressed, keep: true });
  const [readyFor, setReadyFor] = useState("");
  useEffect(() => {
    if (data?.uid !== uid) return;
    defaults.value = { from: data.time.from || usual.from, to: data.time.to || usual.to, refresh: data.refresh, timezone: data.timezone };
    document.title = `${inLanguage(data.translations, data.title)} · Skopos`;
    setReadyFor(uid);
  }, [data, uid]);
  useEffect(
    () => () => {
      defaults.value = usual;
    },
    [],
  );

  if (data === undefined || readyFor !== uid || data.uid !== uid) {
    if (error === undefined) return <Loading />;
    if (error.status !== 404) return <Failed error={error} what={t("dashboard.failed")} />;
    return (
      <Empty>
        <strong>{home ? t("dashboard.no-home") : t("dashboard.missing", { uid })}</strong>
        <p>{home ? t("dashboard.no-home.next") : error.message}</p>
        <p>
          <PageLink to="/dashboards">{t("dashboard.list")}</PageLink>
        </p>
      </Empty>
    );
  }
  return (
    <>
      <div class="toolbar">
        <h1 title={inLanguage(data.translations, data.description)}>{inLanguage(data.translations, data.title)}</h1>
        <Variables variables={data.variables} />
        <span class="spring" />
        <RangePicker />
        <RefreshPicker />
      </div>
      {home && <WelcomeCard />}
      {error !== undefined && <Stale error={error} at={at} />}
      {data.warnings.length > 0 && (
        <details class="notes">
          <summary>{t("dashboard.warnings", { n: data.warnings.length })}</summary>
          <ul>
            {data.warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </details>
      )}
      {data.panels.length === 0 && <Empty>{t("dashboard.empty")}</Empty>}
      {sections(data.panels).map((section, i) => (
        <Row key={section.row?.id ?? `first-${i}`} section={section} dashboard={data} />
      ))}
    </>
  );
}

/** Of a row; beyond these a page no longer scrolls well. */
const mostPanels = 500;

function Row({ section: { row, panels }, dashboard }: { section: Section; dashboard: DashboardData }) {
  const [open, setOpen] = useState(!(row?.collapsed ?? false));
  const variables = chosen(dashboard.variables, query.value);
  return (
    <>
      {row !== undefined && (
        <h2 class="row">
          <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
            <span aria-hidden="true">{open ? "▾" : "▸"}</span> {inLanguage(dashboard.translations, row.title)}
            {!open && <span class="muted"> {t("dashboard.folded", { n: panels.length })}</span>}
          </button>
        </h2>
      )}
      {open && (
        <div class="grid">
          {panels.slice(0, mostPanels).map((place, order) => (
            <div
              key={`${dashboard.uid}/${place.id}`}
              class={place.grid.w <= 8 && place.grid.h <= 5 ? "cell narrow" : "cell"}
              style={gridLines(place)}
            >
              <Panel uid={dashboard.uid} place={place} variables={variables} order={order} translations={dashboard.translations} />
            </div>
          ))}
        </div>
      )}
      {open && panels.length > mostPanels && <p class="muted">{t("dashboard.too-many", { n: panels.length - mostPanels })}</p>}
    </>
  );
}
