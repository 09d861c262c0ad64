/** What there is to ask for: names of metrics with type and help, labels and their values. Kept for a while, asked once. */
import type { PrometheusClient } from "@prometheus-io/codemirror-promql/dist/esm/client/prometheus";
import type { Matcher } from "@prometheus-io/codemirror-promql/dist/esm/types/matcher";
import { EqlRegex, EqlSingle, Neq, NeqRegex } from "@prometheus-io/lezer-promql";
import { ask } from "../api";

export interface Metadata {
  type: string;
  help: string;
  unit?: string;
}

/** For so long an answer is good enough. */
const freshMs = 30_000;
/** Answers that are kept. */
const mostKept = 200;
/** Values of a label that are asked for at once. */
export const mostValues = 2000;

const kept = new Map<string, { at: number; answer: Promise<unknown> }>();

/** The answer of a path, the same one for everybody who asks within half a minute. One that fails is not kept. */
function once<T>(path: string): Promise<T> {
  const now = performance.now();
  const known = kept.get(path);
  if (known !== undefined && now - known.at < freshMs) return known.answer as Promise<T>;
  const answer = ask<T>(path);
  kept.delete(path);
  kept.set(path, { at: now, answer });
  for (const old of kept.keys()) {
    if (kept.size <= mostKept) break;
    kept.delete(old);
  }
  answer.catch(() => {
    if (kept.get(path)?.answer === answer) kept.delete(path);
  });
  return answer;
}

/** Forgets everything, for whoever presses "again". */
export function forget(): void {
  kept.clear();
}

/** The last hours are enough to find what is alive, and cheap to look through. */
function recent(): [string, string][] {
  const minute = 60_000;
  const end = Math.ceil(Date.now() / minute) * minute;
  return [
    ["start", String(end / 1000 - 12 * 3600)],
    ["end", String(end / 1000)],
  ];
}

const path = (name: string, more: [string, string][]): string => `/api/v1/${name}?${new URLSearchParams([...recent(), ...more])}`;

/** A text between double quotes, as PromQL reads it. */
export const quoted = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;

const plainName = /^[A-Za-z_:][A-Za-z0-9_:]*$/;
const plainLabel = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A selector of this metric and, if given, of a label's value. Names outside the old alphabet are quoted. */
export function selectorOf(metric: string, label?: string, value?: string): string {
  const matcher = label === undefined ? "" : `${plainLabel.test(label) ? label : quoted(label)}=${quoted(value ?? "")}`;
  if (plainName.test(metric)) return matcher === "" ? metric : `${metric}{${matcher}}`;
  return `{${[quoted(metric), matcher].filter(Boolean).join(", ")}}`;
}

/** A label's name in an address, as the server reads names outside the old alphabet. */
function labelPath(label: string): string {
  if (plainLabel.test(label)) return label;
  const escaped = [...label].map((c) => (/[A-Za-z0-9]/.test(c) ? c : c === "_" ? "__" : `_${c.codePointAt(0)?.toString(16)}_`));
  return `U__${escaped.join("")}`;
}

export const metricNames = (): Promise<string[]> => once(path("label/__name__/values", []));

/** Empty if the server has none to tell: then names alone are shown. */
export const metadata = (): Promise<Record<string, Metadata[]>> =>
  once<Record<string, Metadata[]>>("/api/v1/metadata").catch((): Record<string, Metadata[]> => ({}));

export const labelNames = (selector?: string): Promise<string[]> => once(path("labels", selector === undefined ? [] : [["match[]", selector]]));

export const labelValues = (label: string, selector?: string): Promise<string[]> =>
  once(
    path(`label/${labelPath(label)}/values`, [...(selector === undefined ? [] : [["match[]", selector] as [string, string]]), ["limit", String(mostValues)]]),
  );

/** How the completion calls the operators. */
const signs: Record<number, string> = { [EqlSingle]: "=", [Neq]: "!=", [EqlRegex]: "=~", [NeqRegex]: "!~" };

/** What stands in a selector besides the label that is being written. Values come as they are written, escapes included. */
function selectorText(metric: string, matchers: readonly Matcher[] = [], without = ""): string | undefined {
  const shown = matchers.filter((one) => one.name !== without && one.value !== "");
  if (metric === "" && shown.length === 0) return undefined;
  const texts = shown.map((one) => `${plainLabel.test(one.name) ? one.name : quoted(one.name)}${signs[one.type] ?? "="}"${one.value}"`);
  return `${metric}{${texts.join(",")}}`;
}

/** For the completion of the editor. What cannot be had is empty: somebody is writing, and is not to be disturbed. */
export const completionClient: PrometheusClient = {
  metricNames: () => metricNames().catch(() => []),
  metricMetadata: () => metadata(),
  labelNames: (metric) => labelNames(selectorText(metric ?? "")).catch(() => []),
  labelValues: (label, metric, matchers) => labelValues(label, selectorText(metric ?? "", matchers, label)).catch(() => []),
  series: () => Promise.resolve([]),
  flags: () => Promise.resolve({}),
};
