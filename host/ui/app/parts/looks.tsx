/** The looks of a view that has nothing to draw: each says what is going on and what to do next. */
import type { ComponentChildren } from "preact";
import type { ApiError } from "../api";
import { surroundings } from "../chart/surroundings";
import { when } from "../dates";
import { refreshPressed } from "../page-state";
import { t } from "../text";

export function Loading() {
  return (
    <div class="look" role="status">
      <span class="spinner" aria-hidden="true" />
      {t("look.loading")}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="look">{children}</div>;
}

export function Failed({ error, what, again = refreshPressed }: { error: ApiError; what?: string; again?: () => void }) {
  return (
    <div class="look failed" role="alert">
      <strong>{what ?? t("look.failed")}</strong>
      <p class="said">{error.message}</p>
      <p>
        <button type="button" onClick={again}>
          {t("look.again")}
        </button>
      </p>
    </div>
  );
}

/** Above what is shown although it could not be brought up to date. */
export function Stale({ error, at }: { error: ApiError; at: number }) {
  return (
    <p class="stale-line" role="status">
      <span aria-hidden="true">⚠</span> {t("look.stale", { time: when(at, "clock", surroundings()), error: error.message })}
    </p>
  );
}
