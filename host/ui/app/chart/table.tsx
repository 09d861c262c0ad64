/** Rows and columns, sorted by a click. Only the rows in sight are in the document. */
import { useMemo, useState } from "preact/hooks";
import { VirtualRows } from "../parts/virtual-rows";
import { follow } from "../router";
import { t } from "../text";
import { theme } from "../theme";
import { drawable, fieldOf, numbersOf, thinned } from "./columns";
import { cellOf, colorFor, isMissing, partOf, type Raw, showCell, whole } from "./format";
import { calculationName } from "./legend";
import { linkOf, type LinkPlace } from "./links";
import { readable, wantsWhite } from "./palette";
import { sparkPaths } from "./readings";
import { reduce } from "./reduce";
import { surroundings } from "./surroundings";
import type { Surroundings } from "./units";
import { type DataLink, type Field, type FieldConfig, type Frame, type Order, plainConfig, type Table, type TableColumn } from "./view";

/** Numbers by size, texts by the language; what is missing stands last. */
export function compare(a: Raw, b: Raw, texts: Intl.Collator): number {
  if (isMissing(a) || isMissing(b)) return Number(isMissing(a)) - Number(isMissing(b));
  if (typeof a === "number" && typeof b === "number") return a - b;
  return texts.compare(String(a), String(b));
}

interface Drawn {
  spec: TableColumn;
  field: Field;
  config: FieldConfig;
  align: string;
  title: string;
  /** Lowest and highest value, for bars and scales without ends of their own. */
  ends: [number, number];
}

function drawnColumn(spec: TableColumn, table: Table, frames: readonly Frame[], configs: readonly FieldConfig[]): Drawn {
  const field = fieldOf(frames, { frame: table.frame, field: spec.field });
  const config = configs[field.config] ?? plainConfig;
  const numbers = spec.cell.kind === "gauge" || config.color.kind === "scale" ? numbersOf(field).filter(Number.isFinite) : [];
  const end = (id: string, other: number): number => (numbers.length > 0 ? (reduce(numbers, id) ?? other) : other);
  return {
    spec,
    field,
    config,
    align: spec.align === "auto" ? (field.values.kind === "numbers" ? "right" : "left") : spec.align,
    title: spec.title || field.display_name || field.name,
    ends: [end("min", 0), end("max", 100)],
  };
}

/** Which rows are shown, in which order: those that fit every filter, sorted by a column. */
export function rowsOf(
  table: Pick<Table, "rows">,
  columns: readonly Pick<Drawn, "field" | "config">[],
  sort: readonly [number, Order] | null,
  filters: ReadonlyMap<number, string>,
  at: Surroundings,
): number[] {
  const length = columns[0]?.field.values.value.length ?? 0;
  let order = table.rows === null ? Array.from({ length }, (_, i) => i) : table.rows.filter((row) => row < length);
  for (const [i, text] of filters) {
    const column = columns[i];
    const wanted = text.trim().toLowerCase();
    if (column === undefined || wanted === "") continue;
    order = order.filter((row) => whole(showCell(column.field.values, row, column.config, at)).toLowerCase().includes(wanted));
  }
  const by = sort === null ? undefined : columns[sort[0]];
  if (by === undefined || sort === null) return order;
  const sign = sort[1] === "ascending" ? 1 : -1;
  const texts = new Intl.Collator(at.language, { numeric: true });
  const keys = new Map(order.map((row) => [row, cellOf(by.field.values, row)]));
  return order.toSorted((a, b) => {
    const [left, right] = [keys.get(a) ?? null, keys.get(b) ?? null];
    return compare(left, right, texts) * (isMissing(left) || isMissing(right) ? 1 : sign);
  });
}

export function TableView({
  table,
  frames,
  configs,
  title,
  span,
}: {
  table: Table;
  frames: readonly Frame[];
  configs: readonly FieldConfig[];
  title: string;
  /** What the answer was asked for, for links. */
  span?: { from: number; to: number };
}) {
  const [sort, setSort] = useState<[number, Order] | null>(table.sort);
  const [filters, setFilters] = useState<ReadonlyMap<number, string>>(new Map());
  const at = surroundings();
  const columns = useMemo(() => table.columns.map((spec) => drawnColumn(spec, table, frames, configs)), [table, frames, configs]);
  const rows = useMemo(() => rowsOf(table, columns, sort, filters, at), [table, columns, sort, filters, at.language, at.zone]);
  const fields = frames[table.frame]?.fields ?? [];
  const footers = columns.some(({ spec }) => spec.footer !== "");
  return (
    <VirtualRows
      label={title}
      count={rows.length}
      rowHeight={29}
      head={
        <>
          {table.header && (
            <tr>
              {columns.map(({ spec, align, title }, i) => (
                <th
                  key={i}
                  scope="col"
                  class={align}
                  style={spec.width === null ? {} : { width: `${spec.width}px`, minWidth: `${spec.width}px`, maxWidth: `${spec.width}px` }}
                  aria-sort={sort?.[0] === i ? sort[1] : "none"}
                >
                  <button
                    type="button"
                    class="sort"
                    title={t("table.sort", { column: title })}
                    onClick={() => setSort(sort?.[0] !== i ? [i, "ascending"] : sort[1] === "ascending" ? [i, "descending"] : null)}
                  >
                    {title}
                    {sort?.[0] === i && <span aria-hidden="true">{sort[1] === "ascending" ? " ▲" : " ▼"}</span>}
                  </button>
                </th>
              ))}
            </tr>
          )}
          {columns.some(({ spec }) => spec.filter) && (
            <tr class="filters">
              {columns.map(({ spec, title }, i) => (
                <td key={i}>
                  {spec.filter && (
                    <input
                      type="search"
                      value={filters.get(i) ?? ""}
                      placeholder={t("table.filter")}
                      aria-label={t("table.filter-column", { column: title })}
                      spellcheck={false}
                      onInput={(event) => setFilters(new Map(filters).set(i, event.currentTarget.value))}
                    />
                  )}
                </td>
              ))}
            </tr>
          )}
        </>
      }
      row={(i) => {
        const row = rows[i] ?? 0;
        return columns.map((column, k) => <Cell key={k} column={column} row={row} frames={frames} fields={fields} at={at} span={span} />);
      }}
      foot={
        footers && (
          <tr>
            {columns.map((column, i) => (
              <td key={i} class={column.align} title={calculationName(column.spec.footer)}>
                {footer(column, rows, at)}
              </td>
            ))}
          </tr>
        )
      }
    />
  );
}

function footer({ spec, field, config }: Drawn, rows: readonly number[], at: Surroundings): string {
  if (spec.footer === "") return "";
  if (spec.footer === "count") return t("table.rows", { n: rows.length });
  const numbers = numbersOf(field);
  const result = reduce(
    rows.map((row) => numbers[row] ?? NaN),
    spec.footer,
  );
  if (result === undefined) return t("table.unknown", { what: spec.footer });
  return whole(showCell({ kind: "numbers", value: [result] }, 0, { ...config, mappings: [] }, at));
}

function Cell({
  column: { spec, field, config, align, ends },
  row,
  frames,
  fields,
  at,
  span,
}: {
  column: Drawn;
  row: number;
  frames: readonly Frame[];
  fields: readonly Field[];
  at: Surroundings;
  span: { from: number; to: number } | undefined;
}) {
  const shown = showCell(field.values, row, config, at);
  const text = whole(shown);
  const value = cellOf(field.values, row);
  const number = typeof value === "number" ? value : NaN;
  const { cell } = spec;
  if (cell.kind === "sparklines") {
    const line = cell.value[row];
    if (line === undefined) return <td />;
    const { line: path } = sparkPaths(
      thinned({ x: numbersOf(fieldOf(frames, line.x)), y: numbersOf(fieldOf(frames, line.y)).map(drawable) }, 120),
      120,
      20,
    );
    return (
      <td>
        <svg width="120" height="20" aria-hidden="true">
          <path d={path} fill="none" stroke={colorFor(NaN, config, 0, theme.value)} stroke-width="1.5" />
        </svg>
      </td>
    );
  }
  const color = colorFor(number, config, 0, theme.value, ends, shown.color);
  const linked = <Linked links={config.links} place={{ field, fields, row, text, from: span?.from ?? 0, to: span?.to ?? at.now }} />;
  if (cell.kind === "colored-text")
    return (
      <td class={align} style={{ color: readable(color, theme.value) }} title={text}>
        {linked}
      </td>
    );
  // A missing value has no colour to show.
  if (cell.kind === "colored-background" && (!isMissing(value) || shown.color !== undefined))
    return (
      <td class={`${align} painted`} style={{ background: color, color: wantsWhite(color) ? "#ffffff" : "#10151c" }} title={text}>
        {linked}
      </td>
    );
  if (cell.kind === "gauge") {
    const low = config.min ?? Math.min(0, ends[0]);
    const high = config.max ?? Math.max(ends[1], low + 1e-9);
    return (
      <td class={align} title={text}>
        <div class="cell-gauge">
          <div class="bar-track">
            <div class={`bar-fill ${cell.value}`} style={{ width: `${(partOf(number, low, high) * 100).toFixed(1)}%`, color }} />
          </div>
          <span>{linked}</span>
        </div>
      </td>
    );
  }
  return (
    <td
      class={`${align}${cell.kind === "json" ? " code" : ""}`}
      style={shown.color === undefined ? {} : { color: readable(color, theme.value) }}
      title={text}
    >
      {linked}
    </td>
  );
}

/** The text of a cell, as a link to the first address that may be followed. */
function Linked({ links, place }: { links: readonly DataLink[]; place: LinkPlace }) {
  for (const { url, title, new_tab } of links) {
    const address = linkOf(url, place);
    if (address === undefined) continue;
    return (
      <a href={address} title={title || undefined} onClick={follow} {...(new_tab ? { target: "_blank", rel: "noreferrer noopener" } : {})}>
        {place.text}
      </a>
    );
  }
  return <>{place.text}</>;
}

/** The same numbers as any other view shows, for whoever would rather read than look. */
export function dataTable(frames: readonly Frame[], frame: number): Table {
  const fields = frames[frame]?.fields ?? [];
  return {
    frame,
    rows: null,
    columns: fields.map((_, field) => ({
      field,
      title: "",
      cell: { kind: "auto" },
      align: "auto",
      width: null,
      wrap: false,
      filter: false,
      footer: "",
    })),
    header: true,
    sort: null,
    page_size: null,
  };
}
