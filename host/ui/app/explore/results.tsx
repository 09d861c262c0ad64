/** What the queries answered: a graph of all of them, a table for each, and a number for each total. */
import { useErrorBoundary, useMemo } from "preact/hooks";
import { Chart } from "../chart/chart";
import { surroundings } from "../chart/surroundings";
import { quantity, whole } from "../chart/format";
import { TableView } from "../chart/table";
import type { Chart as ChartSpec } from "../chart/view";
import { Empty } from "../parts/looks";
import { locale, t } from "../text";
import type { Asked } from "./ask-query";
import { plainSelector } from "./counter";
import { graphOf, type Part, seriesName, tableOf, unitOf } from "./frames";
import type { Query, Tab } from "./state";

export interface Shown {
  letter: string;
  query: Query;
  asked: Asked;
}

/** The unit of a query's values, where the metric's name tells. */
function partOf({ letter, query, asked }: Shown): Part {
  const metric = plainSelector(query.expr)?.metric ?? "";
  return { letter, expr: query.expr.trim(), data: asked.answer.data, unit: unitOf(metric, query.reading === "rate") };
}

export function Results({ shown, tab, stacked }: { shown: readonly Shown[]; tab: Tab; stacked: boolean }) {
  const totals = tab === "graph" ? shown.filter(({ query, asked }) => query.reading === "total" && asked.tab === "table") : [];
  const rest = shown.filter((one) => !totals.includes(one) && one.asked.tab === tab);
  return (
    <>
      {totals.map((one) => (
        <Total key={one.letter} shown={one} />
      ))}
      {tab === "table" ? rest.map((one) => <Rows key={one.letter} shown={one} title={rest.length > 1} />) : rest.length > 0 && <Graph shown={rest} stacked={stacked} />}
    </>
  );
}

function Graph({ shown, stacked }: { shown: readonly Shown[]; stacked: boolean }) {
  const [mistake, mended] = useErrorBoundary();
  const step = Math.max(...shown.map(({ asked }) => asked.step));
  const drawn = useMemo(() => {
    if (mistake !== undefined) mended();
    return graphOf(shown.map(partOf), step, stacked);
  }, [stacked, ...shown.flatMap(({ asked, letter }) => [asked, letter]), shown.length]);
  const span = shown[0]?.asked.span ?? { from: 0, to: 1 };
  if (mistake !== undefined) return <Empty>{t("panel.mistake", { error: String(mistake) })}</Empty>;
  if (drawn.all === 0) return <Nothing />;
  const { answer } = drawn;
  return (
    <section class="card graph" data-explore="graph" aria-label={t("explore.graph")}>
      {drawn.shown < drawn.all && <p class="warn-text small">{t("explore.drawn", { shown: drawn.shown, n: drawn.all })}</p>}
      <div class="graph-body">
        <Chart chart={answer.view.value as ChartSpec} frames={answer.frames} configs={answer.configs} title={t("explore.graph")} span={span} />
      </div>
    </section>
  );
}

function Rows({ shown, title }: { shown: Shown; title: boolean }) {
  const { asked, letter, query } = shown;
  const made = useMemo(() => tableOf(partOf(shown), t("explore.value"), t("explore.time")), [asked]);
  return (
    <section class="card" data-explore="table" aria-label={t("explore.query", { letter })}>
      {title && (
        <h2>
          <span class="query-letter">{letter}</span> <span class="muted code">{query.expr.trim()}</span>
        </h2>
      )}
      {made.rows === 0 ? (
        <Nothing />
      ) : (
        <div class="table-body" style={{ "--rows": String(Math.min(made.rows, 18)) }}>
          {/* Another set of columns is another table: what it was sorted by is gone. */}
          <TableView
            key={made.frames[0]?.fields.map(({ name }) => name).join()}
            table={made.table}
            frames={made.frames}
            configs={made.configs}
            title={t("explore.query", { letter })}
          />
        </div>
      )}
    </section>
  );
}

/** A total, in digits that people can read aloud; several if buckets have their own. */
function Total({ shown: { letter, query, asked } }: { shown: Shown }) {
  const at = surroundings();
  const { data } = asked.answer;
  const list = data.resultType === "vector" ? data.result : [];
  if (list.length === 0) return <Nothing />;
  const unit = unitOf(plainSelector(query.expr)?.metric ?? "", false);
  const text = (value: string): string => {
    const number = Number(value);
    if (unit !== "") return whole(quantity(number, unit, null, at));
    return Number.isInteger(number) || !Number.isFinite(number) ? number.toLocaleString(locale.value) : number.toLocaleString(locale.value, { maximumSignificantDigits: 6 });
  };
  return (
    <section class="card total" data-explore="total" aria-label={t("explore.query", { letter })}>
      <h2>
        <span class="query-letter">{letter}</span> <span class="muted code">{query.expr.trim()}</span>
      </h2>
      {list.length === 1 && Object.keys(list[0]?.metric ?? {}).length === 0 ? (
        <p class="total-value" title={list[0]?.value?.[1]}>
          {text(list[0]?.value?.[1] ?? "NaN")}
        </p>
      ) : (
        <ul class="total-list">
          {list.slice(0, 100).map(({ metric, value }) => (
            <li key={seriesName(metric)}>
              <span class="muted">{seriesName(metric)}</span> <b title={value?.[1]}>{text(value?.[1] ?? "NaN")}</b>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Nothing() {
  return (
    <div class="card">
      <Empty>{t("explore.empty")}</Empty>
    </div>
  );
}
