/** Several questions at once: each is asked again when it changes or the clock ticks, and none waits for another. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api";

export interface Wanted<T> {
  /** The row it belongs to. */
  id: number;
  /** What is asked; another key is another question. */
  key: string;
  run: (signal: AbortSignal) => Promise<T>;
}

export interface Slot<T> {
  key: string;
  /** The last good answer to this key, or to the one before it until its own has come. */
  data: T | undefined;
  error: ApiError | undefined;
  busy: boolean;
  /** When `data` came, in Unix milliseconds. */
  at: number;
}

const empty = { key: "", data: undefined, error: undefined, busy: false, at: 0 };

/**
 * Unlike `useAsked` it does not ask again by itself after an error: a query that was too much for the server once is too much
 * the next time, too.
 */
export function useAnswers<T>(wanted: readonly Wanted<T>[], clock: number): (id: number) => Slot<T> {
  const [slots, setSlots] = useState<ReadonlyMap<number, Slot<T>>>(new Map());
  const running = useRef(new Map<number, { key: string; clock: number; abort: AbortController }>());
  const keys = JSON.stringify(wanted.map(({ id, key }) => [id, key]));

  useEffect(() => {
    const change = (id: number, next: (old: Slot<T>) => Slot<T>): void =>
      setSlots((old) => new Map(old).set(id, next(old.get(id) ?? empty)));
    for (const [id, { abort }] of running.current) {
      if (wanted.some((one) => one.id === id)) continue;
      abort.abort();
      running.current.delete(id);
      setSlots((old) => {
        const left = new Map(old);
        left.delete(id);
        return left;
      });
    }
    for (const { id, key, run } of wanted) {
      const last = running.current.get(id);
      if (last?.key === key && last.clock === clock) continue;
      last?.abort.abort();
      const abort = new AbortController();
      running.current.set(id, { key, clock, abort });
      change(id, (old) => ({ ...old, busy: true }));
      run(abort.signal).then(
        (data) => {
          if (!abort.signal.aborted) change(id, () => ({ key, data, error: undefined, busy: false, at: Date.now() }));
        },
        (reason: unknown) => {
          if (abort.signal.aborted) return;
          const error = reason instanceof ApiError ? reason : new ApiError(String(reason), 0);
          // The same question that fails now leaves its old answer; another question has none yet.
          change(id, (old) => ({ ...old, key, data: old.key === key ? old.data : undefined, error, busy: false }));
        },
      );
    }
  }, [keys, clock]);
  useEffect(
    () => () => {
      for (const { abort } of running.current.values()) abort.abort();
      running.current.clear();
    },
    [],
  );
  return (id) => slots.get(id) ?? empty;
}
