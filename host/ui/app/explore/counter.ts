/** Counters: what they are, and the two questions that people mean when they look at one. */
import { parser } from "@prometheus-io/lezer-promql";
import type { Metadata } from "./catalog";

/** A selector of one metric and nothing else: no function, offset or range. */
export interface Selector {
  /** As it is written, without what stands around it. */
  text: string;
  metric: string;
}

/** The selector that an expression is, if it is no more than that. */
export function plainSelector(expr: string): Selector | undefined {
  const tree = parser.parse(expr);
  const top = tree.topNode.firstChild;
  if (top === null || top.name !== "VectorSelector" || top.nextSibling !== null) return undefined;
  let whole = true;
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) whole = false;
    },
  });
  const name = top.getChild("Identifier");
  if (!whole || name === null) return undefined;
  return { text: expr.slice(top.from, top.to), metric: expr.slice(name.from, name.to) };
}

const suffix = /_(total|count|sum|bucket)$/;

/** What is known of the metric: under its own name, or under that of the family it belongs to. */
export function metadataOf(metric: string, all: Readonly<Record<string, Metadata[]>>): Metadata | undefined {
  const own = Object.hasOwn(all, metric) ? all[metric]?.[0] : undefined;
  if (own !== undefined) return own;
  const family = metric.replace(suffix, "");
  if (family === metric) return undefined;
  const found = Object.hasOwn(all, family) ? all[family]?.[0] : undefined;
  const made = /^(counter|histogram|summary|gaugehistogram)$/.test(found?.type ?? "");
  return made ? found : undefined;
}

/** Whether a metric only ever grows. What its target says counts more than its name. */
export function isCounter(metric: string, all: Readonly<Record<string, Metadata[]>>): boolean {
  const known = metadataOf(metric, all);
  switch (known?.type) {
    case "counter":
      return true;
    case "histogram":
    case "summary":
      return suffix.test(metric);
    case "gauge":
    case "info":
    case "stateset":
    case "gaugehistogram":
      return false;
    default:
      return suffix.test(metric);
  }
}

/** Series of a histogram's buckets contain each other: their sum is none. */
const sumOf = (metric: string): string => (metric.endsWith("_bucket") ? "sum by (le) " : "sum ");

/**
 * What was added between the two ends of a range, to be asked at its end. `increase` alone is not that number: it guesses what
 * lies beyond the first and the last sample (10 requests become 10.3), and misses everything that a series which began within
 * the range had counted by its first sample (10 requests become 0). So for each series the value at the beginning is taken
 * from the last one: the value just before the range; or 0 if its target was scraped successfully without the series, which
 * then began with the first event; or its first value in the range, if that is when its target was first scraped. Only
 * where a counter was reset meanwhile `increase` is taken, which knows resets.
 */
export function totalOf({ text, metric }: Selector, range: string): string {
  return `${sumOf(metric)}(
  last_over_time(${text}[${range}]) - (
      ${text} offset ${range}
    or
      0 * (count_over_time(${text}[${range}]) < on (job, instance) group_left () max by (job, instance) (sum_over_time(up[${range}])))
    or
      first_over_time(${text}[${range}])
  ) unless resets(${text}[${range}]) > 0
  or
  increase(${text}[${range}])
)`;
}

/** How much is added in a second, for each series. */
export const rateOf = ({ text }: Selector, window: string): string => `rate(${text}[${window}])`;
