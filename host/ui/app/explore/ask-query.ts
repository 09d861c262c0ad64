/** From a row of the page to the question that the server gets. */
import type { Range } from "../time-range";
import { plainSelector, rateOf, type Selector, totalOf } from "./counter";
import { mostDrawn, mostRows, seriesCount } from "./frames";
import { type Answer, put, type Question } from "./run";
import type { Query, Tab } from "./state";
import { durationText, intervalOf, rateWindow, stepFor } from "./steps";

/** An answer with what was really asked. */
export interface Asked {
  answer: Answer;
  /** The query as the server got it. */
  expr: string;
  tab: Tab;
  /** Seconds between two points. */
  step: number;
  span: Range;
  /** How many series there are if not all came, none if nobody could tell. */
  all: number | undefined;
  cut: boolean;
}

/** What the server says when it left series out. */
const truncated = /truncated due to limit/;

const intervals = new Map<string, { at: number; answer: Promise<number | undefined> }>();

/** How often the first series of a selector is scraped, from its latest samples. Kept for a minute. */
function scrapeInterval({ text }: Selector, end: number): Promise<number | undefined> {
  const known = intervals.get(text);
  if (known !== undefined && performance.now() - known.at < 60_000) return known.answer;
  const question: Question = { path: "query", parameters: { query: `${text}[15m]`, time: String(end / 1000), limit: "1", timeout: "5s" } };
  // Nobody waits for this alone: a row that is given up gives up what follows.
  const answer = put(question, AbortSignal.timeout(6000)).then(
    ({ data }) => (data.resultType === "matrix" ? intervalOf((data.result[0]?.values ?? []).map(([at]) => at)) : undefined),
    () => undefined,
  );
  if (intervals.size > 100) intervals.clear();
  intervals.set(text, { at: performance.now(), answer });
  return answer;
}

/** Which way a row is put: a total is one number, whatever the page shows. */
export const tabOf = ({ reading }: Query, tab: Tab): Tab => (reading === "total" ? "table" : tab);

/** The selector that a row asks in another way than it stands there. */
export const readAs = (query: Query): Selector | undefined => (query.reading === "plain" ? undefined : plainSelector(query.expr));

export async function askQuery(
  query: Query,
  { tab: shown, span, width, step: chosen }: { tab: Tab; span: Range; width: number; step: number | undefined },
  signal: AbortSignal,
): Promise<Asked> {
  const length = Math.max(1000, Math.round((span.to - span.from) / 1000) * 1000);
  const step = stepFor(chosen, length, width);
  const selector = readAs(query);
  const tab = selector === undefined ? shown : tabOf(query, shown);
  let expr = query.expr.trim();
  if (selector !== undefined && query.reading === "total") expr = totalOf(selector, durationText(length));
  if (selector !== undefined && query.reading === "rate") {
    const interval = await scrapeInterval(selector, span.to);
    expr = rateOf(selector, durationText(rateWindow(interval, tab === "graph" ? step : 0) * 1000));
  }
  // Aligned, so that the points of a graph stay where they are while time goes on.
  const align = (ms: number): string => String((Math.floor(ms / 1000 / step) * step).toFixed(3));
  const question: Question =
    tab === "graph"
      ? { path: "query_range", parameters: { query: expr, start: align(span.from), end: align(span.to), step: String(step), limit: String(mostDrawn) } }
      : { path: "query", parameters: { query: expr, time: String(span.to / 1000), limit: String(mostRows) } };
  const answer = await put(question, signal);
  const cut = answer.warnings.some((warning) => truncated.test(warning));
  answer.warnings = answer.warnings.filter((warning) => !truncated.test(warning));
  return { answer, expr, tab, step, span, all: cut ? await countOf(expr, span.to, signal) : seriesCount(answer.data), cut };
}

/** How many series the query has at the end of the range. */
async function countOf(expr: string, end: number, signal: AbortSignal): Promise<number | undefined> {
  const question: Question = { path: "query", parameters: { query: `count(\n${expr}\n)`, time: String(end / 1000), timeout: "10s" } };
  try {
    const { data } = await put(question, signal);
    const count = data.resultType === "vector" ? Number(data.result[0]?.value?.[1]) : NaN;
    return Number.isFinite(count) ? count : undefined;
  } catch (e) {
    if (signal.aborted) throw e;
    return undefined;
  }
}
