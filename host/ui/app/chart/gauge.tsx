/** Dials and filled bars. */
import { useSize } from "../parts/size";
import { theme } from "../theme";
import { numberOf } from "./columns";
import { partOf, quantity, whole } from "./format";
import { colorOf, ink, readable } from "./palette";
import { columnsFor, namesShown, read, type Read, valuesShown } from "./readings";
import { surroundings } from "./surroundings";
import type { BarGauges, FieldConfig, Frame, Gauges } from "./view";

interface Common {
  frames: readonly Frame[];
  configs: readonly FieldConfig[];
}

const endsOf = (one: Read): [number, number] => {
  const low = one.config.min ?? Math.min(0, one.ends[0]);
  const high = one.config.max ?? Math.max(one.ends[1], low + 1);
  return [low, high];
};

/** A point on the dial, whose opening of a quarter points down. */
function onDial(part: number, radius: number): string {
  const angle = ((135 + 270 * part) * Math.PI) / 180;
  return `${(50 + radius * Math.cos(angle)).toFixed(2)} ${(50 + radius * Math.sin(angle)).toFixed(2)}`;
}

const arc = (from: number, to: number, radius: number): string =>
  `M${onDial(from, radius)}A${radius} ${radius} 0 ${to - from > 2 / 3 ? 1 : 0} 1 ${onDial(to, radius)}`;

export function GaugeView({ gauges, frames, configs }: { gauges: Gauges } & Common) {
  const { ref, size } = useSize<HTMLDivElement>();
  const at = surroundings();
  const readings = gauges.readings.map((reading, i) => read(reading, i, frames, configs, theme.value, at));
  const columns = columnsFor(readings.length, size.width || 1, size.height || 1, gauges.orientation, 1.2);
  return (
    <div class="stats" ref={ref} style={{ "--columns": String(columns), "--least": "70px" }}>
      {readings.map((one, i) => {
        const [low, high] = endsOf(one);
        const part = partOf(one.number, low, high);
        const marks = gauges.threshold_markers
          ? one.config.thresholds.map(({ value, color }, k) => ({
              from: partOf(numberOf(value), low, high),
              to: partOf(numberOf(one.config.thresholds[k + 1]?.value ?? "+Inf"), low, high),
              color,
              value,
            }))
          : [];
        return (
          <div class="gauge" key={i}>
            <svg
              viewBox="0 0 100 90"
              role="meter"
              aria-label={one.name}
              aria-valuenow={Number.isFinite(one.number) ? one.number : undefined}
              aria-valuemin={low}
              aria-valuemax={high}
              aria-valuetext={whole(one.shown)}
            >
              <path d={arc(0, 1, 40)} fill="none" stroke={ink[theme.value].empty} stroke-width="11" />
              {part > 0 && <path d={arc(0, part, 40)} fill="none" stroke={one.color} stroke-width="11" />}
              {marks
                .filter(({ from, to }) => to > from)
                .map((mark, k) => (
                  <path
                    key={k}
                    d={arc(mark.from, mark.to, 48)}
                    fill="none"
                    stroke={colorOf(mark.color, theme.value) ?? "#888888"}
                    stroke-width="2.5"
                  />
                ))}
              {gauges.threshold_labels &&
                marks
                  .filter(({ from }) => from > 0 && from < 1)
                  .map((mark, k) => {
                    const [x, y] = onDial(mark.from, 30).split(" ");
                    return (
                      <text key={k} x={x} y={y} class="gauge-mark" text-anchor="middle">
                        {whole(quantity(numberOf(mark.value), one.config.unit, one.config.decimals, at))}
                      </text>
                    );
                  })}
              <text
                x="50"
                y="58"
                text-anchor="middle"
                class="gauge-value"
                fill={readable(one.color, theme.value, "large")}
                font-size={Math.min(18, 88 / Math.max(4, whole(one.shown).length))}
              >
                {whole(one.shown)}
              </text>
            </svg>
            {readings.length > 1 && (
              <div class="stat-name" title={one.name}>
                {one.name}
              </div>
            )}
          </div>
        );
      })}
    </div>
  );
}

export function BarGaugeView({ bars, frames, configs }: { bars: BarGauges } & Common) {
  const at = surroundings();
  const readings = bars.readings.map((reading, i) => read(reading, i, frames, configs, theme.value, at));
  return (
    <div class="bar-gauges">
      {readings.map((one, i) => {
        const [low, high] = endsOf(one);
        const part = partOf(one.number, low, high);
        const width = `${(part * 100).toFixed(2)}%`;
        return (
          <div class="bar-gauge" key={i}>
            {(namesShown(bars.show, readings.length) || bars.show === "auto") && (
              <div class="bar-name" title={one.name}>
                {one.name}
              </div>
            )}
            <div
              class={`bar-track${bars.unfilled ? "" : " bare"}`}
              role="meter"
              aria-label={one.name}
              aria-valuenow={Number.isFinite(one.number) ? one.number : undefined}
              aria-valuemin={low}
              aria-valuemax={high}
              aria-valuetext={whole(one.shown)}
            >
              <div class={`bar-fill ${bars.style}`} style={{ width, color: one.color }} />
            </div>
            {valuesShown(bars.show) && (
              <div class="bar-value" style={{ color: readable(one.color, theme.value) }}>
                {whole(one.shown)}
              </div>
            )}
          </div>
        );
      })}
    </div>
  );
}
