/** Asking, and asking again, without losing what is shown. */
import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, ask } from "./api";
import { tick } from "./page-state";

export interface Fetched<T> {
  /** The last good answer. */
  data: T | undefined;
  /** Why the last question failed; with `data`, that is stale. */
  error: ApiError | undefined;
  /** When `data` came, in Unix milliseconds. */
  at: number;
}

/** A server that starts or restarts is asked again after so long, whatever the refresh is. */
const retryMs = 5000;
const mayRecover = (error: ApiError | undefined): boolean => error !== undefined && (error.status === 0 || error.status >= 500);

const nothing = { data: undefined, error: undefined, at: 0 };

/**
 * Asks at first, whenever `key` changes, and at each tick while `enabled`. A changed key gives up the question under way; a
 * tick waits for it, so that a slow server is asked once and not over and over. `keep` leaves the answer to another key in
 * place until its own has come. `clock` is what ticks.
 */
export function useAsked<T>(
  key: string,
  run: (signal: AbortSignal) => Promise<T>,
  { enabled = true, keep = false, clock = tick }: { enabled?: boolean; keep?: boolean; clock?: ReadonlySignal<number> } = {},
): Fetched<T> {
  const [state, setState] = useState<Fetched<T> & { key: string }>({ ...nothing, key });
  const now = clock.value;
  const [retry, setRetry] = useState(0);
  const asked = useRef({ key: "", tick: -1, retry: 0, abort: undefined as AbortController | undefined });
  useEffect(() => {
    const last = asked.current;
    if (!enabled) return;
    if (last.key === key && ((last.tick === now && last.retry === retry) || last.abort !== undefined)) return;
    last.abort?.abort();
    const abort = new AbortController();
    asked.current = { key, tick: now, retry, abort };
    const done = (change: (old: Fetched<T> & { key: string }) => Fetched<T> & { key: string }): void => {
      if (abort.signal.aborted) return;
      asked.current.abort = undefined;
      setState(change);
    };
    run(abort.signal).then(
      (data) => done(() => ({ data, error: undefined, at: Date.now(), key })),
      (error: unknown) => {
        const reason = error instanceof ApiError ? error : new ApiError(String(error), 0);
        done((old) => (old.key === key || keep ? { ...old, error: reason, key } : { ...nothing, error: reason, key }));
      },
    );
  }, [key, now, enabled, retry]);
  useEffect(() => {
    if (!mayRecover(state.error)) return;
    const timer = setInterval(() => {
      if (!document.hidden) setRetry((n) => n + 1);
    }, retryMs);
    return () => clearInterval(timer);
  }, [state]);
  useEffect(() => () => asked.current.abort?.abort(), []);
  return state.key === key || keep ? state : nothing;
}

/** The answer of a path of the API. */
export function useFetched<T>(
  path: string,
  options: { enabled?: boolean; keep?: boolean; clock?: ReadonlySignal<number> } = {},
): Fetched<T> {
  return useAsked(path, (signal) => ask<T>(path, { signal }), options);
}
