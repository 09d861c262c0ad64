/** Large values, each with its name and a small line. */
import { useSize } from "../parts/size";
import { t } from "../text";
import { theme } from "../theme";
import { quantity, whole } from "./format";
import { mixed, readable, wantsWhite } from "./palette";
import { columnsFor, namesShown, read, type Read, sparkPaths, valuesShown } from "./readings";
import { surroundings } from "./surroundings";
import type { FieldConfig, Frame, Stats } from "./view";

/** Smaller cells than these cannot be read: what does not fit scrolls. */
const leastHeight = 40;

export function StatView({ stats, frames, configs }: { stats: Stats; frames: readonly Frame[]; configs: readonly FieldConfig[] }) {
  const { ref, size } = useSize<HTMLDivElement>();
  const at = surroundings();
  const readings = stats.readings.map((reading, i) => read(reading, i, frames, configs, theme.value, at));
  const columns = columnsFor(readings.length, size.width || 1, size.height || 1, stats.orientation);
  const rows = Math.ceil(readings.length / columns);
  const height = Math.max(leastHeight, (size.height - 4 * (rows - 1)) / rows);
  const width = (size.width - 4 * (columns - 1)) / columns;
  const named = namesShown(stats.show, readings.length);
  // One size for all, so that values can be compared by eye.
  const longest = Math.max(1, ...readings.map((one) => widthOf(one)));
  // The small line has the lower part of the cell to itself.
  const lined = readings.some(({ spark, change }) => spark !== undefined || change !== null);
  const room = (height - (named && valuesShown(stats.show) ? 20 : 0)) * (lined ? 0.62 : 0.85);
  const fitting = Math.max(12, Math.min(46, room * 0.72, (width - 24) / (longest * 0.64)));
  return (
    <div class="stats" ref={ref} style={{ "--columns": String(columns), "--least": `${leastHeight}px` }}>
      {size.width > 0 &&
        readings.map((one, i) => (
          <Stat key={i} one={one} stats={stats} named={named} width={width} height={height} valueSize={stats.value_size ?? fitting} />
        ))}
    </div>
  );
}

/** In digits; what stands beside the number is set smaller, and Hangul is twice as wide. */
function widthOf({ shown }: Read): number {
  const wide = (text: string): number => [...text].reduce((sum, letter) => sum + ((letter.codePointAt(0) ?? 0) > 0x2e7f ? 1.8 : 1), 0);
  return wide(shown.text) + 0.6 * wide(shown.prefix + shown.suffix);
}

function Stat({
  one,
  stats,
  named,
  width,
  height,
  valueSize,
}: {
  one: Read;
  stats: Stats;
  named: boolean;
  width: number;
  height: number;
  valueSize: number;
}) {
  const painted = stats.paint === "background" || stats.paint === "gradient";
  const style: Record<string, string> = {};
  if (painted) {
    const end = stats.paint === "gradient" ? mixed(one.color, theme.value === "dark" ? "#000000" : "#ffffff", 0.25) : one.color;
    style.background = stats.paint === "gradient" ? `linear-gradient(120deg, ${one.color}, ${end})` : one.color;
    style.color = wantsWhite(mixed(one.color, end, 0.5)) ? "#ffffff" : "#10151c";
  }
  const valueStyle: Record<string, string> = { fontSize: `${Math.round(valueSize)}px` };
  if (stats.paint === "value") valueStyle.color = readable(one.color, theme.value, "large");
  return (
    <div
      class={`stat${stats.centered ? " centered" : ""}${painted ? " painted" : ""}${one.spark !== undefined ? " lined" : ""}`}
      style={style}
    >
      {one.spark !== undefined && (
        <Spark read={one} width={Math.max(1, width)} height={Math.max(10, height * 0.38)} color={painted ? "currentColor" : one.color} />
      )}
      {named && (
        <div class="stat-name" style={stats.title_size === null ? {} : { fontSize: `${stats.title_size}px` }} title={one.name}>
          {one.name}
        </div>
      )}
      {valuesShown(stats.show) && (
        <div class="stat-value" style={valueStyle}>
          <span class="beside">{one.shown.prefix}</span>
          {one.shown.text}
          <span class="beside">{one.shown.suffix}</span>
        </div>
      )}
      {one.change !== null && Number.isFinite(one.change) && <Change part={one.change} />}
    </div>
  );
}

function Change({ part }: { part: number }) {
  const text = whole(quantity(Math.abs(part), "percentunit", null, surroundings()));
  return (
    <div class="stat-change" title={t("stat.change")}>
      {part > 0 ? "▲" : part < 0 ? "▼" : "="} {text}
    </div>
  );
}

export function Spark({ read, width, height, color }: { read: Read; width: number; height: number; color: string }) {
  if (read.spark === undefined) return null;
  const { line, area } = sparkPaths(read.spark, width, height);
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={area} fill={color} fill-opacity="0.14" />
      <path d={line} fill="none" stroke={color} stroke-width="1.5" stroke-opacity="0.75" />
    </svg>
  );
}
