/** Lengths of time: the distance of a graph's points, the window of a rate. */

const units: [string, number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];
const lengths: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

/** Milliseconds as PromQL writes them: `1h30m`. */
export function durationText(ms: number): string {
  let rest = Math.max(1, Math.round(ms));
  let text = "";
  for (const [unit, length] of units) {
    const count = Math.floor(rest / length);
    if (count === 0) continue;
    text += `${count}${unit}`;
    rest -= count * length;
  }
  return text;
}

/** `90`, `15s`, `1h30m`, `2w` in seconds; none for what is no length of time. */
export function parseSeconds(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d{1,12}(\.\d{1,6})?$/.test(trimmed)) return Number(trimmed) || undefined;
  if (!/^(\d{1,9}(ms|[smhdwy]))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, count, unit] of trimmed.matchAll(/(\d+)(ms|[smhdwy])/g)) total += Number(count) * (lengths[unit ?? "s"] ?? 0);
  return total || undefined;
}

/** Lengths that people think in, in seconds. */
export const niceSeconds = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
] as const;

const atLeast = (seconds: number): number => niceSeconds.find((nice) => nice >= seconds) ?? Math.ceil(seconds / 604_800) * 604_800;

/** One point for about three pixels, at most a thousand. In seconds. */
export function autoStep(rangeMs: number, width: number): number {
  const points = Math.max(100, Math.min(1000, width / 3));
  return atLeast(rangeMs / 1000 / points);
}

/** The server answers no more than 11,000 points of a series. */
export const mostPoints = 11_000;

/** The step asked for, or the least that the server takes for this range. In seconds. */
export function stepFor(asked: number | undefined, rangeMs: number, width: number): number {
  if (asked === undefined) return autoStep(rangeMs, width);
  return Math.max(asked, atLeast(rangeMs / 1000 / mostPoints), 0.001);
}

/**
 * The window of a rate: four scrapes, so that one that is lost does no harm, and no less than the distance of two points and a
 * scrape, so that nothing falls between them. `interval` is none if nobody knows it. In seconds.
 */
export function rateWindow(interval: number | undefined, step: number): number {
  if (interval === undefined) return atLeast(Math.max(300, step));
  return atLeast(Math.max(4 * interval, step + interval));
}

/** How often a series is scraped, from times of its samples in seconds: the middle of their distances. */
export function intervalOf(times: readonly number[]): number | undefined {
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? time));
  const sorted = gaps.filter((gap) => gap > 0).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
