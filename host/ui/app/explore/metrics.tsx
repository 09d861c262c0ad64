/** The list of metrics with type and help, and the labels of the one that was chosen. A click writes a selector. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError } from "../api";
import { useAsked } from "../fetched";
import { pressed } from "../page-state";
import { Counts, Search } from "../parts/bits";
import { Failed, Loading } from "../parts/looks";
import { VirtualRows } from "../parts/virtual-rows";
import { has, type Key, t } from "../text";
import { forget, labelNames, labelValues, type Metadata, metricNames, mostValues, selectorOf } from "./catalog";
import { metadataOf } from "./counter";

/** Values of a label that are listed at once. */
const mostShown = 200;

interface Known {
  name: string;
  type: string;
  help: string;
  text: string;
}

/** The names that have every word of the search in name or help; names that begin with it come first. */
export function found(metrics: readonly Known[], search: string): Known[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...metrics];
  const fitting = metrics.filter(({ text }) => words.every((word) => text.includes(word)));
  const rank = ({ name }: Known): number => {
    const lower = name.toLowerCase();
    return lower.startsWith(words[0] ?? "") ? 0 : words.every((word) => lower.includes(word)) ? 1 : 2;
  };
  return fitting.map((one, i) => ({ one, i, rank: rank(one) })).sort((a, b) => a.rank - b.rank || a.i - b.i).map(({ one }) => one);
}

export function known(names: readonly string[], metadata: Readonly<Record<string, Metadata[]>>): Known[] {
  return names.map((name) => {
    const own = metadataOf(name, metadata);
    const help = own?.help ?? "";
    return { name, type: own?.type ?? "", help, text: `${name}\n${help}`.toLowerCase() };
  });
}

const typeName = (type: string): string => (has(`explore-type.${type}`) ? t(`explore-type.${type}` as Key) : type);

export function Metrics({
  metadata,
  onInsert,
}: {
  metadata: Readonly<Record<string, Metadata[]>>;
  onInsert: (selector: string) => void;
}) {
  const names = useAsked("metric names", () => metricNames(), { clock: pressed, keep: true });
  useEffect(() => () => forget(), []);
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState<string | undefined>(undefined);
  const all = useMemo(() => known(names.data ?? [], metadata), [names.data, metadata]);
  const shown = useMemo(() => found(all, search), [all, search]);
  if (names.data === undefined) return <aside class="metrics card">{names.error === undefined ? <Loading /> : <Failed error={names.error} />}</aside>;
  return (
    <aside class="metrics card" aria-label={t("explore.metrics")}>
      <div class="metrics-head">
        <Search value={search} label={t("explore.metrics.search")} onInput={setSearch} />
        <Counts shown={shown.length} all={all.length} />
      </div>
      {all.length === 0 ? (
        <p class="muted look">{t("explore.metrics.none")}</p>
      ) : shown.length === 0 ? (
        <p class="muted look">{t("search.none")}</p>
      ) : (
        <VirtualRows
          label={t("explore.metrics")}
          count={shown.length}
          rowHeight={42}
          row={(i) => {
            const one = shown[i] as Known;
            return (
              <td>
                <button type="button" class="metric" aria-pressed={chosen === one.name} title={one.help} onClick={() => setChosen(one.name)}>
                  <span class="metric-name">{one.name}</span>
                  {one.type !== "" && <span class="metric-type">{typeName(one.type)}</span>}
                  <span class="metric-help">{one.help}</span>
                </button>
              </td>
            );
          }}
        />
      )}
      {chosen !== undefined && <Details key={chosen} metric={chosen} metadata={metadata} onInsert={onInsert} close={() => setChosen(undefined)} />}
    </aside>
  );
}

function Details({
  metric,
  metadata,
  onInsert,
  close,
}: {
  metric: string;
  metadata: Readonly<Record<string, Metadata[]>>;
  onInsert: (selector: string) => void;
  close: () => void;
}) {
  const own = metadataOf(metric, metadata);
  const labels = useAsked(`labels of ${metric}`, () => labelNames(selectorOf(metric)), { clock: pressed });
  const [open, setOpen] = useState<string | undefined>(undefined);
  return (
    <div class="metric-details">
      <div class="metric-title">
        <h2 class="code">{metric}</h2>
        <button type="button" class="icon" title={t("help.close")} aria-label={t("help.close")} onClick={close}>
          ✕
        </button>
      </div>
      <p class="small">
        {own === undefined ? (
          <span class="muted">{t("explore.metrics.unknown")}</span>
        ) : (
          <>
            <span class="metric-type">{typeName(own.type)}</span> {own.unit !== undefined && own.unit !== "" && <span class="muted">{own.unit}</span>}{" "}
            {own.help}
          </>
        )}
      </p>
      <button type="button" class="primary" onClick={() => onInsert(selectorOf(metric))}>
        {t("explore.insert")}
      </button>
      {labels.error !== undefined && <p class="said small">{labels.error.message}</p>}
      <ul class="metric-labels">
        {(labels.data ?? [])
          .filter((label) => label !== "__name__")
          .map((label) => (
            <li key={label}>
              <button type="button" class="fold-label" aria-expanded={open === label} onClick={() => setOpen(open === label ? undefined : label)}>
                <span aria-hidden="true">{open === label ? "▾" : "▸"}</span> {label}
              </button>
              {open === label && <Values metric={metric} label={label} onInsert={onInsert} />}
            </li>
          ))}
      </ul>
    </div>
  );
}

function Values({ metric, label, onInsert }: { metric: string; label: string; onInsert: (selector: string) => void }) {
  const { data, error } = useAsked(`${metric} ${label}`, () => labelValues(label, selectorOf(metric)), { clock: pressed });
  const [search, setSearch] = useState("");
  if (data === undefined) return error === undefined ? <p class="muted small">{t("look.loading")}</p> : <p class="said small">{(error as ApiError).message}</p>;
  const fitting = data.filter((value) => value.toLowerCase().includes(search.toLowerCase()));
  return (
    <div class="metric-values">
      {data.length > 12 && (
        <input
          class="small"
          value={search}
          placeholder={t("explore.values.search")}
          aria-label={t("explore.values.search")}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      )}
      <ul>
        {fitting.slice(0, mostShown).map((value) => (
          <li key={value}>
            <button type="button" class="code" title={selectorOf(metric, label, value)} onClick={() => onInsert(selectorOf(metric, label, value))}>
              {value === "" ? '""' : value}
            </button>
          </li>
        ))}
      </ul>
      {fitting.length > mostShown && <p class="muted small">{t("explore.values.more", { n: fitting.length - mostShown })}</p>}
      {data.length >= mostValues && <p class="muted small">{t("explore.values.cut", { n: mostValues })}</p>}
    </div>
  );
}
