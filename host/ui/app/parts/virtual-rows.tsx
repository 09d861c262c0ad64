/** A table of many rows, of which only those in sight are in the document. */
import type { ComponentChildren, VNode } from "preact";
import { useRef, useState } from "preact/hooks";
import { useSize } from "./size";

export interface VirtualRowsProps {
  /** What the table holds, for those who do not see it. */
  label: string;
  count: number;
  /** Every row is that high, in CSS pixels. */
  rowHeight: number;
  head?: ComponentChildren;
  foot?: ComponentChildren;
  /** The cells of a row. */
  row: (index: number) => ComponentChildren;
  rowClass?: (index: number) => string;
}

/** Rows kept above and below, so that scrolling does not show white. */
const spare = 8;
/** No screen is higher. A box without a height of its own would grow with its rows, and they with it. */
const highest = 4000;

/** Which rows are in the document for this place of the scroll bar. */
export function inSight(top: number, height: number, rowHeight: number, count: number): { first: number; end: number } {
  const fitting = Math.ceil(Math.min(height, highest) / rowHeight) + spare;
  // A list that has become shorter is scrolled too far until the browser notices.
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - spare, count - fitting));
  return { first, end: Math.min(count, first + fitting + spare) };
}

export function VirtualRows({ label, count, rowHeight, head, foot, row, rowClass }: VirtualRowsProps) {
  const { ref, size } = useSize<HTMLDivElement>();
  const [top, setTop] = useState(0);
  const { first, end } = inSight(top, size.height, rowHeight, count);
  // Scrolling shows mostly the same rows: what is the very same element is not compared again.
  const kept = useRef({ row, rowClass, rows: new Map<number, VNode>() });
  const before = kept.current.row === row && kept.current.rowClass === rowClass ? kept.current.rows : new Map<number, VNode>();
  const rows = new Map<number, VNode>();
  for (let i = first; i < end; i++) {
    const drawn = before.get(i) ?? (
      <tr key={i} aria-rowindex={i + 2} class={rowClass?.(i) ?? ""} style={{ height: `${rowHeight}px` }}>
        {row(i)}
      </tr>
    );
    rows.set(i, drawn);
  }
  kept.current = { row, rowClass, rows };
  const gap = (rows: number, key: string) =>
    rows > 0 && <tr key={key} aria-hidden="true" class="gap" style={{ height: `${rows * rowHeight}px` }} />;
  return (
    <div
      class="rows"
      ref={ref}
      tabIndex={0}
      role="region"
      aria-label={label}
      onScroll={(event) => {
        const place = event.currentTarget.scrollTop;
        // Less than the spare rows need no new drawing.
        if (Math.abs(place - top) > (spare * rowHeight) / 2 || place === 0) setTop(place);
      }}
    >
      <table aria-rowcount={count + 1}>
        {head && <thead>{head}</thead>}
        <tbody>
          {gap(first, "above")}
          {[...rows.values()]}
          {gap(count - end, "below")}
        </tbody>
        {foot && <tfoot>{foot}</tfoot>}
      </table>
    </div>
  );
}
