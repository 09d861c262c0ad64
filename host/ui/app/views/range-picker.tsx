/** Chooses the time range, the zone and how often to refresh. */
import { useState } from "preact/hooks";
import { between } from "../dates";
import { from, range, rangeMoves, rangeUnderstood, refresh, refreshPressed, setRange, to, zone, zoneText } from "../page-state";
import { Popover } from "../parts/popover";
import { setQuery } from "../router";
import { type Key, locale, t } from "../text";
import { parseDuration, parseRange, shifted, wallClock, widened } from "../time-range";

const quick = ["5m", "15m", "30m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "30d", "90d"];
const intervals = ["off", "5s", "10s", "15s", "30s", "1m", "5m", "15m", "1h"];

/** The length of `now-6h` to `now` as words, none for other ranges. */
function lastOf(start: string, end: string): string | undefined {
  const match = /^now-(\d+)([smhdw])$/.exec(start.trim());
  if (match === null || end.trim() !== "now") return undefined;
  return t(`last.${match[2]}` as Key, { n: Number(match[1]) });
}

/** An interval of refreshing in words. */
function everyOf(text: string): string {
  const match = /^(\d+)([smhdw])$/.exec(text);
  return match === null ? text : t(`every.${match[2]}` as Key, { n: Number(match[1]) });
}

/** What the button says. */
export function describe(start: string, end: string, shown: { from: number; to: number }, where: string): string {
  const last = lastOf(start, end);
  if (last !== undefined) return last;
  return between(shown.from, shown.to, { language: locale.value, zone: where });
}

export function RangePicker() {
  const label = describe(from.value, to.value, range.value, zone.value);
  return (
    <div class="range-picker" role="group" aria-label={t("range.label")}>
      <button
        type="button"
        class="icon"
        title={t("range.back")}
        aria-label={t("range.back")}
        onClick={() => setRange(shifted(range.value, -0.5))}
      >
        ‹
      </button>
      <Popover label={t("range.choose", { range: label })} button={<span class="range-text">{label}</span>}>
        {(close) => <Choices close={close} />}
      </Popover>
      <button
        type="button"
        class="icon"
        title={t("range.forward")}
        aria-label={t("range.forward")}
        onClick={() => setRange(shifted(range.value, 0.5))}
      >
        ›
      </button>
      <button
        type="button"
        class="icon"
        title={t("range.out")}
        aria-label={t("range.out")}
        onClick={() => setRange(widened(range.value, 2))}
      >
        −
      </button>
      {!rangeUnderstood.value && (
        <span class="warn-text" role="alert">
          {t("range.wrong")}
        </span>
      )}
    </div>
  );
}

function Choices({ close }: { close: () => void }) {
  const moving = rangeMoves.value;
  const [start, setStart] = useState(moving ? from.value : wallClock(range.value.from, zone.value));
  const [end, setEnd] = useState(moving ? to.value : wallClock(range.value.to, zone.value));
  const understood = parseRange(start, end, Date.now(), zone.value) !== undefined;
  const zones = [...new Set(["browser", "utc", "Asia/Seoul", ...(zoneText.value === "" ? [] : [zoneText.value])])];
  const names: Record<string, string> = {
    browser: t("zone.browser", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone }),
    utc: "UTC",
  };
  return (
    <div class="range-choices">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!understood) return;
          // Texts that hang on a zone are fixed to what they mean here.
          const fixed = (text: string, instant: number): string => (text.trim().startsWith("now") ? text.trim() : String(instant));
          const meant = parseRange(start, end, Date.now(), zone.value);
          if (meant !== undefined) setQuery({ from: fixed(start, meant.from), to: fixed(end, meant.to) });
          close();
        }}
      >
        <label>
          {t("range.from")}
          <input value={start} spellcheck={false} onInput={(event) => setStart(event.currentTarget.value)} aria-invalid={!understood} />
        </label>
        <label>
          {t("range.to")}
          <input value={end} spellcheck={false} onInput={(event) => setEnd(event.currentTarget.value)} aria-invalid={!understood} />
        </label>
        <p class="muted small">{understood ? t("range.forms") : t("range.wrong")}</p>
        <button type="submit" class="primary" disabled={!understood}>
          {t("range.apply")}
        </button>
        <label>
          {t("zone.label")}
          <select value={zoneText.value || "browser"} onChange={(event) => setQuery({ timezone: event.currentTarget.value })}>
            {zones.map((name) => (
              <option key={name} value={name}>
                {names[name] ?? name}
              </option>
            ))}
          </select>
        </label>
      </form>
      <div class="quick">
        {quick.map((length) => (
          <button
            type="button"
            key={length}
            aria-pressed={from.value === `now-${length}` && to.value === "now"}
            onClick={() => {
              setQuery({ from: `now-${length}`, to: "now" });
              close();
            }}
          >
            {lastOf(`now-${length}`, "now")}
          </button>
        ))}
      </div>
    </div>
  );
}

export function RefreshPicker() {
  const now = refresh.value;
  const known = now === "off" || parseDuration(now) !== undefined ? now : "off";
  return (
    <div class="refresh-picker" role="group" aria-label={t("refresh.label")}>
      <button type="button" class="icon" title={t("refresh.now")} aria-label={t("refresh.now")} onClick={refreshPressed}>
        ↻
      </button>
      <select
        value={known}
        aria-label={t("refresh.every")}
        title={t("refresh.every")}
        onChange={(event) => setQuery({ refresh: event.currentTarget.value })}
      >
        {[...new Set([...intervals, known])].map((every) => (
          <option key={every} value={every}>
            {every === "off" ? t("refresh.off") : everyOf(every)}
          </option>
        ))}
      </select>
    </div>
  );
}
