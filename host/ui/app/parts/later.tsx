/** A page whose script is loaded when somebody goes there, so that the first one is small. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api";
import { t } from "../text";
import { Failed, Loading } from "./looks";

export interface Loaded {
  load: () => Promise<ComponentType>;
  /** Once it is there it is drawn at once. */
  component?: ComponentType;
  /** Under way. */
  asked?: Promise<void>;
}

/** Starts loading, once; what failed is tried again by the next one who asks. */
export function fetchLater(page: Loaded): Promise<void> {
  page.asked ??= page.load().then(
    (component) => {
      page.component = component;
    },
    (e: unknown) => {
      delete page.asked;
      throw e;
    },
  );
  return page.asked;
}

export function Later({ page }: { page: Loaded }) {
  const [, drawn] = useState(0);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (page.component !== undefined) return;
    fetchLater(page).then(
      () => drawn((n) => n + 1),
      () => setFailed(true),
    );
  }, [page]);
  if (page.component !== undefined) return <page.component />;
  return failed ? <Failed error={new ApiError(t("error.unreachable"), 0)} again={() => location.reload()} /> : <Loading />;
}
