/** Asking a query: the whole answer with its notes, how long it took, and where a mistake is. */
import { ApiError } from "../api";
import { prefix } from "../router";
import { t } from "../text";

export type Sample = [number, string];
export interface Histogram {
  count: string;
  sum: string;
}
export interface SeriesResult {
  metric: Record<string, string>;
  values?: Sample[];
  histograms?: [number, Histogram][];
  value?: Sample;
  histogram?: [number, Histogram];
}

export type Result =
  | { resultType: "matrix"; result: SeriesResult[] }
  | { resultType: "vector"; result: SeriesResult[] }
  | { resultType: "scalar"; result: Sample }
  | { resultType: "string"; result: Sample };

export interface Answer {
  data: Result;
  warnings: string[];
  infos: string[];
  /** Milliseconds on the server, none if it does not say. */
  serverMs: number | undefined;
  /** Milliseconds until the answer was read. */
  ms: number;
  /** Samples that the server looked at. */
  samples: number | undefined;
}

/** A question that is put to the server: parameters of `query` or `query_range`. */
export interface Question {
  path: "query" | "query_range";
  parameters: Record<string, string>;
}

/** Longer than any query may take on the server. */
const patienceMs = 150_000;

interface Envelope {
  status?: unknown;
  data?: Result & { stats?: { timings?: { execTotalTime?: number }; samples?: { totalQueryableSamples?: number } } };
  error?: unknown;
  warnings?: unknown;
  infos?: unknown;
}

const texts = (list: unknown): string[] => (Array.isArray(list) ? list.filter((one): one is string => typeof one === "string") : []);

export async function put(question: Question, signal: AbortSignal): Promise<Answer> {
  const begun = performance.now();
  let response: Response;
  let envelope: Envelope | undefined;
  try {
    // A form, because queries can be longer than an address may be.
    response = await fetch(`${prefix}/api/v1/${question.path}`, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ stats: "true", ...question.parameters }).toString(),
      signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
      credentials: "same-origin",
    });
    envelope = (await response.json().catch((e: unknown) => {
      // What is no JSON has its status to tell; a question given up has not.
      if (e instanceof DOMException) throw e;
      return undefined;
    })) as Envelope | undefined;
  } catch (e) {
    if (e instanceof DOMException && e.name === "AbortError") throw e;
    const late = e instanceof DOMException && e.name === "TimeoutError";
    throw new ApiError(late ? t("error.slow", { n: patienceMs / 1000 }) : t("error.unreachable"), 0);
  }
  if (!response.ok || envelope?.status !== "success" || envelope.data === undefined) {
    const said = typeof envelope?.error === "string" ? envelope.error : "";
    throw new ApiError(said || t("error.status", { status: String(response.status), path: question.path }), response.status);
  }
  const { stats, ...data } = envelope.data;
  const seconds = stats?.timings?.execTotalTime;
  return {
    data: data as Result,
    warnings: texts(envelope.warnings),
    infos: texts(envelope.infos),
    serverMs: seconds === undefined ? undefined : seconds * 1000,
    ms: performance.now() - begun,
    samples: stats?.samples?.totalQueryableSamples,
  };
}

/** A place in a query that a message names, both from 1; the column counts bytes. */
export interface Place {
  line: number;
  column: number;
}

/** The first place that a message of the server names, as `1:5: parse error: …` or `(1:5)`. */
export function placeIn(message: string): Place | undefined {
  const match = /(?:^|[\s(])(\d{1,5}):(\d{1,7})(?=:\s|\))/.exec(message);
  return match === null ? undefined : { line: Number(match[1]), column: Number(match[2]) };
}

/** Where in the text that is, as a position of the text; its end if the place lies beyond it. */
export function positionOf(text: string, { line, column }: Place): number {
  const lines = text.split("\n");
  if (line > lines.length) return text.length;
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  let bytes = 1;
  let at = 0;
  for (const c of lines[line - 1] ?? "") {
    if (bytes >= column) break;
    const code = c.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += c.length;
  }
  return before + at;
}

/** The stretch to underline: the word that begins there, or a single character. */
export function stretchAt(text: string, at: number): [number, number] {
  if (text === "") return [0, 0];
  const from = Math.min(at, text.length - 1);
  const word = /^[\w:]+/.exec(text.slice(from))?.[0].length ?? 1;
  return [from, Math.min(text.length, from + Math.max(1, word))];
}

/** What the message says without the parameter's name, which people did not write. */
export const plainMessage = (message: string): string => message.replace(/^invalid parameter "query": /, "");
