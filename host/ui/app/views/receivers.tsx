/** Who can be told, with a message to try each. */
import { useState } from "preact/hooks";
import { ApiError, change } from "../api";
import { useFetched } from "../fetched";
import { Badge } from "../parts/bits";
import { Failed, Loading } from "../parts/looks";
import { session } from "../session";
import { t } from "../text";
import { ReadOnlyNote } from "./access";

interface Receiver {
  name: string;
  integrations: string[];
}

interface Result {
  integration: string;
  ok: boolean;
  error: string;
}

type Trial = { state: "idle" } | { state: "sending" } | { state: "done"; results: Result[] } | { state: "failed"; error: string };

export function Receivers() {
  const { data, error } = useFetched<Receiver[]>("/api/v1/receivers");
  return (
    <section class="card" id="receivers">
      <h2>{t("receivers.title")}</h2>
      <ReadOnlyNote />
      {data === undefined ? (
        error === undefined ? (
          <Loading />
        ) : (
          <Failed error={error} />
        )
      ) : data.length === 0 ? (
        <p class="calm-line">{t("receivers.none")}</p>
      ) : (
        <ul class="receivers">
          {data.map((receiver) => (
            <ReceiverRow key={receiver.name} receiver={receiver} />
          ))}
        </ul>
      )}
    </section>
  );
}

function ReceiverRow({ receiver: { name, integrations } }: { receiver: Receiver }) {
  const [trial, setTrial] = useState<Trial>({ state: "idle" });
  const readOnly = session.value?.read_only === true;
  const reason = readOnly ? t("access.read-only.why") : integrations.length === 0 ? t("receivers.nobody") : undefined;
  const send = (): void => {
    setTrial({ state: "sending" });
    change<{ results: Result[] }>(`/api/v1/receivers/${encodeURIComponent(name)}/test`).then(
      ({ results }) => setTrial({ state: "done", results }),
      (e: unknown) => setTrial({ state: "failed", error: e instanceof ApiError ? e.message : String(e) }),
    );
  };
  return (
    <li data-receiver={name}>
      <strong>{name}</strong>
      <span class="muted">{integrations.length === 0 ? t("receivers.nobody") : integrations.join(", ")}</span>
      <span class="spring" />
      <button
        type="button"
        disabled={reason !== undefined || trial.state === "sending"}
        title={reason}
        aria-label={t("receivers.test-of", { name })}
        onClick={send}
      >
        {trial.state === "sending" ? t("receivers.sending") : t("receivers.test")}
      </button>
      <div class="trial" role="status" aria-live="polite">
        {trial.state === "failed" && <p class="said">{t("receivers.failed", { error: trial.error })}</p>}
        {trial.state === "done" && (
          <ul class="plain">
            {trial.results.map(({ integration, ok, error }) => (
              <li key={integration}>
                <Badge tone={ok ? "good" : "bad"}>{t(ok ? "deliveries.sent" : "deliveries.failed")}</Badge> <code>{integration}</code>
                {!ok && <div class="said">{t("deliveries.error", { error })}</div>}
              </li>
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}
