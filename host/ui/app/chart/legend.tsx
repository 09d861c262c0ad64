/** Names of series with their colours and calculations. Each name is a button that shows and hides. */
import { has, type Key, t } from "../text";
import { quantity, whole } from "./format";
import type { DrawnSeries } from "./model";
import { keepsUnit, reduce } from "./reduce";
import type { Surroundings } from "./units";
import type { Legend as LegendSpec } from "./view";

export interface LegendProps {
  spec: LegendSpec;
  series: readonly DrawnSeries[];
  hidden: ReadonlySet<number>;
  at: Surroundings;
  onHidden: (hidden: Set<number>) => void;
  onFocus: (series: number | null) => void;
}

/** What a click means: alone it shows this series only, or all again; with a key held it adds or removes this one. */
export function toggled(hidden: ReadonlySet<number>, clicked: number, count: number, add: boolean): Set<number> {
  const next = new Set(hidden);
  if (add) {
    if (!next.delete(clicked)) next.add(clicked);
    return next;
  }
  const alone = !hidden.has(clicked) && hidden.size === count - 1;
  if (alone) return new Set();
  return new Set(Array.from({ length: count }, (_, i) => i).filter((i) => i !== clicked));
}

/** What people call a calculation; one without a name of its own shows its id. */
export const calculationName = (id: string): string => (has(`calculation.${id}`) ? t(`calculation.${id}` as Key) : id);

/** More names than anybody reads. */
const most = 200;

export function Legend({ spec, series, hidden, at, onHidden, onFocus }: LegendProps) {
  // One that is not known keeps its column, so that nothing is hidden.
  const { calculations } = spec;
  const rows = series
    .map((one, i) => ({ one, i, results: calculations.map((id) => reduce(one.values, id) ?? NaN) }))
    .filter(({ one }) => one.inLegend);
  const sortColumn = calculations.indexOf(spec.sort_by);
  if (sortColumn >= 0) {
    const sign = spec.descending ? -1 : 1;
    // Series without a value stand last, whichever way the others go.
    const key = (result: number | undefined): number => (result === undefined || Number.isNaN(result) ? sign * Infinity : result);
    rows.sort((a, b) => (key(a.results[sortColumn]) - key(b.results[sortColumn])) * sign || a.i - b.i);
  }
  const shown = rows.slice(0, most);
  const name = ({ one, i }: { one: DrawnSeries; i: number }) => (
    <button
      type="button"
      class="legend-name"
      aria-pressed={!hidden.has(i)}
      title={`${one.name}\n${t("legend.hint")}`}
      onClick={(event) => onHidden(toggled(hidden, i, series.length, event.ctrlKey || event.metaKey || event.shiftKey))}
      onMouseEnter={() => onFocus(i)}
      onMouseLeave={() => onFocus(null)}
      onFocus={() => onFocus(i)}
      onBlur={() => onFocus(null)}
    >
      <Swatch one={one} />
      <span>{one.name}</span>
    </button>
  );
  const text = (one: DrawnSeries, id: string, value: number): string =>
    Number.isNaN(value)
      ? "–"
      : whole(
          id === "diffperc"
            ? quantity(value, "percentunit", null, at)
            : keepsUnit(id)
              ? quantity(value, one.config.unit, one.config.decimals, at)
              : quantity(value, "", null, at),
        );
  const more = rows.length > most && <p class="muted">{t("legend.more", { n: rows.length - most })}</p>;
  if (spec.table) {
    return (
      <div class="legend legend-table" tabIndex={0} role="region" aria-label={t("legend.label")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("legend.series")}</th>
              {calculations.map((id) => (
                <th
                  scope="col"
                  class="number"
                  key={id}
                  aria-sort={id === spec.sort_by ? (spec.descending ? "descending" : "ascending") : undefined}
                >
                  {calculationName(id)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={row.i} class={hidden.has(row.i) ? "off" : ""}>
                <td>{name(row)}</td>
                {calculations.map((id, k) => (
                  <td class="number" key={id}>
                    {text(row.one, id, row.results[k] ?? NaN)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {more}
      </div>
    );
  }
  return (
    <div class="legend legend-list" role="group" aria-label={t("legend.label")}>
      {shown.map((row) => (
        <span key={row.i} class={hidden.has(row.i) ? "legend-item off" : "legend-item"}>
          {name(row)}
          {calculations.map((id, k) => (
            <span class="legend-value" key={id} title={calculationName(id)}>
              {calculations.length > 1 && <span class="muted">{calculationName(id)} </span>}
              {text(row.one, id, row.results[k] ?? NaN)}
            </span>
          ))}
        </span>
      ))}
      {more}
    </div>
  );
}

/** A piece of the line, dashes included, so that colour is not all there is. */
export function Swatch({ one }: { one: DrawnSeries }) {
  const bars = one.spec.mark.kind !== "line";
  return (
    <svg class="swatch" width="16" height="10" aria-hidden="true">
      {bars ? (
        <rect x="3" y="0" width="10" height="10" rx="2" fill={one.color} />
      ) : (
        <line
          x1="0"
          y1="5"
          x2="16"
          y2="5"
          stroke={one.color}
          stroke-width="3"
          stroke-dasharray={one.dash.length > 0 ? one.dash.map((length) => length / 2).join(" ") : undefined}
        />
      )}
    </svg>
  );
}
