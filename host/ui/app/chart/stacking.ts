/** Adds up series of the same stack. */
import type { Joined } from "./columns";
import type { Series } from "./view";

/** Which series to fill down to: both are positions in the list given. */
export interface Band {
  upper: number;
  lower: number;
}

export interface Stacked {
  y: Joined[];
  bands: Band[];
}

/**
 * Values as they are drawn, and the bands between them. A series without a stack stays as it is. Within a stack, values above
 * and below zero add up on their own sides; where a series has no value it adds nothing. Shares are of the sum of magnitudes.
 */
export function stack(series: readonly Pick<Series, "stack">[], y: readonly Joined[], hidden: (i: number) => boolean): Stacked {
  const length = y[0]?.length ?? 0;
  const out = y.map((column) => column.slice());
  const bands: Band[] = [];
  const groups = new Map<string, number[]>();
  series.forEach((one, i) => {
    if (one.stack === null || hidden(i)) return;
    const key = `${one.stack.mode}/${one.stack.group}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  for (const [key, members] of groups) {
    const totals = key.startsWith("percent/") ? magnitudes(members, y, length) : undefined;
    const above = new Float64Array(length);
    const below = new Float64Array(length);
    let lastAbove: number | undefined;
    let lastBelow: number | undefined;
    for (const member of members) {
      const column = out[member];
      if (column === undefined) continue;
      const downwards = mostlyNegative(y[member] ?? []);
      for (let i = 0; i < length; i++) {
        const value = y[member]?.[i];
        if (value == null) continue;
        const total = totals?.[i];
        const share = total === undefined ? value : total === 0 ? 0 : value / total;
        const side = share < 0 || (share === 0 && downwards) ? below : above;
        side[i] = (side[i] ?? 0) + share;
        column[i] = side[i];
      }
      const under = downwards ? lastBelow : lastAbove;
      if (under !== undefined) bands.push({ upper: member, lower: under });
      if (downwards) lastBelow = member;
      else lastAbove = member;
    }
  }
  return { y: out, bands };
}

function magnitudes(members: readonly number[], y: readonly Joined[], length: number): Float64Array {
  const totals = new Float64Array(length);
  for (const member of members) for (let i = 0; i < length; i++) totals[i] = (totals[i] ?? 0) + Math.abs(y[member]?.[i] ?? 0);
  return totals;
}

function mostlyNegative(column: Joined): boolean {
  let sum = 0;
  for (const value of column) sum += Math.sign(value ?? 0);
  return sum < 0;
}
