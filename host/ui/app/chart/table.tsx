/** Rows and columns, sorted by a click. Only the rows in sight are in the document. */
import { useMemo, useState } from "preact/hooks";
import { VirtualRows } from "../parts/virtual-rows";
import { locale, t } from "../text";
import { theme } from "../theme";
import { drawable, fieldOf, numbersOf, thinned } from "./columns";
import { cellOf, colorFor, isMissing, partOf, type Raw, showCell, whole } from "./format";
import { readable, wantsWhite } from "./palette";
import { sparkPaths } from "./readings";
import { reduce } from "./reduce";
import { surroundings } from "./surroundings";
import type { Surroundings } from "./units";
import type { Field, FieldConfig, Frame, Order, Table, TableColumn } from "./view";

const plainConfig: FieldConfig = {
  unit: "",
  decimals: null,
  min: null,
  max: null,
  color: { kind: "palette" },
  thresholds: [],
  mappings: [],
  no_value: "",
  links: [],
  custom: {},
};

/** Numbers by size, texts by the language; what is missing stands last. */
export function compare(a: Raw, b: Raw): number {
  if (isMissing(a) || isMissing(b)) return Number(isMissing(a)) - Number(isMissing(b));
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), locale.value, { numeric: true });
}

export function TableView({
  table,
  frames,
  configs,
  title,
}: {
  table: Table;
  frames: readonly Frame[];
  configs: readonly FieldConfig[];
  title: string;
}) {
  const [sort, setSort] = useState<[number, Order] | null>(table.sort);
  const at = surroundings();
  const columns = table.columns.map((spec) => {
    const field = fieldOf(frames, { frame: table.frame, field: spec.field });
    return { spec, field, config: configs[field.config] ?? plainConfig };
  });
  const rows = useMemo(() => {
    const length = columns[0]?.field.values.value.length ?? 0;
    const order = table.rows === null ? Array.from({ length }, (_, i) => i) : table.rows.filter((row) => row < length);
    const by = sort === null ? undefined : columns[sort[0]];
    if (by === undefined || sort === null) return order;
    const sign = sort[1] === "ascending" ? 1 : -1;
    return order.toSorted((a, b) => {
      const [left, right] = [cellOf(by.field.values, a), cellOf(by.field.values, b)];
      return compare(left, right) * (isMissing(left) || isMissing(right) ? 1 : sign);
    });
  }, [table, frames, sort]);
  const align = ({ spec, field }: { spec: TableColumn; field: Field }): string =>
    spec.align === "auto" ? (field.values.kind === "numbers" ? "right" : "left") : spec.align;
  const footers = columns.some(({ spec }) => spec.footer !== "");
  return (
    <VirtualRows
      label={title}
      count={rows.length}
      rowHeight={29}
      head={
        table.header && (
          <tr>
            {columns.map((column, i) => (
              <th
                key={i}
                scope="col"
                class={align(column)}
                style={column.spec.width === null ? {} : { width: `${column.spec.width}px` }}
                aria-sort={sort?.[0] === i ? sort[1] : "none"}
              >
                <button
                  type="button"
                  class="sort"
                  onClick={() => setSort(sort?.[0] !== i ? [i, "ascending"] : sort[1] === "ascending" ? [i, "descending"] : null)}
                >
                  {column.spec.title || column.field.display_name || column.field.name}
                  {sort?.[0] === i && <span aria-hidden="true">{sort[1] === "ascending" ? " ▲" : " ▼"}</span>}
                </button>
              </th>
            ))}
          </tr>
        )
      }
      row={(i) => {
        const row = rows[i] ?? 0;
        return columns.map((column, k) => <Cell key={k} column={column} row={row} frames={frames} at={at} align={align(column)} />);
      }}
      foot={
        footers && (
          <tr>
            {columns.map((column, i) => (
              <td key={i} class={align(column)}>
                {footer(column, rows, at)}
              </td>
            ))}
          </tr>
        )
      }
    />
  );
}

interface Drawn {
  spec: TableColumn;
  field: Field;
  config: FieldConfig;
}

function footer({ spec, field, config }: Drawn, rows: readonly number[], at: Surroundings): string {
  if (spec.footer === "") return "";
  const numbers = numbersOf(field);
  const result = reduce(
    rows.map((row) => numbers[row] ?? NaN),
    spec.footer,
  );
  if (result === undefined) return t("table.unknown", { what: spec.footer });
  return whole(showCell({ kind: "numbers", value: [result] }, 0, { ...config, mappings: [] }, at));
}

function Cell({
  column: { spec, field, config },
  row,
  frames,
  at,
  align,
}: {
  column: Drawn;
  row: number;
  frames: readonly Frame[];
  at: Surroundings;
  align: string;
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
  const color = colorFor(number, config, 0, theme.value, [0, 100], shown.color);
  if (cell.kind === "colored-text")
    return (
      <td class={align} style={{ color: readable(color, theme.value) }} title={text}>
        {text}
      </td>
    );
  if (cell.kind === "colored-background")
    return (
      <td class={align} style={{ background: color, color: wantsWhite(color) ? "#ffffff" : "#10151c" }} title={text}>
        {text}
      </td>
    );
  if (cell.kind === "gauge") {
    const low = config.min ?? 0;
    const high = config.max ?? Math.max(1, reduce(numbersOf(field), "max") || 1);
    return (
      <td class="cell-gauge">
        <div class="bar-track">
          <div class={`bar-fill ${cell.value}`} style={{ width: `${(partOf(number, low, high) * 100).toFixed(1)}%`, color }} />
        </div>
        <span>{text}</span>
      </td>
    );
  }
  return (
    <td
      class={`${align}${cell.kind === "json" ? " code" : ""}${spec.wrap ? " wrap" : ""}`}
      style={shown.color === undefined ? {} : { color: readable(color, theme.value) }}
      title={text}
    >
      {text}
    </td>
  );
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
