/** Which drawing serves which kind of view. */
import { t } from "../text";
import { Chart } from "./chart";
import { BarGaugeView, GaugeView } from "./gauge";
import { Picture } from "./picture";
import { StatView } from "./stat";
import { TableView } from "./table";
import type { PanelAnswer, View } from "./view";

/** Nothing to see: what the panel says about that, or an empty text if it says nothing or has no values. */
export function emptyReason(answer: PanelAnswer): string | undefined {
  const { view } = answer;
  switch (view.kind) {
    case "empty":
      return view.value;
    case "chart":
      return view.value.series.length === 0 ? "" : undefined;
    case "stats":
    case "gauges":
    case "bar-gauges":
      return view.value.readings.length === 0 ? "" : undefined;
    case "table":
      return view.value.columns.length === 0 ? "" : undefined;
    default:
      return undefined;
  }
}

const kinds = new Set(["chart", "stats", "gauges", "bar-gauges", "table", "text", "svg", "empty"]);

/** Whether this page has a drawing for the view. */
export const canDraw = (view: View): boolean => kinds.has(view.kind);

export function Drawing({ answer, title, span }: { answer: PanelAnswer; title: string; span: { from: number; to: number } }) {
  const { view, frames, configs } = answer;
  switch (view.kind) {
    case "chart":
      return <Chart chart={view.value} frames={frames} configs={configs} title={title} span={span} />;
    case "stats":
      return <StatView stats={view.value} frames={frames} configs={configs} />;
    case "gauges":
      return <GaugeView gauges={view.value} frames={frames} configs={configs} />;
    case "bar-gauges":
      return <BarGaugeView bars={view.value} frames={frames} configs={configs} />;
    case "table":
      return <TableView table={view.value} frames={frames} configs={configs} title={title} span={span} />;
    case "text":
      // Markup is shown as it was written: turning it into elements needs a sanitiser, which this page does not have.
      return <pre class={view.value.format.kind === "code" ? "text code" : "text"}>{view.value.content}</pre>;
    case "svg":
      return <Picture svg={view.value} title={title} />;
    case "empty":
      return null;
    default:
      return <p class="look">{t("panel.cannot", { kind: kindOf(view) })}</p>;
  }
}

/** Whatever else a newer server may send. */
const kindOf = (view: View): string => String((view as { kind?: unknown }).kind);
