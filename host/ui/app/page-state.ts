/** What the address says about time, refresh and zone, and the clock that makes pages ask again. */
import { computed, effect, signal } from "@preact/signals";
import { query, setQuery } from "./router";
import { moves, parseDuration, parseRange, type Range } from "./time-range";

/** What a dashboard sets where the address says nothing. */
export interface Defaults {
  from: string;
  to: string;
  refresh: string;
  timezone: string;
}

/** For pages that are no dashboards. */
export const usual: Defaults = { from: "now-1h", to: "now", refresh: "15s", timezone: "" };
export const defaults = signal<Defaults>(usual);

export const from = computed(() => query.value.get("from") ?? defaults.value.from);
export const to = computed(() => query.value.get("to") ?? defaults.value.to);
/** `off`, or a duration such as `5s`. */
export const refresh = computed(() => query.value.get("refresh") ?? (defaults.value.refresh || "off"));

const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** The IANA name for what is written in the address or in a dashboard. */
export function zoneOf(text: string): string {
  if (text === "" || text === "browser") return browserZone;
  if (text.toLowerCase() === "utc") return "UTC";
  try {
    return new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    return browserZone;
  }
}

export const zoneText = computed(() => query.value.get("timezone") ?? defaults.value.timezone);
export const zone = computed(() => zoneOf(zoneText.value));

/** Counts up whenever pages are to ask again. */
export const tick = signal(0);
/** Counts up when somebody presses the button: then what seldom changes is asked again too. */
export const pressed = signal(0);

/** The range on the clock, fixed between two ticks so that all panels show the same. */
export const range = computed<Range>(() => {
  tick.value;
  const now = Date.now();
  return parseRange(from.value, to.value, now, zone.value) ?? { from: now - 3_600_000, to: now };
});
/** False if the address holds a range that is not understood; the last hour is shown then. */
export const rangeUnderstood = computed(() => parseRange(from.value, to.value, Date.now(), zone.value) !== undefined);
export const rangeMoves = computed(() => moves(from.value, to.value));

export function refreshNow(): void {
  tick.value += 1;
}

export function refreshPressed(): void {
  pressed.value += 1;
  refreshNow();
}

export function setRange(next: Range): void {
  setQuery({ from: String(Math.round(next.from)), to: String(Math.round(next.to)) });
}

/** Starts the clock. It stands still while nobody looks, and catches up with one tick afterwards. */
export function startClock(): void {
  let missed = false;
  effect(() => {
    const every = parseDuration(refresh.value);
    if (every === undefined) return;
    const timer = setInterval(
      () => {
        if (document.hidden) missed = true;
        else refreshNow();
      },
      // Faster than once a second is a mistake in the address.
      Math.max(every, 1000),
    );
    return () => clearInterval(timer);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !missed) return;
    missed = false;
    refreshNow();
  });
}
