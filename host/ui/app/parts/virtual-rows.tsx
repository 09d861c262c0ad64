/** A table of many rows, of which only those in sight are in the document. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
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

/** Which rows are in the document for this place of the scroll bar. */
export function inSight(top: number, height: number, rowHeight: number, count: number): { first: number; end: number } {
  const fitting = Math.ceil(height / rowHeight) + spare;
  // A list that has become shorter is scrolled too far until the browser notices.
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - spare, count - fitting));
  return { first, end: Math.min(count, first + fitting + spare) };
}

export function VirtualRows({ label, count, rowHeight, head, foot, row, rowClass }: VirtualRowsProps) {
  const { ref, size } = useSize<HTMLDivElement>();
  const [top, setTop] = useState(0);
  const { first, end } = inSight(top, size.height, rowHeight, count);
  const gap = (rows: number, key: string) => rows > 0 && <tr key={key} aria-hidden="true" class="gap" style={{ height: `${rows * rowHeight}px` }} />;
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
          {Array.from({ length: Math.max(0, end - first) }, (_, i) => (
            <tr key={first + i} aria-rowindex={first + i + 2} class={rowClass?.(first + i) ?? ""} style={{ height: `${rowHeight}px` }}>
              {row(first + i)}
            </tr>
          ))}
          {gap(count - end, "below")}
        </tbody>
        {foot && <tfoot>{foot}</tfoot>}
      </table>
    </div>
  );
}
