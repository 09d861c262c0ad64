/** Time series, bars and scatter plots: a canvas by uPlot with our legend and tooltip. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { setRange } from "../page-state";
import { useSize } from "../parts/size";
import { t } from "../text";
import { theme } from "../theme";
import { quantity, whole } from "./format";
import { Legend } from "./legend";
import { type Drawable, ready } from "./model";
import { dataOf, optionsOf } from "./plot";
import { reduce } from "./reduce";
import { surroundings } from "./surroundings";
import { type CursorPlace, Tooltip } from "./tooltip";
import type { Surroundings } from "./units";
import type { Chart as ChartSpec, FieldConfig, Frame } from "./view";

export interface ChartProps {
  chart: ChartSpec;
  frames: readonly Frame[];
  configs: readonly FieldConfig[];
  title: string;
  /** What the answer was asked for; the axis shows this and not what has ticked since. */
  span: { from: number; to: number };
}

/** Beyond these a chart is a black area and a page that stands still. */
const mostSeries = 1000;

export function Chart({ chart: asked, frames, configs, title, span }: ChartProps) {
  const chart = useMemo(
    () => (asked.series.length > mostSeries ? { ...asked, series: asked.series.slice(0, mostSeries) } : asked),
    [asked],
  );
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [place, setPlace] = useState<CursorPlace | null>(null);
  const { ref, size } = useSize<HTMLDivElement>();
  const plot = useRef<uPlot | undefined>(undefined);
  const at = surroundings();
  const dark = theme.value;
  const model = useMemo(() => ready(chart, frames, configs, dark, hidden), [chart, frames, configs, dark, hidden]);
  // Callbacks of uPlot outlive a drawing; they read what is drawn now.
  const now = useRef({ model, span });
  now.current = { model, span };

  // What needs a new canvas when it changes; data and size do not.
  const shape = useMemo(
    () =>
      JSON.stringify([
        chart.series.map(({ x: _x, y: _y, ...rest }) => rest),
        chart.axes,
        chart.x_axis,
        chart.regions,
        configs.map(({ custom: _, ...rest }) => rest),
        model.series.map(({ name, color }) => [name, color]),
        model.categories,
        dark,
        at.zone,
        [...hidden],
      ]),
    [chart, configs, model, dark, at.zone, hidden],
  );

  useEffect(() => {
    const host = ref.current;
    if (host === null || size.width < 20 || size.height < 20) return;
    const sight = {
      theme: dark,
      at,
      range: () => now.current.span,
      onZoom: (from: number, to: number) => setRange({ from, to }),
      group: "page",
    };
    const options = optionsOf(chart, model, sight, hidden, size);
    const cursorMoved = (u: uPlot): void => setPlace(placeOf(u));
    options.hooks = { ...options.hooks, setCursor: [cursorMoved], setSeries: [cursorMoved] };
    const made = new uPlot(options, dataOf(model), host);
    plot.current = made;
    return () => {
      plot.current = undefined;
      made.destroy();
      setPlace(null);
    };
  }, [shape, size.width > 19 && size.height > 19]);

  useEffect(() => {
    plot.current?.setData(dataOf(model));
  }, [model, span.from, span.to]);

  useEffect(() => {
    if (size.width > 19 && size.height > 19) plot.current?.setSize(size);
  }, [size.width, size.height]);

  const keyboard = (event: KeyboardEvent): void => moveCursor(event, plot.current, now.current.model);
  const legend = chart.legend.placement !== "hidden" && (
    <Legend
      spec={chart.legend}
      series={model.series}
      hidden={hidden}
      at={at}
      onHidden={setHidden}
      onFocus={(i) => plot.current?.setSeries(i === null ? null : i + 1, { focus: true })}
    />
  );
  return (
    <div class={`chart legend-${chart.legend.placement}`}>
      <div
        class="plot"
        ref={ref}
        role="img"
        aria-label={summary(title, model, at)}
        tabIndex={0}
        onKeyDown={keyboard}
        onBlur={() => setPlace(null)}
      >
        {place !== null && chart.tooltip.mode !== "hidden" && plot.current !== undefined && (
          <div class="over" style={overPlace(plot.current)}>
            <Tooltip spec={chart.tooltip} model={model} regions={chart.regions} place={place} hidden={hidden} at={at} />
          </div>
        )}
      </div>
      {legend}
      {asked.series.length > mostSeries && <p class="muted small">{t("chart.too-many", { shown: mostSeries, n: asked.series.length })}</p>}
    </div>
  );
}

/** The plotting area inside the chart, so that the tooltip has its coordinates. */
function overPlace(u: uPlot): Record<string, string> {
  const ratio = devicePixelRatio;
  return {
    left: `${u.bbox.left / ratio}px`,
    top: `${u.bbox.top / ratio}px`,
    width: `${u.bbox.width / ratio}px`,
    height: `${u.bbox.height / ratio}px`,
  };
}

/** None if the pointer is elsewhere: a shared cursor shows its line without a tooltip on the other charts. */
function placeOf(u: uPlot): CursorPlace | null {
  const { left = -1, top = -1, idx, idxs } = u.cursor;
  const own = u.over.matches(":hover") || u.root.parentElement === document.activeElement;
  if (idx == null || left < 0 || !own) return null;
  const near = u.series.findIndex((one, i) => i > 0 && (one as { _focus?: boolean })._focus === true) - 1;
  const x = u.data[0][idx] ?? 0;
  return {
    rows: (idxs ?? []).slice(1).map((row) => row ?? null),
    row: idx,
    x,
    left,
    top,
    width: u.over.clientWidth,
    height: u.over.clientHeight,
    near: near >= 0 ? near : null,
  };
}

/** Arrow keys walk along the points; Home and End jump. */
function moveCursor(event: KeyboardEvent, u: uPlot | undefined, model: Drawable): void {
  if (u === undefined || model.x.length === 0) return;
  const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  const step = steps[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const current = u.cursor.idx ?? (step > 0 ? -1 : model.x.length);
  const next = Math.max(0, Math.min(model.x.length - 1, current + step));
  u.setCursor({ left: u.valToPos(model.x[next] ?? 0, "x"), top: u.over.clientHeight / 2 });
}

/** What the canvas shows, in words. */
function summary(title: string, model: Drawable, at: Surroundings): string {
  const parts = model.series.slice(0, 10).map((one) => {
    const of = (id: string): string => whole(quantity(reduce(one.values, id) ?? NaN, one.config.unit, one.config.decimals, at));
    return t("chart.series", { name: one.name, last: of("lastNotNull"), min: of("min"), max: of("max") });
  });
  const more = model.series.length > 10 ? t("chart.more", { n: model.series.length - 10 }) : "";
  return [t("chart.summary", { title, n: model.series.length }), ...parts, more].filter(Boolean).join(" ");
}
