/** A page that shows one answer: its heading, what is wrong or old about the answer, and the answer once it is there. */
import type { ComponentChildren } from "preact";
import type { Fetched } from "../fetched";
import { Failed, Loading, Stale } from "../parts/looks";
import { RefreshPicker } from "./range-picker";

export function FetchedPage<T>({
  title,
  note,
  fetched: { data, error, at },
  children,
}: {
  title: string;
  /** Beside the heading. */
  note?: string | undefined;
  fetched: Fetched<T>;
  children: (data: T) => ComponentChildren;
}) {
  return (
    <>
      <div class="toolbar">
        <h1>{title}</h1>
        {note !== undefined && <span class="muted">{note}</span>}
        <span class="spring" />
        <RefreshPicker />
      </div>
      {error !== undefined && data !== undefined && <Stale error={error} at={at} />}
      {data !== undefined ? children(data) : error === undefined ? <Loading /> : <Failed error={error} />}
    </>
  );
}
