/**
 * What the address of this page says. `expr` is repeated, one for each query; the queries are called A, B, C … in that order, and
 * `hide`, `total` and `rate` name some of them. `range` and `end` come from short and from old links; they become the `from` and
 * `to` of all pages.
 */
import { wallClock } from "../time-range";
import { mostQueries } from "./link";
import { durationText, parseSeconds } from "./steps";

/** How a counter is asked: as it stands, what was added over the range, or how fast it grows. */
export type Reading = "plain" | "total" | "rate";
export type Tab = "graph" | "table";

export interface Query {
  expr: string;
  hidden: boolean;
  reading: Reading;
}

export interface ExploreState {
  /** At least one; an empty expression is a row that waits for one. */
  queries: Query[];
  tab: Tab;
  /** Seconds between two points of a graph, none if the page chooses. */
  step: number | undefined;
  stacked: boolean;
  /** Whether the list of metrics is open, none if nobody chose. */
  metrics: boolean | undefined;
}

/** What the query at this place is called. */
export const letterOf = (index: number): string => String.fromCharCode(65 + index);

export function readState(parameters: URLSearchParams): ExploreState {
  const expressions = parameters.getAll("expr").slice(0, mostQueries);
  const named = (name: string): Set<string> => new Set(parameters.getAll(name));
  const [hidden, total, rate] = [named("hide"), named("total"), named("rate")];
  const queries = (expressions.length > 0 ? expressions : [""]).map((expr, i): Query => {
    const letter = letterOf(i);
    return { expr, hidden: hidden.has(letter), reading: total.has(letter) ? "total" : rate.has(letter) ? "rate" : "plain" };
  });
  const metrics = parameters.get("metrics");
  return {
    queries,
    tab: parameters.get("tab") === "table" ? "table" : "graph",
    step: parseSeconds(parameters.get("step") ?? ""),
    stacked: parameters.get("stack") === "1",
    metrics: metrics === null ? undefined : metrics === "1",
  };
}

/** The same for `setQuery`: `null` takes a parameter away. */
export function writeState(state: ExploreState): Record<string, string | readonly string[] | null> {
  const letters = (wanted: (query: Query) => boolean): readonly string[] | null => {
    const found = state.queries.flatMap((query, i) => (wanted(query) ? [letterOf(i)] : []));
    return found.length > 0 ? found : null;
  };
  const expressions = state.queries.map(({ expr }) => expr);
  return {
    expr: expressions.length === 1 && expressions[0] === "" ? null : expressions,
    hide: letters(({ hidden }) => hidden),
    total: letters(({ reading }) => reading === "total"),
    rate: letters(({ reading }) => reading === "rate"),
    tab: state.tab === "graph" ? null : state.tab,
    step: state.step === undefined ? null : durationText(state.step * 1000),
    stack: state.stacked ? "1" : null,
    metrics: state.metrics === undefined ? null : state.metrics ? "1" : "0",
  };
}

/** What `range` and `end` mean as `from` and `to`; nothing if the address has none. A range that is not understood is an hour. */
export function rangeOfLink(parameters: URLSearchParams): { from: string; to: string } | undefined {
  const range = parameters.get("range");
  const end = parameters.get("end");
  if (range === null && end === null) return undefined;
  const seconds = parseSeconds(range ?? "") ?? 3600;
  const stop = endOf(end ?? "");
  if (stop !== undefined) return { from: String(stop - seconds * 1000), to: String(stop) };
  const text = (range ?? "").trim();
  return { from: /^\d{1,9}[smhdw]$/.test(text) ? `now-${text}` : `now-${Math.round(seconds)}s`, to: "now" };
}

/** Unix seconds or a date; old links mean UTC. Milliseconds, none for `now`. */
function endOf(text: string): number | undefined {
  if (/^\d{1,11}(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const date = Date.parse(/[Zz]|[+-]\d\d:\d\d$/.test(text) ? text : `${text.trim().replace(" ", "T")}${text.includes(":") ? "Z" : ""}`);
  return /^\d{4}-/.test(text) && wallClock(date, "UTC") !== "" ? date : undefined;
}
