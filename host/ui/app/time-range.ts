/** Time ranges as people write them: `now-6h`, `now/d`, `2026-11-20 09:00`, Unix milliseconds. */

export interface Range {
  /** Unix milliseconds. */
  from: number;
  to: number;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const lengths: Record<string, number> = { s: second, m: minute, h: hour, d: day, w: 7 * day };
const relative = /^now((?:[+-]\d{1,9}[smhdwMy])*)(?:\/([smhdwMy]))?$/;

/** How far a zone is ahead of UTC at an instant, in milliseconds. NaN for what is no date. */
export function offsetAt(instant: number, zone: string): number {
  if (valid(instant) === undefined) return NaN;
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(instant);
  const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const wall = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  return wall - Math.floor(instant / second) * second;
}

/** The instant at which clocks of the zone show `wall`, given as if it were UTC. */
function instantOf(wall: number, zone: string): number {
  const guess = wall - offsetAt(wall, zone);
  return wall - offsetAt(guess, zone);
}

/** Months and years have no fixed length: they move on the zone's calendar, and stop at the month's last day. */
function addMonths(instant: number, months: number, zone: string): number {
  const wall = new Date(instant + offsetAt(instant, zone));
  const dayOfMonth = wall.getUTCDate();
  wall.setUTCDate(1);
  wall.setUTCMonth(wall.getUTCMonth() + months);
  const last = new Date(Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth() + 1, 0)).getUTCDate();
  wall.setUTCDate(Math.min(dayOfMonth, last));
  return instantOf(wall.getTime(), zone);
}

/** The beginning of the unit that an instant lies in, or its last millisecond. Weeks begin on Monday. */
function round(instant: number, unit: string, up: boolean, zone: string): number {
  const wall = new Date(instant + offsetAt(instant, zone));
  let start: number;
  switch (unit) {
    case "y":
      start = Date.UTC(wall.getUTCFullYear(), 0, 1);
      break;
    case "M":
      start = Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth(), 1);
      break;
    case "w":
      start = Math.floor(wall.getTime() / day) * day - ((wall.getUTCDay() + 6) % 7) * day;
      break;
    default:
      start = Math.floor(wall.getTime() / (lengths[unit] ?? second)) * (lengths[unit] ?? second);
  }
  if (!up) return instantOf(start, zone);
  const next = unit === "M" || unit === "y" ? addMonths(start, unit === "M" ? 1 : 12, "UTC") : start + (lengths[unit] ?? second);
  return instantOf(next, zone) - 1;
}

/** The instant that a text means, or none if it is not understood. `end` rounds `/d` to the end of the day. */
export function parseTime(text: string, now: number, zone: string, end = false): number | undefined {
  const trimmed = text.trim();
  const match = relative.exec(trimmed);
  if (match !== null) {
    let instant = now;
    for (const [, sign, count, unit] of (match[1] ?? "").matchAll(/([+-])(\d+)([smhdwMy])/g)) {
      const steps = Number(count) * (sign === "-" ? -1 : 1);
      instant =
        unit === "M" || unit === "y"
          ? addMonths(instant, steps * (unit === "M" ? 1 : 12), zone)
          : instant + steps * (lengths[unit ?? "s"] ?? 0);
    }
    if (match[2] !== undefined) instant = round(instant, match[2], end, zone);
    return valid(instant);
  }
  if (/^\d{9,10}$/.test(trimmed)) return Number(trimmed) * second;
  if (/^\d{11,15}$/.test(trimmed)) return valid(Number(trimmed));
  const date = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,3})?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(trimmed);
  if (date === null) return undefined;
  if (date[7] !== undefined) return valid(Date.parse(trimmed.replace(" ", "T")));
  const [year, month, dayOfMonth, hours, minutes, seconds] = date.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const wall = new Date(Date.UTC(year, month - 1, dayOfMonth, hours, minutes, seconds));
  // 31 February is a mistake and not 3 March.
  if (wall.getUTCMonth() !== month - 1 || wall.getUTCDate() !== dayOfMonth || hours > 23 || minutes > 59 || seconds > 59) return undefined;
  const start = instantOf(wall.getTime(), zone);
  return end && date[4] === undefined ? round(start, "d", true, zone) : start;
}

/** Within what `Date` can hold. */
function valid(instant: number): number | undefined {
  return Number.isFinite(instant) && Math.abs(instant) <= 8.64e15 ? instant : undefined;
}

/** Both ends, or none if one is not understood or the end is not after the beginning. */
export function parseRange(from: string, to: string, now: number, zone: string): Range | undefined {
  const start = parseTime(from, now, zone);
  const stop = parseTime(to, now, zone, true);
  return start === undefined || stop === undefined || stop <= start ? undefined : { from: start, to: stop };
}

/** Whether the range moves with the clock. */
export const moves = (from: string, to: string): boolean => from.trim().startsWith("now") || to.trim().startsWith("now");

/** `5s`, `1m`, `1m30s` in milliseconds; none for `off`, empty and what is not understood. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d{1,9}(ms|[smhdw]))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhdw])/g))
    total += Number(count) * (unit === "ms" ? 1 : (lengths[unit ?? "s"] ?? 0));
  return total > 0 ? total : undefined;
}

/** The range moved by a part of its length, to earlier times if negative. */
export function shifted(range: Range, part: number): Range {
  const by = Math.round((range.to - range.from) * part);
  return { from: range.from + by, to: range.to + by };
}

/** The range with its middle kept and its length multiplied. */
export function widened(range: Range, factor: number): Range {
  const middle = (range.from + range.to) / 2;
  const half = ((range.to - range.from) / 2) * factor;
  return { from: Math.round(middle - half), to: Math.round(middle + half) };
}

/** `2026-11-20 09:00:00` on the clocks of the zone: what `parseTime` reads back. */
export function wallClock(instant: number, zone: string): string {
  const wall = new Date(instant + offsetAt(instant, zone));
  return Number.isNaN(wall.getTime()) ? "" : wall.toISOString().slice(0, 19).replace("T", " ");
}
