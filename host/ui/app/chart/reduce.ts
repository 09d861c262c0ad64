/** One number for a series: the calculations of legends and tables, by their ids in dashboards. */

type Calculation = (values: readonly number[]) => number;

const present = (values: readonly number[]): number[] => values.filter((value) => !Number.isNaN(value));
const sum: Calculation = (values) => present(values).reduce((a, b) => a + b, 0);
const mean: Calculation = (values) => sum(values) / present(values).length;
const min: Calculation = (values) => present(values).reduce((a, b) => Math.min(a, b), Infinity);
const max: Calculation = (values) => present(values).reduce((a, b) => Math.max(a, b), -Infinity);
const first: Calculation = (values) => values[0] ?? NaN;
const last: Calculation = (values) => values.at(-1) ?? NaN;
const firstNotNull: Calculation = (values) => present(values)[0] ?? NaN;
const lastNotNull: Calculation = (values) => values.findLast((value) => !Number.isNaN(value)) ?? NaN;
const variance: Calculation = (values) => {
  const middle = mean(values);
  return mean(present(values).map((value) => (value - middle) ** 2));
};

/** Steps of a counter; a fall is a restart from zero. */
const delta: Calculation = (values) => {
  const list = present(values);
  return list.reduce((total, value, i) => (i === 0 ? 0 : total + (value >= (list[i - 1] ?? 0) ? value - (list[i - 1] ?? 0) : value)), 0);
};

const calculations: Record<string, Calculation> = {
  sum,
  mean,
  min,
  max,
  first,
  last,
  firstNotNull,
  lastNotNull,
  delta,
  count: (values) => values.length,
  range: (values) => max(values) - min(values),
  diff: (values) => lastNotNull(values) - firstNotNull(values),
  diffperc: (values) => (lastNotNull(values) - firstNotNull(values)) / Math.abs(firstNotNull(values)),
  variance,
  stdDev: (values) => Math.sqrt(variance(values)),
  step: (values) => values.slice(1).reduce((low, value, i) => Math.min(low, value - (values[i] ?? 0)), Infinity),
  median: (values) => percentile(values, 50),
  logmin: (values) => min(present(values).filter((value) => value > 0)),
  changeCount: (values) => present(values).filter((value, i, all) => i > 0 && value !== all[i - 1]).length,
  distinctCount: (values) => new Set(present(values)).size,
  allIsZero: (values) => Number(values.length > 0 && values.every((value) => value === 0)),
  allIsNull: (values) => Number(present(values).length === 0),
};

/** By rank, with no interpolation between neighbours. */
function percentile(values: readonly number[], percent: number): number {
  const sorted = present(values).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

/** The calculation's result, NaN if there is no value, none if no calculation has this id. */
export function reduce(values: readonly number[], id: string): number | undefined {
  const rank = /^p(\d{1,2})$/.exec(id);
  if (rank !== null) return percentile(values, Number(rank[1]));
  if (!Object.hasOwn(calculations, id)) return undefined;
  if (!counting.has(id) && present(values).length === 0) return NaN;
  const result = calculations[id]?.(values) ?? NaN;
  // The lowest of nothing is no infinity.
  return id === "logmin" && result === Infinity ? NaN : result;
}

/** Results that are counts or truths, and so are there without any value. */
const counting = new Set(["count", "changeCount", "distinctCount", "allIsZero", "allIsNull"]);

/** Whether the result has the unit of the values. */
export const keepsUnit = (id: string): boolean => !counting.has(id) && id !== "diffperc" && id !== "variance";
