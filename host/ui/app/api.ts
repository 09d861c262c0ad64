/** What the server answers. Shapes of the Prometheus API as upstream has them, ours as `host/web` writes them. */
import type { Translations } from "./board-text";
import { prefix } from "./router";
import { t } from "./text";

/** An answer that is none: says what happened in a sentence for people. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** The status code, 0 if the server could not be reached. */
    readonly status: number,
  ) {
    super(message);
  }
}

interface Envelope {
  status?: unknown;
  data?: unknown;
  error?: unknown;
}

/** Longer than any query may take on the server. */
const patienceMs = 150_000;

/** Passes on that nobody waits any more, and says so if it is us who lost patience. */
function giveUp(e: unknown): void {
  if (!(e instanceof DOMException)) return;
  if (e.name === "TimeoutError") throw new ApiError(t("error.slow", { n: patienceMs / 1000 }), 0);
  if (e.name === "AbortError") throw e;
}

export interface Question {
  /** Sent as JSON; makes it a POST. */
  body?: unknown;
  signal?: AbortSignal;
  /** Of this server's pages; only `change` needs it. */
  token?: string;
  method?: "POST" | "PUT" | "DELETE";
}

/** Asks for JSON in the API's envelope and answers its `data`. What changes something goes through `change`. */
export async function ask<T>(path: string, options: Question = {}): Promise<T> {
  const late = AbortSignal.timeout(patienceMs);
  const signal = options.signal === undefined ? late : AbortSignal.any([options.signal, late]);
  const init: RequestInit = { headers: { Accept: "application/json" }, signal, credentials: "same-origin" };
  if (options.method !== undefined) init.method = options.method;
  if (options.token !== undefined) init.headers = { ...init.headers, "X-Skopos-Token": options.token };
  if (options.body !== undefined) {
    init.method ??= "POST";
    init.headers = { ...init.headers, "Content-Type": "application/json" };
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(prefix + path, init);
  } catch (e) {
    giveUp(e);
    throw new ApiError(t("error.unreachable"), 0);
  }
  let envelope: Envelope | undefined;
  try {
    envelope = (await response.json()) as Envelope;
  } catch (e) {
    // What is no JSON has its status to tell.
    giveUp(e);
  }
  if (response.ok && envelope?.status === "success") return envelope.data as T;
  const said = typeof envelope?.error === "string" ? envelope.error : "";
  throw new ApiError(said || t("error.status", { status: String(response.status), path }), response.status);
}

/** Who we are to the server, and what it lets us do. */
export interface Session {
  /** Proves that a change comes from these pages. */
  token: string;
  read_only: boolean;
  /** Why it is read-only. */
  reason: "none" | "no_users";
  /** Whether the server listens on loopback addresses only. */
  loopback: boolean;
  tls: boolean;
  /** Whether it asks for a name and password. */
  users: boolean;
  user: string | null;
}

let session: Promise<Session> | undefined;

/** Asked once for all; `anew` asks again. */
export function askSession(anew = false): Promise<Session> {
  if (session === undefined || anew) {
    const asked = ask<Session>("/api/v1/session");
    session = asked;
    // What failed is asked again the next time.
    asked.catch(() => {
      if (session === asked) session = undefined;
    });
  }
  return session;
}

/** Changes something on the server, with the token that it wants from pages. A token from before a restart is renewed once. */
export async function change<T>(path: string, body: unknown = {}, method: "POST" | "PUT" | "DELETE" = "POST"): Promise<T> {
  const send = async (anew: boolean): Promise<T> => ask<T>(path, { body, method, token: (await askSession(anew)).token });
  try {
    return await send(false);
  } catch (e) {
    if (!(e instanceof ApiError) || e.status !== 403) throw e;
    return send(true);
  }
}

export type Labels = Record<string, string>;

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl: string;
  lastError: string;
  lastScrape: string;
  /** Seconds. */
  lastScrapeDuration: number;
  /** Seconds from when it was due to when it began, where that is worth telling. */
  lastScrapeLate?: number;
  health: "up" | "down" | "unknown";
  scrapeInterval: string;
  scrapeTimeout: string;
  /** What storage did not take, though the scrape succeeded. */
  refused?: RefusedSeries;
}

/** Who writes samples from elsewhere. */
export interface Senders {
  senders: Sender[];
}

export interface Sender {
  name: string;
  rejected: { too_new: number };
  /** The last sample that was too far in the future: times in seconds. */
  ahead: { at: number; seconds: number; address: string; job: string; instance: string } | null;
}

/** What runs now. */
export interface RunningQueries {
  concurrent_max: number;
  queries: RunningQuery[];
}

export interface RunningQuery {
  id: number;
  query: string;
  /** Unix seconds. */
  start: number;
  end: number;
  /** Seconds; 0 for one time. */
  step: number;
  phase: "queued" | "running" | "sending";
  /** Since it was asked. */
  seconds: number;
  samples_read: number;
  samples: number;
  samples_peak: number;
  bytes: number;
  bytes_peak: number;
  client: string;
  user: string | null;
  path: string;
}

/** What the head is made of. Nothing is there before storage is. */
export interface TsdbStatus {
  /** Times in Unix milliseconds. */
  headStats?: { numSeries: number; minTime: number; maxTime: number };
  seriesCountByMetricName?: TsdbStatusEntry[];
  seriesCountByLabelValuePair?: TsdbStatusEntry[];
  labelValueCountByLabelName?: TsdbStatusEntry[];
  memoryInBytesByLabelName?: TsdbStatusEntry[];
}

export interface TsdbStatusEntry {
  name: string;
  value: number;
}

export interface RefusedSeries {
  series: number;
  reason: string;
  limit: string;
  /** The label whose values are many among them; empty if none stands out. */
  label: string;
  labelValues: number;
  example: string;
  /** YAML for the job; empty if no label stands out. */
  rule: string;
}

export interface Targets {
  activeTargets: Target[];
  droppedTargets?: unknown[] | null;
  droppedTargetCounts?: Record<string, number> | null;
}

export interface Alert {
  labels: Labels;
  annotations: Labels;
  state: "pending" | "firing";
  activeAt: string;
  value: string;
}

export interface Rule {
  type: "alerting" | "recording";
  name: string;
  query: string;
  labels?: Labels;
  health: string;
  lastError?: string;
  /** Seconds. */
  evaluationTime: number;
  lastEvaluation: string;
  state?: "inactive" | "pending" | "firing" | "unknown";
  /** Seconds of `for`. */
  duration?: number;
  annotations?: Labels;
  alerts?: Alert[];
}

export interface RuleGroup {
  name: string;
  file: string;
  /** Seconds. */
  interval: number;
  rules: Rule[];
}

export interface Delivery {
  receiver: string;
  group_key: string;
  labels: Labels;
  alerts: number;
  last: { at: number; attempts: number; error: string; pending: boolean } | null;
  next_flush: number | null;
}

export interface Plugin {
  name: string;
  kinds: string[];
  origin: "embedded" | "file";
  error: string;
  version?: string;
  summary?: string;
  grants?: string[];
  refused?: { what: string; count: number; line_to_add: string }[];
  calls?: number;
  failures?: number;
  last_error?: string;
  mean_call_us?: number;
}

export interface DashboardName {
  uid: string;
  title: string;
  /** The title by language. */
  titles?: Record<string, string>;
  tags?: string[];
}

export interface Variable {
  name: string;
  label: string;
  type: string;
  multi: boolean;
  include_all: boolean;
  /** 0 shown, 1 without its name, 2 not at all. */
  hide: number;
  current: string[];
  options: { text: string; value: string }[];
}

export interface PanelPlace {
  id: number;
  title: string;
  description: string;
  type: string;
  kind: "panel" | "row" | "placeholder";
  reason: string;
  collapsed: boolean;
  grid: { x: number; y: number; w: number; h: number };
  transparent: boolean;
}

export interface Dashboard {
  uid: string;
  title: string;
  description: string;
  tags: string[];
  time: { from: string; to: string };
  refresh: string;
  timezone: string;
  warnings: string[];
  variables: Variable[];
  panels: PanelPlace[];
  translations?: Translations;
}
