/** The values under the cursor. */
import { when } from "../dates";
import { t } from "../text";
import { quantity, show, whole } from "./format";
import { Swatch } from "./legend";
import type { Drawable } from "./model";
import type { Surroundings } from "./units";
import type { Region, Tooltip as TooltipSpec } from "./view";

/** Where the cursor is, in CSS pixels of the plotting area. */
export interface CursorPlace {
  /** Row of each series, by its own nearest value. */
  rows: (number | null)[];
  row: number;
  x: number;
  left: number;
  top: number;
  width: number;
  height: number;
  /** The series nearest to the cursor. */
  near: number | null;
}

/** Rows beyond these are counted. */
const most = 18;

export function Tooltip({
  spec,
  model,
  regions,
  place,
  hidden,
  at,
}: {
  spec: TooltipSpec;
  model: Drawable;
  regions: readonly Region[];
  place: CursorPlace;
  hidden: ReadonlySet<number>;
  at: Surroundings;
}) {
  const rows = model.series
    .map((one, i) => {
      const row = place.rows[i] ?? place.row;
      const drawn = model.own[i]?.[row];
      return { one, i, value: drawn == null ? null : one.spec.negate ? -drawn : drawn };
    })
    .filter(({ one, i, value }) => value !== null && one.inTooltip && !hidden.has(i) && !one.spec.hidden_from.includes("plot"));
  let shown = rows;
  if (spec.mode === "one") {
    const near = rows.filter(({ i }) => i === place.near);
    shown = near.length > 0 ? near : rows.slice(0, 1);
  } else if (spec.sort !== null) {
    const sign = spec.sort === "ascending" ? 1 : -1;
    shown = rows.toSorted((a, b) => ((a.value ?? 0) - (b.value ?? 0)) * sign);
  }
  const here = regions.filter(
    ({ from, to, title }) => title !== "" && place.x >= Math.min(from, to) - 0.01 * (to - from || 0) && place.x <= to,
  );
  if (shown.length === 0 && here.length === 0) return null;
  const head =
    model.xKind === "times"
      ? when(place.x, "full", at)
      : model.xKind === "strings"
        ? (model.categories[place.row] ?? "")
        : whole(quantity(place.x, model.xConfig.unit, model.xConfig.decimals, at));
  // On the side with more room, so that it never covers the cursor.
  const style: Record<string, string> = {
    top: `${Math.max(0, Math.min(place.top - 12, place.height - 24 - 19 * Math.min(shown.length, most)))}px`,
  };
  if (place.left > place.width / 2) style.right = `${place.width - place.left + 14}px`;
  else style.left = `${place.left + 14}px`;
  return (
    <div class="tooltip" style={style}>
      <div class="tooltip-head">{head}</div>
      {here.map((region) => (
        <div class="tooltip-region" key={region.from}>
          {region.title}
        </div>
      ))}
      {shown.slice(0, most).map(({ one, i, value }) => (
        <div class={i === place.near && spec.mode === "all" ? "tooltip-row near" : "tooltip-row"} key={i}>
          <Swatch one={one} />
          <span class="tooltip-name">{one.name}</span>
          <span class="tooltip-value">{whole(show(value, one.config, at))}</span>
        </div>
      ))}
      {shown.length > most && <div class="muted">{t("tooltip.more", { n: shown.length - most })}</div>}
    </div>
  );
}
